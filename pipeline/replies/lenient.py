"""The slow path: converts any `lead_details` object to the normal form without losing anything.

Rules: keys without a column, and values that do not fit their column's type, go into `extra` as received and are
counted as drift. A collection may be a list, an object with numeric keys, a single item, or empty. A bare string is
an item's name. A known alias stands for the documented key unless that key has a value as well. Source of the aliases:
fields seen in live integrations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline import schema
from pipeline.replies.drift import Drift, Extras
from pipeline.replies.lead import COLLECTIONS, FIELD_COLUMNS, OPTION_COLUMNS, CustomField, Item, Lead, Option
from pipeline.replies.values import UnreadableValue, is_empty, read_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.replies.envelope import JsonObject
    from pipeline.schema import Type

_ALIASES: Mapping[str, Mapping[str, str]] = {
    "transactions": {"transaction_id": "id", "type": "transaction_type", "date": "transaction_date"},
    "memberships": {"membership_name": "name", "level": "level_name"},
}
_NAME_KEYS: Mapping[str, str] = {
    "tags": "tag_name",
    "lists": "list_name",
    "sequences": "sequence_name",
    "memberships": "name",
}
# By the keys that the API uses.
_COLUMNS = {table.name: {column.source_key: column for column in table.api_columns} for table in schema.LEAD_TABLES}
_FIELD_COLUMNS = {column.source_key: column for column in FIELD_COLUMNS}
_OPTION_COLUMNS = {column.source_key: column for column in OPTION_COLUMNS}
_VALUE_TYPE = schema.CUSTOM_FIELDS.type_of("value")


class LenientReader:
    """Reads one lead; `extras` and `drift` then hold what did not fit."""

    def __init__(self) -> None:
        self.extras: Extras = {}
        self.drift = Drift()

    def read(self, details: JsonObject, unknown_keys: JsonObject) -> Lead:
        """Convert `details` to the normal form; `unknown_keys` are those of the envelope around it."""
        lead = Lead()
        for key, value in details.items():
            if column := _COLUMNS["leads"].get(key):
                setattr(lead, column.name, self._cell("leads", 0, key, value, column.type))
            elif key in COLLECTIONS:
                read = self._custom_fields if key == "custom_fields" else self._items
                setattr(lead, key, read(key, value))
            else:
                self._unknown("leads", 0, key, value)
        for key, value in unknown_keys.items():
            self._unknown("leads", 0, f"reply.{key}", value)
        return lead

    def _items(self, table: str, value: object) -> list[Item]:
        columns = _COLUMNS[table]
        items: list[Item] = []
        for raw in self._members("leads", 0, table, value, (*columns, *_ALIASES.get(table, ()))):
            item, row = COLLECTIONS[table](), len(items)
            pairs = self._as_object(table, row, raw)
            for key, cell in pairs.items():
                column = columns.get(_documented_key(table, key, pairs))
                if column is None:
                    self._unknown(table, row, key, cell)
                elif (converted := self._cell(table, row, key, cell, column.type)) is not None:
                    setattr(item, column.name, converted)
            items.append(item)
        return items

    def _custom_fields(self, table: str, value: object) -> list[Item]:
        """Custom fields; options are counted as rows, as in the table, so that each `extra` is in the right row."""
        fields: list[Item] = []
        row = 0
        for raw in self._members("leads", 0, table, value, (*_FIELD_COLUMNS, "field_value")):
            item = CustomField()
            for key, cell in self._as_object(table, row, raw).items():
                if column := _FIELD_COLUMNS.get(key):
                    setattr(item, column.name, self._cell(table, row, key, cell, column.type))
                elif key == "field_value":
                    item.field_value = self._field_value(table, row, cell)
                else:
                    self._unknown(table, row, key, cell)
            fields.append(item)
            row += max(1, len(item.field_value)) if isinstance(item.field_value, list) else 1
        return fields

    def _field_value(self, table: str, row: int, value: object) -> str | list[Item] | None:
        if not isinstance(value, list | dict):
            return self._cell(table, row, "field_value", value, _VALUE_TYPE)
        options: list[Item] = []
        for raw in self._members(table, row, "field_value", value, _OPTION_COLUMNS):
            option, here = Option(), row + len(options)
            for key, cell in (raw if isinstance(raw, dict) else {"option_value": raw}).items():
                if column := _OPTION_COLUMNS.get(key):
                    setattr(option, column.name, self._cell(table, here, key, cell, column.type))
                else:
                    self._unknown(table, here, key, cell)
            options.append(option)
        return options

    def _members(self, table: str, row: int, key: str, value: object, known: Iterable[str]) -> Iterable[object]:
        """The items of a collection in any encoding; a value that is not a collection goes into the row's `extra`."""
        members = _listed(value, known)
        if members is None:
            self._unreadable(table, row, key, value)
            return ()
        # An object without keys is still an item, equivalent to one whose values are all empty.
        return (member for member in members if isinstance(member, dict) or not is_empty(member))

    def _as_object(self, table: str, row: int, raw: object) -> JsonObject:
        if isinstance(raw, dict):
            return raw
        if table in _NAME_KEYS and isinstance(raw, str | int | float):
            return {_NAME_KEYS[table]: raw}
        self._unreadable(table, row, "item", raw)
        return {}

    def _cell(self, table: str, row: int, key: str, value: object, kind: Type) -> str | None:
        """`value` as the string for a column of type `kind`."""
        try:
            return read_value(value, kind)
        except UnreadableValue:
            self._unreadable(table, row, key, value)
            return None

    def _unknown(self, table: str, row: int, key: str, value: object) -> None:
        self.drift.count_unknown(table, key)
        self._add_extra(table, row, key, value)

    def _unreadable(self, table: str, row: int, key: str, value: object) -> None:
        self.drift.count_unreadable(table, key)
        self._add_extra(table, row, key, value)

    def _add_extra(self, table: str, row: int, key: str, value: object) -> None:
        extra = self.extras.setdefault(table, {}).setdefault(row, {})
        while key in extra:  # a custom field and its first option share a row and may have the same key
            key = f"{key}_{len(extra)}"
        extra[key] = value


def _documented_key(table: str, key: str, pairs: JsonObject) -> str:
    """The documented key that `key` stands for; an alias is ignored if the documented key has a value."""
    name = _ALIASES.get(table, {}).get(key, key)
    return key if name != key and not is_empty(pairs.get(name)) else name


def _listed(value: object, known: Iterable[str]) -> list[object] | None:
    """The members of a PHP array however it was encoded; None if `value` is not an array."""
    if is_empty(value):
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if all(key.lstrip("-").isdigit() for key in value):
            return list(value.values())
        if any(key in value for key in known):
            return [value]
    return None

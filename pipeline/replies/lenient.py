"""The slow path: any `lead_details` object into the normal form, losing nothing.

Rules: a key without a column, and a value that does not read as its column's type, go into `extra` as they came, and
are counted as drift. A collection is a list, an object with numbered keys, one item, or nothing. A bare text is an
item's name. Known aliases count as the documented key, unless that has a value too. Source of the aliases: fields seen
in live integrations.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.replies.lead import COLLECTIONS, FIELD_COLUMNS, OPTION_COLUMNS, CustomField, Item, Lead, Option
from pipeline.replies.values import Unreadable, is_nothing, read_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.replies.envelope import JsonObject
    from pipeline.schema import Type

Extras = dict[str, dict[int, dict[str, Any]]]

_ALIASES: Mapping[str, Mapping[str, str]] = {
    "transactions": {"transaction_id": "id", "type": "transaction_type", "date": "transaction_date"},
    "memberships": {"membership_name": "name", "level": "level_name"},
}
_BARE: Mapping[str, str] = {
    "tags": "tag_name",
    "lists": "list_name",
    "sequences": "sequence_name",
    "memberships": "name",
}
# By what the API calls them.
_COLUMNS = {table.name: {column.source_key: column for column in table.api_columns} for table in schema.LEAD_TABLES}
_FIELD_COLUMNS = {column.source_key: column for column in FIELD_COLUMNS}
_OPTION_COLUMNS = {column.source_key: column for column in OPTION_COLUMNS}
_VALUE_TYPE = schema.CUSTOM_FIELDS.type_of("value")
_MAX_DRIFT_KEYS = 500
_DRIFT_KEY = re.compile(r"(reply\.)?[A-Za-z_][A-Za-z0-9_-]{0,63}")
_OTHERS = "(others)"


@dataclass(slots=True)
class Drift:
    """How the API's replies differ from the documented shape: counts by `table.key`, never values.

    Keys that do not look like names of fields are counted together, as `table.(others)`: they may be data.
    """

    unknown_keys: Counter[str] = field(default_factory=Counter)
    unreadable_values: Counter[str] = field(default_factory=Counter)

    def add(self, other: Drift) -> None:
        """Add the counts of `other`; beyond 500 different keys they are counted together."""
        for mine, theirs in (
            (self.unknown_keys, other.unknown_keys),
            (self.unreadable_values, other.unreadable_values),
        ):
            for key, count in theirs.items():
                mine[key if key in mine or len(mine) < _MAX_DRIFT_KEYS else _OTHERS] += count


class LenientReader:
    """Reads one lead; afterwards `extras` and `drift` hold what did not fit."""

    def __init__(self) -> None:
        self.extras: Extras = {}
        self.drift = Drift()

    def read(self, details: JsonObject, others: JsonObject) -> Lead:
        """Bring `details` into the normal form; `others` are unknown keys of the envelope around it."""
        lead = Lead()
        for key, value in details.items():
            if column := _COLUMNS["leads"].get(key):
                setattr(lead, column.name, self._cell("leads", 0, key, value, column.type))
            elif key in COLLECTIONS:
                read = self._custom_fields if key == "custom_fields" else self._items
                setattr(lead, key, read(key, value))
            else:
                self._unknown("leads", 0, key, value)
        for key, value in others.items():
            self._unknown("leads", 0, f"reply.{key}", value)
        return lead

    def _items(self, table: str, value: object) -> list[Item]:
        columns = _COLUMNS[table]
        items: list[Item] = []
        for raw in self._members("leads", 0, table, value, (*columns, *_ALIASES.get(table, ()))):
            item, row = COLLECTIONS[table](), len(items)
            pairs = self._as_object(table, row, raw)
            for key, cell in pairs.items():
                column = columns.get(_documented(table, key, pairs))
                if column is None:
                    self._unknown(table, row, key, cell)
                elif (text := self._cell(table, row, key, cell, column.type)) is not None:
                    setattr(item, column.name, text)
            items.append(item)
        return items

    def _custom_fields(self, table: str, value: object) -> list[Item]:
        """Custom fields; a row number here counts options, as in the table, so that `extra` finds its row."""
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
        """The items of a collection however it came; what is no collection at all goes into `extra` of the row."""
        members = _listed(value, known)
        if members is None:
            self._unreadable(table, row, key, value)
            return ()
        # An object is an item even if it has no keys: the same as one whose values are all empty.
        return (member for member in members if isinstance(member, dict) or not is_nothing(member))

    def _as_object(self, table: str, row: int, raw: object) -> JsonObject:
        if isinstance(raw, dict):
            return raw
        if table in _BARE and isinstance(raw, str | int | float):
            return {_BARE[table]: raw}
        self._unreadable(table, row, "item", raw)
        return {}

    def _cell(self, table: str, row: int, key: str, value: object, kind: Type) -> str | None:
        """The text for a column of type `kind`."""
        try:
            return read_value(value, kind)
        except Unreadable:
            self._unreadable(table, row, key, value)
            return None

    def _unknown(self, table: str, row: int, key: str, value: object) -> None:
        self.drift.unknown_keys[_drift_key(table, key)] += 1
        self._keep(table, row, key, value)

    def _unreadable(self, table: str, row: int, key: str, value: object) -> None:
        self.drift.unreadable_values[_drift_key(table, key)] += 1
        self._keep(table, row, key, value)

    def _keep(self, table: str, row: int, key: str, value: object) -> None:
        extra = self.extras.setdefault(table, {}).setdefault(row, {})
        while key in extra:  # a custom field and its first option share a row, and may share a key
            key = f"{key}_{len(extra)}"
        extra[key] = value


def _documented(table: str, key: str, pairs: JsonObject) -> str:
    """The documented key that `key` stands for; an alias gives way where that has a value of its own."""
    name = _ALIASES.get(table, {}).get(key, key)
    return key if name != key and not is_nothing(pairs.get(name)) else name


def _drift_key(table: str, key: str) -> str:
    return f"{table}.{key if _DRIFT_KEY.fullmatch(key) else _OTHERS}"


def _listed(value: object, known: Iterable[str]) -> list[object] | None:
    """The members of a PHP array however it was encoded; None if it is none."""
    if is_nothing(value):
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if all(key.lstrip("-").isdigit() for key in value):
            return list(value.values())
        if any(key in value for key in known):
            return [value]
    return None

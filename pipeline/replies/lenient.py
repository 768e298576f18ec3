"""The slow path: any `lead_details` object into the normal form, losing nothing.

Rules: a key without a column, and a value that does not read as its column's type, go into `extra` as they came, and
are counted as drift. A collection is a list, an object with numbered keys, one item, or nothing. A bare text is an
item's name. Known aliases count as the documented key. Source of the aliases: fields seen in live integrations.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pipeline import schema
from pipeline.replies.lead import COLLECTIONS, SCALARS, CustomField, Item, Lead, Option
from pipeline.replies.values import Unreadable, is_nothing, read_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pipeline.replies.envelope import JsonObject

Extras = dict[str, dict[int, dict[str, Any]]]

_ALIASES: Mapping[str, Mapping[str, str]] = {
    "transactions": {"id": "transaction_id", "type": "transaction_type", "date": "transaction_date"},
    "memberships": {"membership_name": "name", "level": "level_name"},
}
_BARE: Mapping[str, str] = {
    "tags": "tag_name",
    "lists": "list_name",
    "sequences": "sequence_name",
    "memberships": "name",
}
_TABLES = {table.name: table for table in schema.LEAD_TABLES}
_FIELD_COLUMNS = ("field_id", "field_identifier", "field_type")
_MAX_DRIFT_KEYS = 500


@dataclass(slots=True)
class Drift:
    """How the API's replies differ from the documented shape: counts by `table.key`, never values."""

    unknown_keys: Counter[str] = field(default_factory=Counter)
    unreadable_values: Counter[str] = field(default_factory=Counter)

    def add(self, other: Drift) -> None:
        """Add the counts of `other`; beyond 500 different keys they are counted together."""
        for mine, theirs in (
            (self.unknown_keys, other.unknown_keys),
            (self.unreadable_values, other.unreadable_values),
        ):
            for key, count in theirs.items():
                mine[key if key in mine or len(mine) < _MAX_DRIFT_KEYS else "(others)"] += count


class LenientReader:
    """Reads one lead; afterwards `extras` and `drift` hold what did not fit."""

    def __init__(self) -> None:
        self.extras: Extras = {}
        self.drift = Drift()

    def read(self, details: JsonObject, others: JsonObject) -> Lead:
        """Bring `details` into the normal form; `others` are unknown keys of the envelope around it."""
        lead = Lead()
        for key, value in details.items():
            if key in SCALARS:
                setattr(lead, key, self._cell("leads", 0, key, value))
            elif key == "custom_fields":
                lead.custom_fields = self._custom_fields(value)
            elif key in COLLECTIONS:
                setattr(lead, key, self._items(key, value))
            else:
                self._unknown("leads", 0, key, value)
        for key, value in others.items():
            self._unknown("leads", 0, f"reply.{key}", value)
        return lead

    def _items(self, table: str, value: object) -> list[Item]:
        kind = COLLECTIONS[table]
        columns = kind.__struct_fields__
        items: list[Item] = []
        for raw in self._members(table, value, (*columns, *_ALIASES.get(table, ()))):
            item, row = kind(), len(items)
            for key, cell in self._as_object(table, row, raw).items():
                name = _column(table, key, raw)
                if name in columns:
                    setattr(item, name, self._cell(table, row, name, cell))
                else:
                    self._unknown(table, row, key, cell)
            items.append(item)
        return items

    def _custom_fields(self, value: object) -> list[CustomField]:
        """Custom fields; a row number here counts options, as in the table, so that `extra` finds its row."""
        fields: list[CustomField] = []
        row = 0
        for raw in self._members("custom_fields", value, (*_FIELD_COLUMNS, "field_value")):
            item = CustomField()
            for key, cell in self._as_object("custom_fields", row, raw).items():
                if key in _FIELD_COLUMNS:
                    setattr(item, key, self._cell("custom_fields", row, key, cell))
                elif key == "field_value":
                    item.field_value = self._field_value(row, cell)
                else:
                    self._unknown("custom_fields", row, key, cell)
            fields.append(item)
            row += max(1, len(item.field_value)) if isinstance(item.field_value, list) else 1
        return fields

    def _field_value(self, row: int, value: object) -> str | list[Option] | None:
        if not isinstance(value, list | dict):
            return self._cell("custom_fields", row, "value", value)
        options: list[Option] = []
        for raw in _listed(value, ("option_id", "option_value")) or ():
            here = row + len(options)
            option = Option()
            pairs = raw.items() if isinstance(raw, dict) else [("option_value", raw)]
            for key, cell in pairs:
                if key == "option_id":
                    option.option_id = self._cell("custom_fields", here, key, cell)
                elif key == "option_value":
                    option.option_value = self._cell("custom_fields", here, "value", cell)
                else:
                    self._unknown("custom_fields", here, key, cell)
            options.append(option)
        if not options and value:
            self._unreadable("custom_fields", row, "value", value)
        return options

    def _members(self, table: str, value: object, known: Iterable[str]) -> Iterable[object]:
        """The items of a collection however it came; what is no collection at all goes into the lead's `extra`."""
        members = _listed(value, known)
        if members is None:
            self._unreadable("leads", 0, table, value)
            return ()
        return (member for member in members if not is_nothing(member))

    def _as_object(self, table: str, row: int, raw: object) -> JsonObject:
        if isinstance(raw, dict):
            return raw
        if table in _BARE and isinstance(raw, str | int | float):
            return {_BARE[table]: raw}
        self._unreadable(table, row, "item", raw)
        return {}

    def _cell(self, table: str, row: int, column: str, value: object) -> str | None:
        try:
            return read_value(value, _TABLES[table].type_of(column))
        except Unreadable:
            self._unreadable(table, row, column, value)
            return None

    def _unknown(self, table: str, row: int, key: str, value: object) -> None:
        self.drift.unknown_keys[f"{table}.{key}"] += 1
        self._keep(table, row, key, value)

    def _unreadable(self, table: str, row: int, key: str, value: object) -> None:
        self.drift.unreadable_values[f"{table}.{key}"] += 1
        self._keep(table, row, key, value)

    def _keep(self, table: str, row: int, key: str, value: object) -> None:
        self.extras.setdefault(table, {}).setdefault(row, {})[key] = value


def _column(table: str, key: str, raw: object) -> str:
    """The column that `key` fills; an alias gives way where the item has the column's own key as well."""
    name = _ALIASES.get(table, {}).get(key, key)
    return key if name != key and isinstance(raw, dict) and name in raw else name


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

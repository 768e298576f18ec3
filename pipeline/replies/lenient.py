"""The lenient path: makes the structs of a lead from any `lead_details` object, without losing anything.

Rules: keys without a column, and values that do not fit their column's type, go into `extra` as received and are
counted as drift. A collection may be a list, an object with numeric keys, a single item, or empty. A bare string is
an item's name. A known alias stands for the documented key unless that key has a value as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.replies.drift import Drift, Extras
from pipeline.replies.shape import ALIASES, COLLECTIONS, COLUMNS, NAME_KEYS, OPTIONS, REPLY, Item, Key
from pipeline.replies.values import UnreadableValue, is_empty, is_keyed_list, read_value

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.columns import Type
    from pipeline.replies.envelope import JsonObject
    from pipeline.replies.shape import Shape

# By the keys that the API uses.
_COLUMNS = {level: {column.source_key: column for column in columns} for level, columns in COLUMNS.items()}
_OTHER_KEYS = {"leads": COLLECTIONS, "custom_fields": ("field_value",)}
"""Documented keys that hold no scalar."""


class LenientReader:
    """Reads one lead; `extras`, `drift` and `undocumented` then hold what did not fit.

    Args:
        shape: the structs to make. Keys that they have beyond the documented ones stay absent, and go into `extras`.
    """

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.extras: Extras = {}
        self.drift = Drift()
        self.undocumented: set[Key] = set()

    def read(self, details: JsonObject, unknown_keys: JsonObject) -> Any:  # noqa: ANN401 - a struct made at run time
        """The lead in `details`; `unknown_keys` are those of the envelope around it."""
        lead = self._shape.lead()
        self._fill(lead, "leads", "leads", 0, details)
        for table in COLLECTIONS:
            if table in details:
                read = self._custom_fields if table == "custom_fields" else self._items
                setattr(lead, table, read(table, details[table]))
        for key, value in unknown_keys.items():
            self.undocumented.add(Key(REPLY, key, isinstance(value, list | dict)))
            self.drift.count_unknown("leads", f"{REPLY}.{key}")
            self._add_extra("leads", 0, f"{REPLY}.{key}", value, prefix=REPLY)
        return lead

    def _items(self, table: str, value: object) -> list[Item]:
        items: list[Item] = []
        for raw in self._members("leads", 0, table, value, (*_COLUMNS[table], *ALIASES.get(table, ()))):
            item = self._shape.items[table]()
            self._fill(item, table, table, len(items), self._as_object(table, len(items), raw))
            items.append(item)
        return items

    def _custom_fields(self, table: str, value: object) -> list[Item]:
        """Custom fields; options are counted as rows, as in the table, so that each `extra` is in the right row."""
        fields: list[Item] = []
        row = 0
        for raw in self._members("leads", 0, table, value, (*_COLUMNS[table], "field_value")):
            item: Any = self._shape.items[table]()
            pairs = self._as_object(table, row, raw)
            self._fill(item, table, table, row, pairs)
            item.field_value = self._field_value(table, row, pairs.get("field_value"))
            fields.append(item)
            row += max(1, len(item.field_value)) if isinstance(item.field_value, list) else 1
        return fields

    def _field_value(self, table: str, row: int, value: object) -> str | list[Item] | None:
        if not isinstance(value, list | dict):
            return self._cell(table, row, "field_value", value, "string")
        options: list[Item] = []
        for raw in self._members(table, row, "field_value", value, _COLUMNS[OPTIONS]):
            option = self._shape.items[OPTIONS]()
            pairs = raw if isinstance(raw, dict) else {NAME_KEYS[OPTIONS]: raw}
            self._fill(option, OPTIONS, table, row + len(options), pairs)
            options.append(option)
        return options

    def _fill(self, item: Item, level: str, table: str, row: int, pairs: JsonObject) -> None:
        """Fill the struct of an object with its scalars; what has no column goes into the row's `extra`."""
        columns, other_keys = _COLUMNS[level], _OTHER_KEYS.get(level, ())
        for key, value in pairs.items():
            if key in other_keys:
                continue
            documented = _documented_key(level, key, pairs)
            column = columns.get(documented)
            if column is None or documented != key:
                self.undocumented.add(Key(level, key, isinstance(value, list | dict)))
            if column is None:
                self.drift.count_unknown(table, key)
                self._add_extra(table, row, key, value, prefix=level)
            elif (cell := self._cell(table, row, key, value, column.type, prefix=level)) is not None:
                setattr(item, column.name, cell)

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
        if table in NAME_KEYS and isinstance(raw, str | int | float):
            return {NAME_KEYS[table]: raw}
        self._unreadable(table, row, "item", raw)
        return {}

    def _cell(self, table: str, row: int, key: str, value: object, kind: Type, prefix: str = "") -> str | None:
        """`value` as the string for a column of type `kind`."""
        try:
            return read_value(value, kind)
        except UnreadableValue:
            self._unreadable(table, row, key, value, prefix)
            return None

    def _unreadable(self, table: str, row: int, key: str, value: object, prefix: str = "") -> None:
        self.drift.count_unreadable(table, key)
        self._add_extra(table, row, key, value, prefix or table)

    def _add_extra(self, table: str, row: int, key: str, value: object, prefix: str) -> None:
        add_extra(self.extras.setdefault(table, {}).setdefault(row, {}), key, value, prefix)


def add_extra(extra: dict[str, Any], key: str, value: object, prefix: str) -> None:
    """Add a value to a row's `extra`.

    A custom field and its first option share a row, and a lead shares it with the object around it. The key of the
    inner or outer one gets a prefix where both have the same.
    """
    while key in extra:
        key = f"{prefix}.{key}"
    extra[key] = value


def _documented_key(level: str, key: str, pairs: JsonObject) -> str:
    """The documented key that `key` stands for; an alias is ignored if the documented key has a value."""
    name = ALIASES.get(level, {}).get(key, key)
    return key if name != key and not is_empty(pairs.get(name)) else name


def _listed(value: object, known: Iterable[str]) -> list[object] | None:
    """The members of a PHP array however it was encoded; None if `value` is not an array."""
    if is_empty(value):
        return []
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        if is_keyed_list(value):
            return list(value.values())
        if any(key in value for key in known):
            return [value]
    return None

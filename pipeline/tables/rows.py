"""The rows that leads give to each table: cells by column, and what has no column by row.

Leads arrive a few dozen at a time, all of the same shape, and are turned from rows into columns at once.
"""

from __future__ import annotations

from itertools import chain
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from msgspec import UNSET
from msgspec.structs import astuple

from pipeline.columns import FREE_TEXT, Column
from pipeline.replies.drift import Drift
from pipeline.replies.lenient import add_extra
from pipeline.replies.shape import ALIASES, COLLECTIONS, COLUMNS, NAME_KEYS, OPTIONS, undocumented_field
from pipeline.replies.values import is_empty
from pipeline.tables.columns import Cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    from pipeline.replies.shape import Shape

    Columns = dict[str, pa.Array[Any]]
    RowNumbers = npt.NDArray[np.int64]
    Placed = tuple[int, Any]
    """A row, and a value in it."""

_TEXT = Column("text", "string", "the value of a custom field without options", FREE_TEXT, source_key="field_value")
_CELLS = {**COLUMNS, "custom_fields": (*COLUMNS["custom_fields"], _TEXT)}
"""The columns that objects give cells to: the first fields of their structs."""
_CONTAINERS = (list, dict)
_NO_OPTIONS: list[Any] = []
_NAMES = {
    level: next(column.name for column in COLUMNS[level] if column.source_key == key)
    for level, key in NAME_KEYS.items()
}
"""The column of each level that a bare name goes into."""


class ObjectRows:
    """One row for each object of a level: see `pipeline.replies.shape.COLUMNS`.

    Args:
        level: which objects.
        table: the table they are rows of, for `drift`.

    Attributes:
        extra: by row and key the values without a column.
        drift: counts of the keys without a column, and of the values that fit none.
    """

    def __init__(self, level: str, table: str = "") -> None:
        self._level = level
        self._table = table or level
        self._columns = _CELLS[level]
        self._keys = {column.name: column.source_key for column in self._columns}
        self._first_fields = itemgetter(slice(len(self._columns)))
        self._cells = Cells(self._columns)
        self._aliased: dict[tuple[int, str], str] = {}
        self._rows = 0
        self.extra: dict[int, dict[str, Any]] = {}
        self.drift = Drift()

    def add(self, objects: Sequence[Any], shape: Shape) -> None:
        """Add a row for each of these structs of the shape."""
        cells = self._documented(objects)
        for n, key in enumerate(shape.undocumented.get(self._level, ())):
            values = map(attrgetter(undocumented_field(n)), objects)
            self._place(key, [(row, value) for row, value in enumerate(values) if value is not UNSET], cells)
        self._cells.add(cells)
        self._rows += len(objects)

    def _documented(self, objects: Sequence[Any]) -> list[Any]:
        """The documented cells of objects, one row after the other."""
        return list(chain.from_iterable(map(self._first_fields, map(astuple, objects))))

    def _place(self, key: str, present: Sequence[Placed], cells: list[Any]) -> None:
        """Put the values of an undocumented key into the column that it is an alias of, or into `extra`."""
        position = self._alias_of(key)
        if position is not None:
            present = self._fill(position, key, present, cells)
        if present:
            self.drift.count_unknown(self._table, key, len(present))
        for row, value in present:
            self.extra.setdefault(self._rows + row, {})[key] = value

    def _fill(self, position: int, key: str, present: Iterable[Placed], cells: list[Any]) -> list[Placed]:
        """Fill a column, where it is empty, with what came under an alias; returns what remains."""
        column, width = self._columns[position], len(self._columns)
        remaining = []
        for row, value in present:
            cell = row * width + position
            if not (cells[cell] is None or is_empty(cells[cell])):
                remaining.append((row, value))
                continue
            cells[cell] = value
            if column.type != "string":  # it may turn out not to fit
                self._aliased[self._rows + row, column.name] = key
        return remaining

    def _alias_of(self, key: str) -> int | None:
        """The position of the column that `key` is an alias of, if it is one."""
        documented = ALIASES.get(self._level, {}).get(key)
        return next((n for n, column in enumerate(self._columns) if column.source_key == documented), None)

    def columns(self, timezone: str | None) -> Columns:
        """The columns that come from the replies; cells that do not fit theirs go into `extra`."""
        columns = self._cells.columns(timezone)
        for row, column, cell in self._cells.unreadable:
            key = self._aliased.get((row, column), self._keys[column])
            self.drift.count_unreadable(self._table, key)
            self.extra.setdefault(row, {})[key] = cell
        return columns


class LeadRows(ObjectRows):
    """The rows of `leads`, and through them those of all collections."""

    def __init__(self) -> None:
        super().__init__("leads")
        self.collections = {table: rows_of(table) for table in COLLECTIONS}

    def add_leads(self, leads: Sequence[Any], shape: Shape) -> None:
        """Add a few dozen leads of this shape."""
        self.add(leads, shape)
        for table, rows in self.collections.items():
            rows.add_collections(list(map(attrgetter(table), leads)), shape)


class ItemRows(ObjectRows):
    """The rows of a collection: one for each item of each lead."""

    def __init__(self, level: str, table: str = "") -> None:
        super().__init__(level, table)
        self._counts: list[int] = []

    def add_collections(self, collections: Sequence[Any], shape: Shape) -> None:
        """Add collections of this shape, each a list, an object with numeric keys, or empty."""
        item = shape.items[self._level]
        lists = collections if set(map(type, collections)) == {list} else _as_lists(collections)
        items = list(chain.from_iterable(lists))
        if not set(map(type, items)) <= {item}:
            lists = [_structs(members, item, self._level) for members in lists]
            items = list(chain.from_iterable(lists))
        self._counts += map(len, lists)
        self.add(items, shape)

    def counts(self) -> RowNumbers:
        """The number of rows of each collection."""
        return np.array(self._counts, np.int64)

    def parents(self) -> RowNumbers:
        """For each row the number of its lead, from 0 in the order they were added."""
        return _repeat(self.counts())


class CustomFieldRows(ItemRows):
    """The rows of `custom_fields`: one for each chosen option, or one for a field without options."""

    def __init__(self) -> None:
        super().__init__("custom_fields")
        self._options = ItemRows(OPTIONS, "custom_fields")

    def add(self, objects: Sequence[Any], shape: Shape) -> None:
        """Add custom fields, with their options."""
        super().add(objects, shape)
        values = map(attrgetter("field_value"), objects)
        self._options.add_collections([v if v.__class__ in _CONTAINERS else _NO_OPTIONS for v in values], shape)

    def _documented(self, objects: Sequence[Any]) -> list[Any]:
        """The documented cells of fields, one field after the other; options are no cell."""
        cells = super()._documented(objects)
        texts = slice(len(self._columns) - 1, None, len(self._columns))
        cells[texts] = [None if value.__class__ in _CONTAINERS else value for value in cells[texts]]
        return cells

    def columns(self, timezone: str | None) -> Columns:
        """The columns that come from the replies; each row repeats the columns of its field."""
        options, fields = self._options.counts(), self._fields()
        has_option = options[fields] > 0
        option_numbers = np.cumsum(has_option) - 1
        of_fields, of_options = super().columns(timezone), self._options.columns(timezone)
        texts, option_values = of_fields.pop(_TEXT.name), of_options.pop("value")
        columns = {name: column.take(fields) for name, column in of_fields.items()}
        chosen = pa.array(option_numbers, mask=~has_option)
        columns |= {name: column.take(chosen) for name, column in of_options.items()}
        values = np.where(has_option, len(texts) + option_numbers, fields)
        columns["value"] = pa.concat_arrays([texts, option_values]).take(values)
        self._merge_extras(np.searchsorted(fields, np.arange(len(options))), np.flatnonzero(has_option))
        return columns

    def _merge_extras(self, field_rows: RowNumbers, option_rows: RowNumbers) -> None:
        """Give the first row of each field its `extra`, and the row of each option the option's."""
        self.extra = {int(field_rows[field]): extra for field, extra in self.extra.items()}
        for option, extra in self._options.extra.items():
            row = int(option_rows[option])
            for key, value in extra.items():
                add_extra(self.extra.setdefault(row, {}), key, value, OPTIONS)
        self.drift.add(self._options.drift)

    def _fields(self) -> RowNumbers:
        """For each row the number of its field; a field without a chosen option is still a row."""
        return _repeat(np.maximum(self._options.counts(), 1))

    def parents(self) -> RowNumbers:
        """For each row the number of its lead, from 0 in the order they were added."""
        return super().parents()[self._fields()]


def rows_of(table: str) -> ItemRows:
    """What collects the rows of a collection."""
    return CustomFieldRows() if table == "custom_fields" else ItemRows(table)


def _as_lists(collections: Iterable[Any]) -> list[Sequence[Any]]:
    return [
        members if members.__class__ is list else list(members.values()) if members.__class__ is dict else members or ()
        for members in collections
    ]


def _structs(members: Iterable[Any], item: type[Any], level: str) -> list[Any]:
    """The items of one collection, as structs; a bare name is an item, an empty member is none."""
    return [
        member if member.__class__ is item else item(**{_NAMES[level]: member})
        for member in members
        if member.__class__ is item or not is_empty(member)
    ]


def _repeat(counts: RowNumbers) -> RowNumbers:
    """The positions of the counts, each repeated as often as its count says."""
    return np.repeat(np.arange(len(counts)), counts)

"""The rows that leads give to each table: cells by column, and what has no column by row.

Leads arrive a few dozen at a time, all of the same shape, and are turned from rows into columns at once.
"""

from __future__ import annotations

from itertools import chain
from operator import attrgetter, itemgetter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
from msgspec.structs import astuple

from pipeline.replies.drift import Drift
from pipeline.replies.lenient import add_extra
from pipeline.replies.shape import ALIASES, COLLECTIONS, COLUMNS, NAME_KEYS, OPTIONS
from pipeline.replies.values import is_empty
from pipeline.tables.columns import Cells

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt
    import pyarrow as pa

    from pipeline.replies.shape import Shape
    from pipeline.schema import Column

    Columns = dict[str, pa.Array[Any]]
    RowNumbers = npt.NDArray[np.int64]
    Row = tuple[Any, ...]
    """Cells as they came."""

_SCALARS = len(COLUMNS["leads"])
_FIELD_SCALARS = len(COLUMNS["custom_fields"])
_VALUE = [column.source_key for column in COLUMNS[OPTIONS]].index(NAME_KEYS[OPTIONS])
_CONTAINERS = (list, dict)
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
        self._columns = COLUMNS[level]
        self._keys = {column.name: column.source_key for column in self._columns}
        self._cells = Cells(self._columns)
        self._aliased: dict[tuple[int, str], str] = {}
        self._rows = 0
        self.extra: dict[int, dict[str, Any]] = {}
        self.drift = Drift()

    def add(self, rows: Sequence[Row], shape: Shape) -> None:
        """Add rows: their documented cells, then those of the shape's undocumented keys, absent ones UNSET."""
        if self._level in shape.undocumented and rows:
            rows = self._documented(rows, shape.undocumented[self._level])
        self._cells.add(list(chain.from_iterable(rows)))
        self._rows += len(rows)

    def _documented(self, rows: Sequence[Row], undocumented: Sequence[str]) -> list[Row]:
        """The documented cells of rows; others go into the column that a key is an alias of, or into `extra`."""
        columns: list[Sequence[Any]] = list(zip(*rows, strict=True))
        documented, further = columns[: len(self._columns)], columns[len(self._columns) :]
        for key, cells in zip(undocumented, further, strict=True):
            present = {n: cell for n, cell in enumerate(cells) if cell is not msgspec.UNSET}
            position = self._alias_of(key)
            if position is not None:
                column = documented[position]
                filling = {n: cell for n, cell in present.items() if column[n] is None or is_empty(column[n])}
                documented[position] = [filling.get(n, cell) for n, cell in enumerate(column)]
                self._note_alias(key, self._columns[position], filling)
                present = {n: cell for n, cell in present.items() if n not in filling}
            if present:
                self.drift.count_unknown(self._table, key, len(present))
            for n, cell in present.items():
                self.extra.setdefault(self._rows + n, {})[key] = cell
        return list(zip(*documented, strict=True))

    def _note_alias(self, key: str, column: Column, rows: Iterable[int]) -> None:
        """Remember under which key the cells of these rows came, in case that they do not fit the column."""
        if column.type != "string":
            self._aliased.update({(self._rows + n, column.name): key for n in rows})

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
        self.add([_without_collections(astuple(lead)) for lead in leads], shape)
        for table, rows in self.collections.items():
            rows.add_collections(list(map(attrgetter(table), leads)), shape)


def _without_collections(lead: Row) -> Row:
    return lead[:_SCALARS] + lead[_SCALARS + len(COLLECTIONS) :]


class ItemRows(ObjectRows):
    """The rows of a collection: one for each item of each lead."""

    def __init__(self, level: str) -> None:
        super().__init__(level)
        self._counts: list[int] = []

    def add_collections(self, collections: Sequence[Any], shape: Shape) -> None:
        """Add the collections of a few dozen leads, each a list, an object with numeric keys, or empty."""
        item = shape.items[self._level]
        lists = collections if set(map(type, collections)) == {list} else list(map(_as_list, collections))
        items = list(chain.from_iterable(lists))
        if not set(map(type, items)) <= {item}:
            lists = [_structs(members, item, self._level) for members in lists]
            items = list(chain.from_iterable(lists))
        self._counts += map(len, lists)
        self._add_items(list(map(astuple, items)), shape)

    def _add_items(self, items: Sequence[Row], shape: Shape) -> None:
        self.add(items, shape)

    def parents(self) -> RowNumbers:
        """For each row the number of its lead, from 0 in the order they were added."""
        return _repeat(self._counts)


class CustomFieldRows(ItemRows):
    """The rows of `custom_fields`: one for each chosen option, or one for a field without options."""

    def __init__(self) -> None:
        super().__init__("custom_fields")
        self._options = ObjectRows(OPTIONS, "custom_fields")
        self._rows_per_field: list[int] = []

    def _add_items(self, items: Sequence[Row], shape: Shape) -> None:
        end = _FIELD_SCALARS
        is_wider = "custom_fields" in shape.undocumented
        self.add([item[:end] + item[end + 1 :] if is_wider else item[:end] for item in items], shape)
        option = shape.items[OPTIONS]
        empty = astuple(option())
        before, after = empty[:_VALUE], empty[_VALUE + 1 :]
        rows: list[Row] = []
        for value in map(itemgetter(_FIELD_SCALARS), items):
            if value.__class__ not in _CONTAINERS:
                rows.append((*before, value, *after))
                self._rows_per_field.append(1)
            else:  # a field without a chosen option is still a row
                chosen = list(map(astuple, _structs(_as_list(value), option, OPTIONS))) if value else ()
                rows += chosen or (empty,)
                self._rows_per_field.append(len(chosen) or 1)
        self._options.add(rows, shape)

    def columns(self, timezone: str | None) -> Columns:
        """The columns that come from the replies; each row repeats the columns of its field."""
        fields = _repeat(self._rows_per_field)
        repeated = {name: column.take(fields) for name, column in super().columns(timezone).items()}
        repeated |= self._options.columns(timezone)
        self._merge_extras(np.searchsorted(fields, np.arange(len(self._rows_per_field))))
        return repeated

    def _merge_extras(self, first_rows: RowNumbers) -> None:
        """Number the fields' `extra` like the rows, and add that of the options."""
        self.extra = {int(first_rows[field]): extra for field, extra in self.extra.items()}
        for row, extra in self._options.extra.items():
            for key, value in extra.items():
                add_extra(self.extra.setdefault(row, {}), key, value, OPTIONS)
        self.drift.add(self._options.drift)

    def parents(self) -> RowNumbers:
        """For each row the number of its lead, from 0 in the order they were added."""
        return np.repeat(super().parents(), np.array(self._rows_per_field, np.int64))


def rows_of(table: str) -> ItemRows:
    """What collects the rows of a collection."""
    return CustomFieldRows() if table == "custom_fields" else ItemRows(table)


def _as_list(members: Any) -> list[Any]:  # noqa: ANN401 - a list, an object, or empty
    return list(members.values() if members.__class__ is dict else members or ())


def _structs(members: list[Any], item: type[Any], level: str) -> list[Any]:
    """The items of one collection, as structs; a bare name is an item, an empty member is none."""
    return [
        member if member.__class__ is item else item(**{_NAMES[level]: member})
        for member in members
        if member.__class__ is item or not is_empty(member)
    ]


def _repeat(counts: list[int]) -> RowNumbers:
    """The positions of the counts, each repeated as often as its count says."""
    return np.repeat(np.arange(len(counts)), np.array(counts, np.int64))

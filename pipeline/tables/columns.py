"""Cells as they came, column by column: a column of the declared type, and the cells that do not fit it.

Whole columns are converted by Arrow, which is many times faster than cell by cell. Only cells that Arrow would refuse,
or might read in another way, go through `pipeline.replies.values` one by one: it is what defines the conversion.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import ZERO_DATES
from pipeline.replies.values import UnreadableValue, read_value
from pipeline.tables.frames import arrow_type, to_utc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.columns import Column, Type
    from pipeline.replies.shape import Scalar

    Strings = pa.Array[Any]

MAX_STRING_BYTES = 2**31 - 1
"""Bytes that one Arrow array of the type `string` can hold."""
_CASTABLE: dict[Type, str] = {
    "int8": "^-?[0-9]{1,2}$",
    "int32": "^-?[0-9]{1,9}$",
    "int64": "^-?[0-9]{1,18}$",
    # Whether there is such a day only a cast can tell.
    "timestamp[s]": "^[1-9][0-9]{3}-[0-9]{2}-[0-9]{2} ([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]$",
}
"""Strings for which a cast gives the same value as `read_value` and a cast."""
_MAGNITUDES: dict[Type, float] = {"string": math.inf, "int8": 100, "int32": 10**9, "int64": 10**18, "timestamp[s]": 0}
"""Integers closer to zero than this are castable once they are strings."""
_STRINGS = {str, type(None)}
_PART_CELLS = 1_000


class Unreadable(NamedTuple):
    """A cell that does not fit the type of its column, as it was received."""

    row: int
    column: str
    cell: Scalar


class Cells:
    """Collects the cells of a table row by row and returns them as whole columns.

    Cells go into Arrow arrays a few hundred at a time. A million Python strings would take a hundred megabytes, and
    few of them stay in the processor's cache, which makes reading replies half as fast again.

    Args:
        columns: in the order of the cells in a row.
        max_bytes: beyond this, columns of strings are `large_string`.

    Attributes:
        unreadable: the cells that do not fit their column; their places are null.
    """

    def __init__(self, columns: Sequence[Column], *, max_bytes: int = MAX_STRING_BYTES) -> None:
        self._columns = columns
        self._max_bytes = max_bytes
        self._waiting: list[Any] = []
        self._parts: list[Strings] = [pa.array([], pa.string())]
        self._rows = 0
        self._mixed: set[int] = set()
        self.unreadable: list[Unreadable] = []

    def add(self, cells: list[Any]) -> None:
        """Add whole rows: their cells, one row after the other."""
        self._waiting += cells
        if len(self._waiting) >= _PART_CELLS:
            self._store()

    def _store(self) -> None:
        """Move what waits into an array of strings."""
        cells, width = self._waiting, len(self._columns)
        try:
            part = self._as_strings(cells)
        except (pa.ArrowInvalid, pa.ArrowTypeError):  # a column has other cells than strings, for the first time
            self._mixed |= {n for n in range(width) if not set(map(type, cells[n::width])) <= _STRINGS}
            part = self._as_strings(cells)
        self._parts.append(part)
        self._rows += len(cells) // width
        self._waiting = []

    def _as_strings(self, cells: list[Any]) -> Strings:
        """The cells as strings, once those of the mixed columns have been replaced by theirs."""
        width = len(self._columns)
        for n in self._mixed:
            column = self._columns[n]
            most, false = _MAGNITUDES[column.type], read_value(False, column.type)
            cells[n::width] = [
                cell
                if cell.__class__ is str or cell is None
                else str(cell)
                if cell.__class__ is int and -most < cell < most
                else false
                if cell is False
                else self._read(row, column, cell)
                for row, cell in enumerate(cells[n::width], self._rows)
            ]
        return pa.array(cells, pa.string())

    def _read(self, row: int, column: Column, cell: Scalar) -> str | None:
        try:
            return read_value(cell, column.type)
        except UnreadableValue:
            self.unreadable.append(Unreadable(row, column.name, cell))
            return None

    def columns(self, timezone: str | None = None) -> dict[str, pa.Array[Any]]:
        """All rows by column; empty strings and zero dates are null. With a time zone, dates are instants in UTC."""
        cells = self._all_cells()
        cells = pc.if_else(pc.equal(cells, pa.scalar("", cells.type)), None, cells)
        width = len(self._columns)
        return {
            column.name: self._parse(column, cells.take(np.arange(n, len(cells), width)), timezone)
            for n, column in enumerate(self._columns)
        }

    def _all_cells(self) -> Strings:
        """Every cell in one array, of which every n-th belongs to the same column."""
        self._store()
        if sum(part.get_total_buffer_size() for part in self._parts) <= self._max_bytes:
            return pa.concat_arrays(self._parts)
        return pa.concat_arrays([part.cast(pa.large_string()) for part in self._parts])

    def _parse(self, column: Column, strings: Strings, timezone: str | None) -> pa.Array[Any]:
        if column.type == "string":
            return strings
        if column.type == "timestamp[s]":
            strings = pc.if_else(pc.is_in(strings, pa.array(ZERO_DATES, strings.type)), None, strings)
        odd = pc.invert(pc.match_substring_regex(strings, _CASTABLE[column.type]))
        values = self._cast(column, self._with_read(column, strings, odd))
        return to_utc(values, timezone) if timezone and column.type == "timestamp[s]" else values

    def _cast(self, column: Column, strings: Strings) -> pa.Array[Any]:
        try:
            return strings.cast(arrow_type(column.type))
        except pa.ArrowInvalid:  # somewhere is a day that does not exist
            return self._with_read(column, strings, strings.is_valid()).cast(arrow_type(column.type))

    def _with_read(self, column: Column, strings: Strings, which: pa.Array[Any]) -> Strings:
        """The strings, with what `read_value` makes of them in place of those that are marked; not where null is."""
        marked: Any = which.fill_null(False)
        if not pc.any(marked).as_py():
            return strings
        rows = np.flatnonzero(marked.to_numpy(zero_copy_only=False)).tolist()
        cells = strings.filter(marked).to_pylist()
        read = [self._read(row, column, cell) for row, cell in zip(rows, cells, strict=True)]
        replaced: Strings = pc.replace_with_mask(strings, marked, pa.array(read, strings.type))
        return replaced

"""The rows that leads give to each table: collected from structs, returned as whole columns of strings."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from msgspec.structs import astuple

from pipeline.replies.lead import FIELD_COLUMNS, OPTION_COLUMNS
from pipeline.schema import CUSTOM_FIELDS, LEADS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from pipeline.replies.lead import Lead
    from pipeline.schema import Column, Table

    Columns = dict[str, pa.Array[Any]]
    RowNumbers = npt.NDArray[np.int64]

MAX_STRING_BYTES = 2**31 - 1
"""Bytes that one Arrow array of the type `string` can hold."""
_SCALARS = len(LEADS.api_columns)  # the fields of a Lead; its collections follow them
# A custom field without a chosen option is still one row, with nothing but its string value.
_NO_OPTION = (None,) * len(OPTION_COLUMNS)
_VALUE = [column.name for column in OPTION_COLUMNS].index("value") - len(OPTION_COLUMNS)


class StringColumns:
    """Collects the string cells of a table row by row and returns them as whole columns.

    Cells go into Arrow arrays a few dozen leads at a time. A million Python strings would take a hundred megabytes, and
    a few of them stay in the processor's cache, which makes reading replies half as fast again.

    Args:
        names: of the columns, in the order of the cells in a row.
        max_bytes: beyond this the columns are `large_string`.
    """

    def __init__(self, names: Sequence[str], *, max_bytes: int = MAX_STRING_BYTES) -> None:
        self._names = names
        self._max_bytes = max_bytes
        self._parts: list[pa.Array[Any]] = [pa.array([], pa.string())]

    def add(self, cells: Sequence[str | None]) -> None:
        """Add whole rows: their cells, one row after the other."""
        self._parts.append(pa.array(cells, pa.string()))

    def columns(self) -> dict[str, pa.Array[Any]]:
        """All rows by column, as `string` or `large_string`; empty strings are null."""
        cells = self._all_cells()
        cells = pc.if_else(pc.equal(cells, pa.scalar("", cells.type)), None, cells)
        width = len(self._names)
        return {name: cells.take(np.arange(n, len(cells), width)) for n, name in enumerate(self._names)}

    def _all_cells(self) -> pa.Array[Any]:
        """Every cell in one array, of which every n-th belongs to the same column."""
        if sum(part.nbytes for part in self._parts) <= self._max_bytes:
            return pa.concat_arrays(self._parts)
        return pa.concat_arrays([part.cast(pa.large_string()) for part in self._parts])


class LeadRows:
    """The rows of `leads`: one for each lead."""

    def __init__(self) -> None:
        self._cells = _string_columns(LEADS.api_columns)

    def add(self, leads: list[Lead]) -> None:
        """Add a few dozen leads; see `StringColumns`."""
        cells: list[str | None] = []
        for lead in leads:
            cells += astuple(lead)[:_SCALARS]
        self._cells.add(cells)

    def columns(self) -> Columns:
        """The columns that come from the replies."""
        return self._cells.columns()


class ItemRows:
    """The rows of a collection: one for each item of each lead."""

    def __init__(self, table: Table) -> None:
        self._items_of = attrgetter(table.name)
        self._counts: list[int] = []
        self._cells = _string_columns(table.api_columns)

    def add(self, leads: list[Lead]) -> None:
        """Add the items of a few dozen leads; see `StringColumns`."""
        cells: list[str | None] = []
        for item in self._items(leads):
            cells += astuple(item)
        self._cells.add(cells)

    def _items(self, leads: list[Lead]) -> Iterator[Any]:
        collections = list(map(self._items_of, leads))
        self._counts += map(len, collections)
        return chain.from_iterable(collections)

    def columns(self) -> Columns:
        """The columns that come from the replies."""
        return self._cells.columns()

    def parents(self) -> RowNumbers:
        """For each row the number of its lead, from 0 in the order they were added."""
        return _repeat(self._counts)


class CustomFieldRows(ItemRows):
    """The rows of `custom_fields`: one for each chosen option, or one for a field without options."""

    def __init__(self) -> None:
        super().__init__(CUSTOM_FIELDS)
        self._fields = _string_columns(FIELD_COLUMNS)
        self._options = _string_columns(OPTION_COLUMNS)
        self._rows_per_field: list[int] = []

    def add(self, leads: list[Lead]) -> None:
        """Add the custom fields of a few dozen leads; see `StringColumns`."""
        fields: list[str | None] = []
        options: list[str | None] = []
        for item in self._items(leads):
            *field, value = astuple(item)
            fields += field
            if value and isinstance(value, list):
                for option in value:
                    options += astuple(option)
                self._rows_per_field.append(len(value))
            else:
                options += _NO_OPTION
                options[_VALUE] = value or None
                self._rows_per_field.append(1)
        self._fields.add(fields)
        self._options.add(options)

    def columns(self) -> Columns:
        """The columns that come from the replies; each row repeats the columns of its field."""
        fields = _repeat(self._rows_per_field)
        repeated = {name: column.take(fields) for name, column in self._fields.columns().items()}
        return repeated | self._options.columns()

    def parents(self) -> RowNumbers:
        """For each row the number of its lead, from 0 in the order they were added."""
        return np.repeat(super().parents(), np.array(self._rows_per_field, np.int64))


def rows_of(table: Table) -> ItemRows:
    """What collects the rows of a collection."""
    return CustomFieldRows() if table is CUSTOM_FIELDS else ItemRows(table)


def _string_columns(columns: Iterable[Column]) -> StringColumns:
    return StringColumns([column.name for column in columns])


def _repeat(counts: list[int]) -> RowNumbers:
    """The positions of the counts, each repeated as often as its count says."""
    return np.repeat(np.arange(len(counts)), np.array(counts, np.int64))

"""The rows that leads give to each table: collected from structs, returned as whole columns of strings."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import astuple

from pipeline.replies.lead import FIELD_COLUMNS, OPTION_COLUMNS
from pipeline.schema import CUSTOM_FIELDS, LEADS
from pipeline.tables.columns import StringColumns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    import pyarrow as pa

    from pipeline.replies.lead import Lead
    from pipeline.schema import Column, Table

    Columns = dict[str, pa.Array[Any]]
    RowNumbers = npt.NDArray[np.int64]

_SCALARS = len(LEADS.api_columns)  # the fields of a Lead; its collections follow them
# A custom field without a chosen option is still one row, with nothing but its string value.
_NO_OPTION = (None,) * len(OPTION_COLUMNS)
_VALUE = [column.name for column in OPTION_COLUMNS].index("value") - len(OPTION_COLUMNS)


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

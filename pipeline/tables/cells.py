"""The rows of one table of many leads: taken in as structs, given back as whole columns of texts."""

from __future__ import annotations

from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np
from msgspec.structs import astuple

from pipeline.replies.lead import FIELD_COLUMNS, OPTION_COLUMNS
from pipeline.schema import CUSTOM_FIELDS, LEADS
from pipeline.tables.texts import Texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import numpy.typing as npt
    import pyarrow as pa

    from pipeline.replies.lead import Lead
    from pipeline.schema import Column, Table

    Columns = dict[str, pa.Array[Any]]
    Indexes = npt.NDArray[np.int64]

_SCALARS = len(LEADS.api_columns)  # the collections come behind them
# A custom field without a chosen option is a row of `options` all the same, in which nothing stands but its text.
_NO_OPTION = (None,) * len(OPTION_COLUMNS)
_TEXT_AT = [column.name for column in OPTION_COLUMNS].index("value") - len(OPTION_COLUMNS)


class LeadRows:
    """The rows of `leads`: one of each lead."""

    def __init__(self) -> None:
        self._texts = _texts(LEADS.api_columns)

    def add(self, leads: list[Lead]) -> None:
        """Take in some dozen leads; see `Texts`."""
        cells: list[str | None] = []
        for lead in leads:
            cells += astuple(lead)[:_SCALARS]
        self._texts.add(cells)

    def columns(self) -> Columns:
        """The columns that come from the replies."""
        return self._texts.columns()


class ItemRows:
    """The rows of a collection: one of each item of each lead."""

    def __init__(self, table: Table) -> None:
        self._items_of = attrgetter(table.name)
        self._counts: list[int] = []
        self._texts = _texts(table.api_columns)

    def add(self, leads: list[Lead]) -> None:
        """Take in the items of some dozen leads; see `Texts`."""
        cells: list[str | None] = []
        for item in self._items(leads):
            cells += astuple(item)
        self._texts.add(cells)

    def _items(self, leads: list[Lead]) -> Iterator[Any]:
        collections = list(map(self._items_of, leads))
        self._counts += map(len, collections)
        return chain.from_iterable(collections)

    def columns(self) -> Columns:
        """The columns that come from the replies."""
        return self._texts.columns()

    def parents(self) -> Indexes:
        """For each row the number of its lead, from 0 in the order they were taken in."""
        return _repeat(self._counts)


class CustomFieldRows(ItemRows):
    """The rows of `custom_fields`: one of each chosen option, one of a field without any."""

    def __init__(self) -> None:
        super().__init__(CUSTOM_FIELDS)
        self._fields = _texts(FIELD_COLUMNS)
        self._options = _texts(OPTION_COLUMNS)
        self._rows: list[int] = []  # of each field

    def add(self, leads: list[Lead]) -> None:
        """Take in the custom fields of some dozen leads; see `Texts`."""
        fields: list[str | None] = []
        options: list[str | None] = []
        for item in self._items(leads):
            cells = astuple(item)
            fields += cells[:-1]
            value = cells[-1]
            if value and isinstance(value, list):
                for option in value:
                    options += astuple(option)
                self._rows.append(len(value))
            else:
                options += _NO_OPTION
                options[_TEXT_AT] = value or None
                self._rows.append(1)
        self._fields.add(fields)
        self._options.add(options)

    def columns(self) -> Columns:
        """The columns that come from the replies; each row of a field repeats what the field is."""
        fields = _repeat(self._rows)
        repeated = {name: column.take(fields) for name, column in self._fields.columns().items()}
        return repeated | self._options.columns()

    def parents(self) -> Indexes:
        """For each row the number of its lead, from 0 in the order they were taken in."""
        return np.repeat(super().parents(), np.array(self._rows, np.int64))


def rows_of(table: Table) -> ItemRows:
    """What takes in the rows of a collection."""
    return CustomFieldRows() if table is CUSTOM_FIELDS else ItemRows(table)


def _texts(columns: Iterable[Column]) -> Texts:
    return Texts([column.name for column in columns])


def _repeat(counts: list[int]) -> Indexes:
    """Number the counts from 0, and repeat each number as often as its count says."""
    return np.repeat(np.arange(len(counts)), np.array(counts, np.int64))

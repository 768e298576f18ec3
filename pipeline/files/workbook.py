"""Workbooks: one sheet, texts as texts, written a row at a time; behind the extra `xlsx`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
from openpyxl import Workbook as Book
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from pipeline.files import private

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_LONGEST = 32_767
"""Characters that a cell can hold."""


class Workbook:
    """Writes one table to a new workbook, batch by batch; a context manager.

    Attributes:
        shortened: cells that a worksheet could not hold as they are.
    """

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        self.shortened = 0
        self._path = path
        self._book = Book(write_only=True)
        self._sheet = self._book.create_sheet("leads")
        self._append(names)

    def __enter__(self) -> Self:
        """Return the workbook itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Put the file together, unless something went wrong."""
        if kind is None:
            with private.create(self._path) as file:
                self._book.save(file)
        else:
            self._book.close()

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        columns = [_no_finer_than_python(column).to_pylist() for column in table.columns]
        for row in zip(*columns, strict=True):
            self._append(row)

    def _append(self, cells: Iterable[object]) -> None:
        self._sheet.append([self._cell(value) for value in cells])

    def _cell(self, value: object) -> object:
        """A cell that is what it says: a text that begins with `=` is a text, and no formula."""
        if isinstance(value, datetime):
            return value.replace(tzinfo=None)
        if not isinstance(value, str):
            return value
        cell = WriteOnlyCell(self._sheet, value=None)
        cell.value = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)[:_LONGEST]
        self.shortened += cell.value != value
        cell.data_type = "s"
        return cell


def _no_finer_than_python(column: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    """Nanoseconds as microseconds, the finest that Python knows; a worksheet shows milliseconds."""
    kind: Any = column.type
    for is_kind, coarser in (
        (pa.types.is_timestamp, lambda: pa.timestamp("us", kind.tz)),
        (pa.types.is_duration, lambda: pa.duration("us")),
        (pa.types.is_time64, lambda: pa.time64("us")),
    ):
        if is_kind(kind) and kind.unit == "ns":
            return column.cast(coarser(), safe=False)
    return column

"""Excel workbooks: one sheet, strings as strings, written row by row; needs the extra `xlsx`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa

from pipeline.errors import StorageError
from pipeline.files import durable
from pipeline.files.output_format import OutputFormat, arrow_columns

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from pipeline.files.output_format import WriteOptions

_MAX_ROWS = 1_048_575
"""Rows that a worksheet can have below its header."""
_MAX_CELL = 32_767
"""Characters that a cell can hold."""


class WorkbookWriter:
    """Writes frames to the one sheet of a new workbook."""

    def __init__(self, path: Path, header: pd.DataFrame, _: WriteOptions) -> None:
        import openpyxl

        self._shortened = self._rows = 0
        self._path = path
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("leads")
        self._append(header.columns)

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the file, unless something went wrong."""
        if kind is None:
            with durable.create(self._path) as file:
                self._book.save(file)
        else:
            self._book.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`.

        Raises:
            StorageError: there are more than a worksheet can hold.
        """
        self._rows += len(frame)
        if self._rows > _MAX_ROWS:
            raise StorageError(f"{self._path.name}: a worksheet holds {_MAX_ROWS:,} rows; use another --format.")
        columns = [_as_python_can_hold(column).to_pylist() for column in arrow_columns(frame)]
        for row in zip(*columns, strict=True):
            self._append(row)

    def losses(self) -> list[str]:
        """Cells that a worksheet cannot hold as they are."""
        if not self._shortened:
            return []
        return [f"{self._shortened:,} cells were cut, or had a character replaced, to fit a worksheet; write .parquet"]

    def _append(self, cells: Iterable[object]) -> None:
        self._sheet.append([self._cell(value) for value in cells])

    def _cell(self, value: object) -> object:
        """A cell whose type is that of the value: a string that begins with `=` is not a formula."""
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        if isinstance(value, datetime):
            return value.replace(tzinfo=None)
        if not isinstance(value, str):
            return value
        cell = WriteOnlyCell(self._sheet, value=None)
        cell.value = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)[:_MAX_CELL]
        self._shortened += cell.value != value
        cell.data_type = "s"
        return cell


def _as_python_can_hold(column: Any) -> Any:  # noqa: ANN401 - an array, chunked or not
    """Nanoseconds cut to microseconds, the finest that Python's own types hold; a worksheet shows milliseconds."""
    kind = column.type
    for is_kind, coarser in (
        (pa.types.is_timestamp, lambda: pa.timestamp("us", kind.tz)),
        (pa.types.is_duration, lambda: pa.duration("us")),
        (pa.types.is_time64, lambda: pa.time64("us")),
    ):
        if is_kind(kind) and kind.unit == "ns":
            return column.cast(coarser(), safe=False)
    return column


FORMAT = OutputFormat(open=WorkbookWriter, bytes_per_lead=1_000, max_rows=_MAX_ROWS, library="openpyxl")

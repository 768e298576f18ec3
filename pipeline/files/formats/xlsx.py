"""Excel workbooks: one sheet, strings as strings, written row by row; needs the extra `xlsx`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pipeline.errors import StorageError
from pipeline.files import durable
from pipeline.files.output_format import OutputFormat
from pipeline.files.worksheet_cells import MAX_ROWS, CellValues, check_columns, rows_of, set_value

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from pipeline.files.output_format import WriteOptions


class WorkbookWriter:
    """Writes frames to the one sheet of a new workbook."""

    def __init__(self, path: Path, header: pd.DataFrame, options: WriteOptions) -> None:
        import openpyxl

        check_columns(path, len(header.columns))
        self._rows = 0
        self._values = CellValues()
        self._path = path
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet(options.title)
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
            self._sheet.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`.

        Raises:
            StorageError: there are more than a worksheet can hold.
        """
        self._rows += len(frame)
        if self._rows > MAX_ROWS:
            raise StorageError(f"{self._path.name}: a worksheet holds {MAX_ROWS:,} rows; use another --format.")
        for row in rows_of(frame):
            self._append(row)

    def losses(self) -> list[str]:
        """Cells that a worksheet cannot hold as they are."""
        return self._values.losses()

    def _append(self, values: Iterable[object]) -> None:
        self._sheet.append([self._cell(value) for value in values])

    def _cell(self, value: object) -> object:
        from openpyxl.cell import WriteOnlyCell

        fitting = self._values.of(value)
        if not isinstance(fitting, str):
            return fitting
        cell = WriteOnlyCell(self._sheet, value=None)
        set_value(cell, fitting)
        return cell


FORMAT = OutputFormat(open=WorkbookWriter, bytes_per_lead=1_000, max_rows=MAX_ROWS, library="openpyxl")

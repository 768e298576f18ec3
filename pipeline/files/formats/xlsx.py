"""Excel workbooks: one sheet, strings as strings, written row by row; needs the extra `xlsx`."""

from __future__ import annotations

import zipfile
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


def count_rows(path: Path) -> int:
    """Rows of the sheet below its header."""
    import openpyxl

    with path.open("rb") as file:
        book = openpyxl.load_workbook(file, read_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        rows = sum(1 for _ in sheet.iter_rows(values_only=True))
        book.close()
    return max(0, rows - 1)


def first_other_part(path: Path, other: Path) -> str | None:
    """Which parts of the workbook are not those of another one; None if they are all the same.

    How they are compressed does not count, nor when the file was written, which workbooks say inside.
    """
    names = sorted({name for name, *_ in _parts(path) ^ _parts(other)} - {"docProps/core.xml"})
    return f"in {', '.join(names)}" if names else None


def _parts(path: Path) -> set[tuple[str, int, int]]:
    with zipfile.ZipFile(path) as archive:
        return {(part.filename, part.CRC, part.file_size) for part in archive.infolist()}


FORMAT = OutputFormat(
    open=WorkbookWriter,
    bytes_per_lead=1_000,
    bytes_per_row=50,
    bytes_per_file=5_000,
    max_rows=MAX_ROWS,
    library="openpyxl",
    count_rows=count_rows,
    difference=first_other_part,
)

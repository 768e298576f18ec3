"""A workbook with columns added to one of its sheets: a copy of all of it, or of the sheet's values alone."""

from __future__ import annotations

from copy import copy
from typing import IO, TYPE_CHECKING, Any, Self

from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.workbook_plan import load_whole
from pipeline.files.worksheet_cells import CellValues, check_columns, rows_of, set_value
from pipeline.host import collected_warnings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from pipeline.files.workbook_plan import CopyPlan


class WorkbookCopy:
    """A copy of a workbook; columns are added to the right of one of its sheets.

    Args:
        file: the workbook.
        path: the new file.
        plan: how the columns are added.
        names: of the columns.
    """

    def __init__(self, file: IO[bytes], path: Path, plan: CopyPlan, names: Sequence[str]) -> None:
        self._path, self._plan, self._values = path, plan, CellValues()
        with collected_warnings():
            self._book = load_whole(file)
        self._sheet: Any = self._book.worksheets[plan.sheet]
        self._first = self._first_free_column()
        self._last = self._first + len(names) - 1
        check_columns(path, self._last)
        self._show_columns()
        self._extend_filter()
        self._write_header(names)

    def __enter__(self) -> Self:
        """Return the copy itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the file, unless something went wrong."""
        if kind is None:
            with durable.create(self._path) as file, collected_warnings():
                self._book.save(file)
        self._book.close()

    def write(self, rows: Sequence[int], frame: pd.DataFrame) -> None:
        """Fill the added columns of these rows of the sheet."""
        for row, values in zip(rows, rows_of(frame), strict=True):
            for column, value in enumerate(values, self._first):
                if value is not None:
                    self._fill(self._sheet.cell(row, column), value)

    def losses(self) -> list[str]:
        """Cells that a worksheet cannot hold as they are."""
        return self._values.losses()

    def _fill(self, cell: Any, value: object) -> None:  # noqa: ANN401 - a Cell
        if cell.has_style:  # that of an empty cell: its background may stay, but a number must not look like a date
            cell.number_format = "General"
        set_value(cell, self._values.of(value))

    def _write_header(self, names: Sequence[str]) -> None:
        if self._plan.header_row is None:
            return
        like = self._sheet.cell(self._plan.header_row, self._plan.width)
        for column, name in enumerate(names, self._first):
            cell = self._sheet.cell(self._plan.header_row, column)
            set_value(cell, self._values.of(name))
            if like.has_style:
                for part in ("font", "fill", "border", "alignment"):
                    setattr(cell, part, copy(getattr(like, part)))

    def _first_free_column(self) -> int:
        """Behind every cell with a value or a formula, and behind merged cells, beside or below the header."""
        top = self._plan.header_row or 1
        merged = (int(area.max_col) for area in self._sheet.merged_cells.ranges if area.max_row >= top)
        return max(self._plan.width, self._plan.filled, max(merged, default=0)) + 1

    def _show_columns(self) -> None:
        """Unhide the added columns: people hide all those that they do not use."""
        for columns in self._sheet.column_dimensions.values():
            if columns.hidden and (columns.min or 0) <= self._last and (columns.max or 0) >= self._first:
                if columns.min < self._first:
                    columns.max = self._first - 1
                else:
                    columns.hidden = False

    def _extend_filter(self) -> None:
        """Let a filter over the last own column cover the added ones too."""
        from openpyxl.utils import get_column_letter, range_boundaries

        if not self._sheet.auto_filter.ref:
            return
        left, top, right, bottom = (number or 0 for number in range_boundaries(self._sheet.auto_filter.ref))
        if top == self._plan.header_row and right == self._first - 1:
            start, end = f"{get_column_letter(left)}{top}", f"{get_column_letter(self._last)}{bottom}"
            self._sheet.auto_filter.ref = f"{start}:{end}"


class SheetValues:
    """A new workbook with the values of one sheet and their number formats, and columns added; written row by row.

    Args:
        file: the workbook.
        path: the new file.
        plan: which sheet, and how wide.
        names: of all columns, its own and the added ones.
    """

    def __init__(self, file: IO[bytes], path: Path, plan: CopyPlan, names: Sequence[str]) -> None:
        import openpyxl

        check_columns(path, len(names))
        self._path, self._plan, self._values = path, plan, CellValues()
        with collected_warnings():
            self._old = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            old = self._old.worksheets[plan.sheet]
            old.reset_dimensions()
            self._rows = enumerate(old.iter_rows(), 1)
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet: Any = self._book.create_sheet(old.title)
        self._sheet.append([self._cell(name) for name in names])

    def __enter__(self) -> Self:
        """Return the workbook itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the file, unless something went wrong."""
        self._old.close()
        if kind is None:
            with durable.create(self._path) as file:
                self._book.save(file)
        else:
            self._sheet.close()

    def write(self, rows: Sequence[int], frame: pd.DataFrame) -> None:
        """Append these rows of the sheet, in ascending order, with their added values."""
        for row, added in zip(rows, rows_of(frame), strict=True):
            own = next((cells for number, cells in self._rows if number == row), None)
            if own is None:
                raise UsageError(f"{self._path.name}: its list has changed since it was imported; use --new.")
            own = own[: self._plan.width]
            missing = [None] * (self._plan.width - len(own))
            self._sheet.append([*map(self._copied, own), *missing, *map(self._cell, added)])

    def losses(self) -> list[str]:
        """Cells that a worksheet cannot hold as they are."""
        return self._values.losses()

    def _copied(self, old: Any) -> object:  # noqa: ANN401 - a ReadOnlyCell or an EmptyCell
        if old.value is None:
            return None
        cell: Any = self._cell(old.value)
        cell.data_type, cell.number_format = old.data_type, old.number_format
        return cell

    def _cell(self, value: object) -> object:
        from openpyxl.cell import WriteOnlyCell

        cell = WriteOnlyCell(self._sheet, value=None)
        set_value(cell, self._values.of(value))
        return cell

"""Excel workbooks (`.xlsx`): the first sheet that is not empty, read as a stream, with its cells as strings."""

from __future__ import annotations

import itertools
import logging
import weakref
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, time
from typing import IO, TYPE_CHECKING, Any

from pipeline.emails.table import TableFormat
from pipeline.emails.workbook import as_transitional, formulas_without_values, is_strict
from pipeline.errors import UsageError
from pipeline.host import collected_warnings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openpyxl.workbook import Workbook

    from pipeline.emails.delimited import Row
    from pipeline.emails.options import Detected

logger = logging.getLogger(__name__)

_BLOCK_ROWS = 500
_MAX_FORMULAS = 100_000
_NO_VALUE = "has a formula without its value; open the workbook in a spreadsheet program and save it"
_PROBLEM = "not a workbook (.xlsx), or it is damaged or encrypted"


class Xlsx(TableFormat):
    """The rows of one sheet; blank rows are skipped."""

    name = "xlsx"
    suffixes = (".xlsx",)
    title = "an Excel workbook or a ZIP file"
    signature = b"PK\x03\x04"
    library = "openpyxl"
    extra = "xlsx"
    unit = "row"
    omits_trailing_cells = True
    _sheet: int | None = None
    _copy: IO[bytes] | None = None
    _is_usual = _formulas_checked = False

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows of the first sheet that is not empty, with their numbers on it."""
        with self.stored() as file, self._open_workbook(file) as workbook:
            if self._sheet is None:
                self._sheet = self._first_filled_sheet(workbook)
            yield from self._sheet_rows(workbook, self._sheet)

    def detected(self) -> Detected:
        """How the list is read.

        Raises:
            UsageError: also if a cell of the email column has a formula without a value; elsewhere that is a warning.
        """
        try:
            detected = super().detected()
        except UsageError as error:
            if self._sheet is not None and (cell := next(self._formulas_without_values(self._sheet), None)):
                raise self.error(f"cell {cell} {_NO_VALUE}") from error
            raise
        if not self._formulas_checked:
            self._formulas_checked = True
            self._check_formulas(detected.email_index)
        return detected

    def _check_formulas(self, email_index: int) -> None:
        from openpyxl.utils import get_column_letter

        column = get_column_letter(email_index + 1)
        cells = [*itertools.islice(self._formulas_without_values(self._sheet or 0), _MAX_FORMULAS)]
        for cell in cells:
            if cell.rstrip("0123456789") == column:
                raise self.error(f"cell {cell}, in the column with the addresses, {_NO_VALUE}")
        if cells:
            others = f" (and {len(cells) - 1:,} others)" if len(cells) > 1 else ""
            text = "%s: cell %s%s is read as empty: it %s."
            logger.warning(text, self.source.name, cells[0], others, _NO_VALUE)

    def _formulas_without_values(self, sheet: int) -> Iterator[str]:
        with self.stored() as file, self._library_errors():
            yield from formulas_without_values(file, sheet)

    @contextmanager
    def stored(self) -> Iterator[IO[bytes]]:
        """The workbook, in the variant that openpyxl reads; the copy of another one is made once."""
        with self.source.open() as file:
            if self._copy is None and not self._is_usual:
                with self._library_errors():
                    self._is_usual = not is_strict(file)
                    if not self._is_usual:
                        self._copy = as_transitional(file)
                        weakref.finalize(self, self._copy.close)
                file.seek(0)
            (self._copy or file).seek(0)
            yield self._copy or file

    def describe(self, *arguments: Any, **facts: Any) -> Detected:  # noqa: ANN401 - those of the base class
        """How the list is read, and from which sheet."""
        return replace(super().describe(*arguments, **facts), sheet=self._sheet)

    def _first_filled_sheet(self, workbook: Workbook) -> int:
        filled = [
            n
            for n in range(len(workbook.worksheets))
            if next(self._sheet_rows(workbook, n), None) or next(self._formulas_without_values(n), None)
        ]
        if not filled:
            self.check_may_be_empty()
            return 0
        read = next((n for n in filled if workbook.worksheets[n].sheet_state == "visible"), filled[0])
        if len(filled) > 1:
            title = workbook.worksheets[read].title
            logger.warning("%s: %d sheets are not empty; only %r is read.", self.source.name, len(filled), title)
        return read

    def _sheet_rows(self, workbook: Workbook, number: int) -> Iterator[tuple[int, Row]]:
        with self._library_errors():
            sheet = workbook.worksheets[number]
            sheet.reset_dimensions()  # the size that a file states is often wrong, and rows are padded to it
            rows = enumerate(sheet.iter_rows(values_only=True), 1)
        while True:
            with self._library_errors():
                block = [
                    (n, _strip([_to_string(value) for value in row])) for n, row in itertools.islice(rows, _BLOCK_ROWS)
                ]
            if not block:
                return
            yield from ((n, row) for n, row in block if row)

    @contextmanager
    def _open_workbook(self, file: IO[bytes]) -> Iterator[Workbook]:
        import openpyxl

        with self._library_errors():
            workbook = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            yield workbook
        finally:
            workbook.close()

    @contextmanager
    def _library_errors(self) -> Iterator[None]:
        """Turn errors of openpyxl, which can be of any type, into one; its warnings are about styles, not cells."""
        with self.errors_as(_PROBLEM, Exception), collected_warnings():
            yield


def _strip(row: Row) -> Row:
    """A row without the empty cells at its end."""
    while row and row[-1] is None:
        row.pop()
    return row


def _to_string(value: object) -> str | None:
    """A cell as people read it: whole numbers without a fraction, dates in ISO 8601."""
    match value:
        case None | "":
            return None
        case str():
            return value
        case bool():
            return str(value).upper()
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case date() | time():  # a datetime is a date
            return value.isoformat().removesuffix("T00:00:00")
        case _:
            return str(value)

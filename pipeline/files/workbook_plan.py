"""How columns can be added to a workbook, and what a copy of it lacks.

openpyxl reads a workbook into memory and writes what it knows of it again. Cells, formulas, formats, widths, filters
and other sheets are among that; some other things are not, and `CopyPlan` says which of them a workbook has. It takes
about 300 bytes for each cell, so that of a very large sheet only the values are copied, row by row.
"""

from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.host import collected_warnings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openpyxl.workbook import Workbook

MAX_COPIED_CELLS = 1_000_000
"""Cells, own and added, of the largest workbook that is read into memory: about 300 MB."""
_BYTES_PER_CELL = 40
"""What a cell takes in the XML of a worksheet, roughly."""
_LOST_PARTS = {
    "xl/drawings/drawing": "pictures, charts and shapes",
    "xl/ctrlProps/": "form controls",
    "xl/activeX/": "ActiveX controls",
    "xl/embeddings/": "embedded objects",
    "xl/slicers/": "slicers",
    "xl/timelines/": "timelines",
    "xl/threadedComments/": "threads of comments",
    "xl/queryTables/": "data connections",
    "xl/connections.xml": "data connections",
    "xl/metadata.xml": "formulas that fill several cells",
    "docMetadata/LabelInfo.xml": "the sensitivity label",
}
"""Parts of a workbook, by the start of their names, that openpyxl does not keep, or not as they are."""


_UNCALCULATED = "its formulas are kept, but not their results, which appear once a spreadsheet has opened the copy"


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """How columns are added to a sheet.

    Attributes:
        sheet: the number of the worksheet, from 0.
        width: how many columns of it are filled.
        header_row: the row with the names of its columns, from 1; None if there is none.
        reason: why only the values can be copied; "" if all of the workbook is.
        losses: what the copy lacks that the workbook has, in words.
        filled: the last column with a value or a formula, beside or below the header.
    """

    sheet: int
    width: int
    header_row: int | None
    reason: str = ""
    losses: tuple[str, ...] = ()
    filled: int = 0


def plan_copy(
    name: str, file: IO[bytes], *, sheet: int, first_row: int, width: int, has_header: bool, added: int
) -> CopyPlan:
    """Find out how columns can be added to a workbook, by reading all of it as for the copy.

    Args:
        name: the workbook, for messages.
        file: its bytes.
        sheet: the number of the worksheet, from 0.
        first_row: of its data, from 1.
        width: how many columns of it are filled.
        has_header: whether the last row with a cell before that has the names of the columns.
        added: how many cells are added.

    Raises:
        UsageError: the library does not see its cells.
    """
    with zipfile.ZipFile(file) as archive:
        parts = {part.filename: part.file_size for part in archive.infolist()}
    cells = added + sum(size for name, size in parts.items() if name.startswith("xl/worksheets/")) // _BYTES_PER_CELL
    if cells > MAX_COPIED_CELLS:
        return CopyPlan(sheet, width, None, f"it is too large to be copied as it is ({cells:,} cells)")
    if not has_header:
        return CopyPlan(sheet, width, None, "its sheet has no header that the names of columns could be added to")
    lost = dict.fromkeys(what for start, what in _LOST_PARTS.items() if any(name.startswith(start) for name in parts))
    sheets = _Sheets()
    try:
        with collected_warnings() as heard:
            load_whole(file)
            losing = [*heard]
            sheets.read(file, sheet, first_row)
    except Exception:  # noqa: BLE001 - openpyxl raises errors of any type
        return CopyPlan(sheet, width, None, "it has parts that cannot be read")
    lost |= dict.fromkeys(warning.partition(" extension is not")[0] for warning in losing)
    if not sheets.sees_data:
        raise UsageError(f"{name}: its rows cannot be copied to a workbook; write .csv or .parquet.")
    formulas = [_UNCALCULATED] if sheets.has_formula else []
    return CopyPlan(sheet, width, sheets.header_row, losses=(*_sentence(lost), *formulas), filled=sheets.filled)


@dataclass(slots=True)
class _Sheets:
    """What the cells of a workbook say about a copy, from a pass that holds one row at a time.

    A workbook that is read to be changed has no way to walk over the cells there are: it creates all cells up to the
    last row and column, of which a single cell, though empty, may be far away.

    Attributes:
        header_row: the last row with a cell above the data.
        sees_data: whether the first row of the data has a value.
        filled: the last column with a value or a formula, beside or below the header.
        has_formula: whether any sheet has one.
    """

    header_row: int | None = None
    sees_data: bool = False
    filled: int = 0
    has_formula: bool = False

    def read(self, file: IO[bytes], sheet: int, first_row: int) -> None:
        """Read the worksheet with this number, whose data begin in `first_row`, and the others for formulas."""
        import openpyxl

        file.seek(0)
        book = openpyxl.load_workbook(file, read_only=True, keep_links=False)
        try:
            for number, each in enumerate(book.worksheets):
                if number != sheet and self.has_formula:
                    continue
                each.reset_dimensions()  # the size that a file states is often wrong
                for row, cells in enumerate(each.iter_rows(), 1):
                    filled = [cell for cell in cells if cell.value is not None]
                    self.has_formula = self.has_formula or any(cell.data_type == "f" for cell in filled)
                    if number == sheet and filled:
                        self._add(row, filled, first_row)
        finally:
            book.close()

    def _add(self, row: int, filled: Sequence[Any], first_row: int) -> None:
        self.sees_data = self.sees_data or row == first_row
        if row < first_row:
            self.header_row, self.filled = row, 0  # what is above it is in nobody's way
        self.filled = max(self.filled, *map(_last_column, filled))


def _last_column(cell: Any) -> int:  # noqa: ANN401 - a ReadOnlyCell
    """The last column that a cell, or a formula in it, fills."""
    from openpyxl.utils import range_boundaries

    return range_boundaries(area)[2] or 0 if (area := getattr(cell.value, "ref", None)) else int(cell.column)


def _sentence(lost: dict[str, None]) -> list[str]:
    if not lost:
        return []
    has_pictures = _LOST_PARTS["xl/drawings/drawing"] in lost and importlib.util.find_spec("PIL") is None
    hint = " (pictures stay if pillow is installed)" if has_pictures else ""
    return [f"the copy may lose or change: {', '.join(lost)}{hint}"]


def load_whole(file: IO[bytes]) -> Workbook:
    """Read a workbook to change it; formatting within cells is kept."""
    import openpyxl

    file.seek(0)
    return openpyxl.load_workbook(file, rich_text=True)

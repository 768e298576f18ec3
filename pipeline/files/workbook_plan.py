"""How columns can be added to a workbook, and what a copy of it lacks.

openpyxl reads a workbook into memory and writes what it knows of it again. Cells, formulas, formats, widths, filters
and other sheets are among that; some other things are not, and `CopyPlan` says which of them a workbook has. It takes
about 300 bytes for each cell, so that of a very large sheet only the values are copied, row by row.
"""

from __future__ import annotations

import importlib.util
import warnings
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

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


@dataclass(frozen=True, slots=True)
class CopyPlan:
    """How columns are added to a sheet.

    Attributes:
        sheet: the number of the worksheet, from 0.
        width: how many columns of it are filled.
        header_row: the row with the names of its columns, from 1; None if there is none.
        reason: why only the values can be copied; "" if all of the workbook is.
        losses: what the copy lacks that the workbook has, in words.
    """

    sheet: int
    width: int
    header_row: int | None
    reason: str = ""
    losses: tuple[str, ...] = ()


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
    try:
        with collected_warnings() as heard:
            book = load_whole(file)
    except Exception:  # noqa: BLE001 - openpyxl raises errors of any type
        return CopyPlan(sheet, width, None, "it has parts that cannot be read")
    lost |= dict.fromkeys(str(warning.message).partition(" extension is not")[0] for warning in heard)
    if not any(value is not None for value in next(_values(book, sheet, first_row, first_row), ())):
        raise UsageError(f"{name}: its rows cannot be copied to a workbook; write .csv or .parquet.")
    rows = _values(book, sheet, 1, first_row - 1)
    header = max((number for number, row in enumerate(rows, 1) if any(row)), default=None)
    return CopyPlan(sheet, width, header, losses=(*_sentence(lost), *_uncalculated(book)))


def _values(book: Workbook, sheet: int, first: int, last: int) -> Iterator[tuple[object, ...]]:
    return book.worksheets[sheet].iter_rows(min_row=first, max_row=last, values_only=True)


def _sentence(lost: dict[str, None]) -> list[str]:
    if not lost:
        return []
    has_pictures = _LOST_PARTS["xl/drawings/drawing"] in lost and importlib.util.find_spec("PIL") is None
    hint = " (pictures stay if pillow is installed)" if has_pictures else ""
    return [f"the copy may lose or change: {', '.join(lost)}{hint}"]


def _uncalculated(book: Workbook) -> list[str]:
    cells = (cell for sheet in book.worksheets for row in sheet.iter_rows() for cell in row)
    if not any(cell.data_type == "f" for cell in cells):
        return []
    return ["its formulas are kept, but not their results, which appear once a spreadsheet has opened the copy"]


def load_whole(file: IO[bytes]) -> Workbook:
    """Read a workbook to change it; formatting within cells is kept."""
    import openpyxl

    file.seek(0)
    return openpyxl.load_workbook(file, rich_text=True)


@contextmanager
def collected_warnings() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of openpyxl instead of printing them."""
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        yield heard

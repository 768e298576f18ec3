"""Workbooks (`.xlsx`): the first sheet that has anything on it, read as a stream, its cells as texts."""

from __future__ import annotations

import itertools
import logging
import warnings
import zipfile
from contextlib import contextmanager
from datetime import date, time
from typing import IO, TYPE_CHECKING

from pipeline.emails.columns import find_column, is_header, stated_title, titles_of
from pipeline.emails.reading import Detected, Shape
from pipeline.errors import UsageError

try:
    import openpyxl
except ImportError:  # the extra was not installed
    openpyxl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import pyarrow as pa
    from openpyxl.workbook import Workbook

    from pipeline.emails.reading import Reading
    from pipeline.emails.source import Source

logger = logging.getLogger(__name__)

_SAMPLE_ROWS = 200
_BLOCK_ROWS = 500
_MAX_ROWS = 1 << 20
"""Rows of the longest sheet there can be; what goes on is made to fill the memory or the time."""
_MAX_PART_BYTES = 1 << 28
"""Bytes in the largest part that is read as a whole, as the texts of all cells are; sheets are read as a stream."""
_BOMB_RATIO = 200
_MISSING = "workbooks need a library that is not installed; run: pip install 'lead-export[xlsx]'"

_Row = list[str | None]


def check_library(name: str) -> None:
    """Refuse a workbook called `name` if there is nothing to read it with.

    Raises:
        UsageError: says how to install it.
    """
    if openpyxl is None:
        raise UsageError(f"{name}: {_MISSING}.")


class Sheet:
    """The rows of one sheet; rows without anything in them are none."""

    def __init__(self, source: Source, reading: Reading) -> None:
        self._source, self._reading = source, reading
        self._detected: Detected | None = None
        self._sheet: int | None = None
        self._first_width = 0

    def detected(self) -> Detected:
        """How the list is read."""
        if self._detected is None:
            sample = [row for _, row in itertools.islice(self._rows(), _SAMPLE_ROWS)]
            self._detected = self._describe([[cell or "" for cell in row] for row in sample])
        return self._detected

    def cells(self) -> Iterator[str]:
        """The cell of the email column of each row, as text."""
        column = self.detected().email_index
        for _, row in self._data():
            yield (row[column] or "") if column < len(row) else ""

    def lines_of(self, _: Collection[int]) -> dict[int, int]:
        """Nothing: there are no lines."""
        return {}

    def shape(self) -> Shape:
        """How many rows and cells there are, and which rows go on beyond the header."""
        self.detected()
        usual = self._first_width
        count, width, where = 0, usual, []
        for number, row in self._data():
            count += 1
            width = max(width, len(row))
            if len(row) > usual:
                where.append(number)
        return Shape(count, width, len(where), tuple(where[:10]))

    def batches(self, width: int | None) -> Iterator[pa.RecordBatch]:
        """All cells as texts, null where there is nothing, at least `width` in each row.

        Raises:
            UsageError: also if a row has more cells than that, which would be lost.
        """
        from pipeline.emails.batches import batches

        found, wide = self.detected(), width or self.shape().width
        names, more = found.columns[: self._first_width], max(0, wide - self._first_width)
        names = (*names, *[""] * more) if found.header else titles_of((), len(names) + more)
        return batches(self._padded(len(names)), names)

    def _padded(self, width: int) -> Iterator[_Row]:
        for number, row in self._data():
            if len(row) > width:
                raise self._refusal(f"row {number} has {len(row):,} cells, more than the {width:,} expected")
            yield [*row, *[None] * (width - len(row))]

    def _data(self) -> Iterator[tuple[int, _Row]]:
        return itertools.islice(self._rows(), int(self.detected().header), None)

    def _describe(self, sample: list[list[str]]) -> Detected:
        reading = self._reading
        if not sample:
            raise self._refusal("the workbook is empty")
        header = stated_title(sample[0], reading.email_column) or is_header(sample[0], sample[1:])
        names, rows = (sample[0], sample[1:]) if header else (None, sample)
        column = find_column(self._source.name, names, rows, reading.email_column)
        titles = titles_of(names or (), max(column + 1, *map(len, sample[:1] if header else rows)))
        self._first_width = len(sample[0])
        return Detected(
            form="xlsx",
            compression=None,
            encoding=None,
            delimiter=None,
            header=header,
            columns=titles,
            email_column=titles[column],
            email_index=column,
            guessed=("header",) if reading.email_column else ("header", "email_column"),
        )

    def _rows(self) -> Iterator[tuple[int, _Row]]:
        """The rows of the chosen sheet with their numbers in it, without empty cells at their ends."""
        with self._source.file() as file, self._workbook(file) as book:
            if self._sheet is None:
                self._sheet = self._choose(book)
            yield from self._sheet_rows(book, self._sheet)

    def _choose(self, book: Workbook) -> int:
        """The first sheet with anything on it; that there are others is said."""
        filled = [n for n in range(len(book.worksheets)) if next(self._sheet_rows(book, n), None)]
        if not filled:
            raise self._refusal("the workbook is empty")
        if len(filled) > 1:
            logger.warning(
                "%s: %d sheets have something on them; only the first of them is read.", self._source.name, len(filled)
            )
        return filled[0]

    def _sheet_rows(self, book: Workbook, number: int) -> Iterator[tuple[int, _Row]]:
        with self._told():
            sheet = book.worksheets[number]
            sheet.reset_dimensions()  # what a file says of its own size is often wrong, and padded to
            rows = enumerate(sheet.iter_rows(values_only=True), 1)
        while True:
            with self._told():
                block = [
                    (n, _trimmed([_text(value) for value in row])) for n, row in itertools.islice(rows, _BLOCK_ROWS)
                ]
            if not block:
                return
            if block[-1][0] > _MAX_ROWS:
                raise self._refusal(f"the sheet has more than {_MAX_ROWS:,} rows")
            yield from ((n, row) for n, row in block if row)

    @contextmanager
    def _workbook(self, file: IO[bytes]) -> Iterator[Workbook]:
        with self._told():
            with zipfile.ZipFile(file) as archive:
                large = [part for part in archive.infolist() if part.file_size > _MAX_PART_BYTES]
            if any("/worksheets/" not in part.filename or _is_bomb(part) for part in large):
                raise self._refusal(f"a part of the workbook unpacks to more than {_MAX_PART_BYTES:,} bytes")
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            yield book
        finally:
            book.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say damage in a sentence: openpyxl raises anything for it. What it warns of, such as styles, is no cell."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                yield
        except UsageError:
            raise
        except Exception as error:
            raise self._refusal("this is no workbook (.xlsx), it is damaged, or it is encrypted") from error

    def _refusal(self, problem: str) -> UsageError:
        return UsageError(f"{self._source.name}: {problem}.")


def _is_bomb(part: zipfile.ZipInfo) -> bool:
    """Whether a sheet has next to nothing in it for its size; sheets that people make pack 10 to 30 to 1."""
    return part.file_size > _BOMB_RATIO * part.compress_size


def _trimmed(row: _Row) -> _Row:
    while row and row[-1] is None:
        row.pop()
    return row


def _text(value: object) -> str | None:
    """A cell as a person reads it: whole numbers without a fraction, dates as ISO 8601 writes them."""
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

"""Formats whose lists are rows of cells: finds header and email column, fills up short rows, and makes batches."""

from __future__ import annotations

import itertools
import logging
from abc import abstractmethod
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, TypeVar

from pipeline.emails.columns import column_names, find_column, has_stated_name, is_header, looks_like_address
from pipeline.emails.formats import ListFormat
from pipeline.emails.options import Detected, RowCounts
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    import pyarrow as pa

logger = logging.getLogger(__name__)

SAMPLE_ROWS = 200
"""Rows, or lines, from which it is detected how a list is read."""
BATCH_ROWS = 5_000
_SAMPLE_CHARACTERS = 1 << 20
_BATCH_CELLS = 1_000_000
_BATCH_CHARACTERS = 1 << 24
_LISTED_LINES = 10

Row = list[str | None]
_Item = TypeVar("_Item")


class TableFormat(ListFormat):
    """A format that gives rows of cells.

    Attributes:
        single_column: each row is a single cell that holds an address; there is no header, and nothing is detected.
        omits_trailing_cells: rows end with their last cell that is not empty; missing cells are null, not "".
    """

    single_column: ClassVar[bool] = False
    omits_trailing_cells: ClassVar[bool] = False

    @abstractmethod
    def rows(self) -> Iterator[tuple[int, Row]]:
        """Every row that is not blank, including the header, with the number of its line or row, from 1."""

    def delimiter(self) -> tuple[str | None, bool]:
        """The character between cells, if there is one, and whether it was detected."""
        return None, False

    def detected(self) -> Detected:
        """How the list is read."""
        return self._layout[0]

    def cells(self) -> Iterator[str]:
        """The cell of the email column of each row; empty if the row is too short."""
        return (cell for _, cell in self.numbered_cells())

    def numbered_cells(self) -> Iterator[tuple[int, str]]:
        """The same, each with the number of its line or row."""
        column = self.detected().email_index
        for number, row in self._data():
            yield number, row[column] or "" if column < len(row) else ""

    def line_numbers(self, rows: Collection[int]) -> dict[int, int]:
        """The line, or row of the sheet, on which each of these rows begins."""
        return pick_numbers((number for number, _ in self._data()), rows)

    def row_counts(self) -> RowCounts:
        """How many rows and cells there are, and which rows do not have as many cells as the first one."""
        usual = self._layout[1]
        rows, width, ragged = 0, usual, 0
        listed: list[int] = []
        for number, row in self._data():
            rows += 1
            if len(row) > usual or (len(row) < usual and not self.omits_trailing_cells):
                ragged += 1
                width = max(width, len(row))
                if len(listed) < _LISTED_LINES:
                    listed.append(number)
        return RowCounts(rows, width, ragged, tuple(listed))

    def batches(self, width: int | None) -> Iterator[pa.RecordBatch]:
        """All cells as strings, at least `width` in each row.

        Raises:
            UsageError: also if a row has more cells than that, which would be lost.
        """
        detected, usual = self._layout
        more = max(0, (width or self.row_counts().width) - usual)
        names = (*detected.columns[:usual], *([""] * more)) if detected.header else column_names((), usual + more)
        return string_batches(self._filled_up(len(names)), names)

    def _filled_up(self, width: int) -> Iterator[Row]:
        missing = None if self.omits_trailing_cells else ""
        for number, row in self._data():
            if len(row) > width:
                raise self.error(f"{self.unit} {number} has {len(row):,} cells, more than the {width:,} expected")
            if len(row) < width:
                row.extend([missing] * (width - len(row)))
            yield row

    def _data(self) -> Iterator[tuple[int, Row]]:
        return itertools.islice(self.rows(), int(self.detected().header), None)

    @cached_property
    def _layout(self) -> tuple[Detected, int]:
        """How the list is read, and the number of cells in its first row."""
        first, *others = self._sample()
        if self.single_column:
            return self.describe(column_names((), 1), 0, header=False), 1
        wanted = self.options.email_column
        header = has_stated_name(first, wanted) or is_header(first, others)
        names, data = (first, others) if header else ((), [first, *others])
        email_index = find_column(self.source.name, names if header else None, data, wanted)
        if not header and not looks_like_address("".join(first[email_index : email_index + 1])):
            message = (
                "%s: the first row has no address and is not taken for a header; if it is one, pass --email-column."
            )
            logger.warning(message, self.source.name)
        width = max(email_index + 1, *map(len, [first] if header else data))
        delimiter, is_guess = self.delimiter()
        guessed = ("delimiter",) * is_guess + ("header", "email_column")
        columns = column_names(names, width)
        described = self.describe(columns, email_index, header=header, delimiter=delimiter, guessed=guessed)
        return described, len(first)

    def _sample(self) -> list[list[str]]:
        """The first rows, at least one; they end early at a row that cannot be read unless it is the very first."""
        found: list[list[str]] = []
        with closing(self.rows()) as rows:  # type: ignore[type-var]  # a generator
            try:
                for _, row in sample(rows, lambda row: sum(len(cell or "") for cell in row[1])):
                    found.append([cell or "" for cell in row])
            except UsageError:
                if not found:
                    raise
        if not found:
            raise self.error("the list is empty")
        return found


def sample(items: Iterator[_Item], size: Callable[[_Item], int]) -> Iterator[_Item]:
    """The first items, as many as are needed to detect how a list is read; `size` is in characters."""
    characters = 0
    for item in itertools.islice(items, SAMPLE_ROWS):
        yield item
        characters += size(item)
        if characters > _SAMPLE_CHARACTERS:
            return


def pick_numbers(numbers: Iterator[int], rows: Collection[int]) -> dict[int, int]:
    """Of the line numbers of all rows those of `rows`; nothing is read beyond the last of them."""
    return {row: number for row, number in enumerate(itertools.islice(numbers, max(rows, default=0)), 1) if row in rows}


def string_batches(rows: Iterable[Sequence[str | None]], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of string columns, bounded in rows, cells and characters; each row has a cell for each of `names`."""
    import pyarrow as pa

    schema = pa.schema([pa.field(name, pa.string()) for name in names])
    most = max(1, min(BATCH_ROWS, _BATCH_CELLS // max(1, len(names))))
    held: list[Sequence[str | None]] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += sum(len(cell) for cell in row if cell)
        if len(held) >= most or characters >= _BATCH_CHARACTERS:
            yield _to_batch(held, schema)
            held, characters = [], 0
    if held:
        yield _to_batch(held, schema)


def _to_batch(rows: Sequence[Sequence[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)

"""Formats whose lists are rows of cells: finds header and email column, fills up short rows, and makes batches."""

from __future__ import annotations

import itertools
import logging
from abc import abstractmethod
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple, TypeVar

from pipeline.emails.columns import (
    column_names,
    find_column,
    has_stated_name,
    is_header,
    looks_like_address,
    misplaced_header,
    rows_above_header,
    without,
)
from pipeline.emails.formats import ListFormat
from pipeline.emails.options import Detected, RowCounts
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

    import pyarrow as pa

    from pipeline.emails.delimited import Quoting, Row

logger = logging.getLogger(__name__)

SAMPLE_ROWS = 200
"""Rows, or lines, from which it is detected how a list is read."""
BATCH_ROWS = 5_000
_SAMPLE_CHARACTERS = 1 << 20
_BATCH_CELLS = 1_000_000
_BATCH_CHARACTERS = 1 << 24
_LISTED_LINES = 10

_Item = TypeVar("_Item")


class _Layout(NamedTuple):
    """How a list is read.

    Attributes:
        detected: what is reported.
        first: the header, or the first row if there is none.
        above: how many rows come before it and are none of the table.
    """

    detected: Detected
    first: Row
    above: int


class TableFormat(ListFormat):
    """A format that gives rows of cells.

    Attributes:
        single_column: each row is a single cell that holds an address; there is no header, and nothing is detected.
        omits_trailing_cells: rows end with their last cell that is not empty; missing cells are null, not "".
    """

    single_column: ClassVar[bool] = False
    omits_trailing_cells: ClassVar[bool] = False
    _warned = False

    @abstractmethod
    def rows(self) -> Iterator[tuple[int, Row]]:
        """Every row that is not blank, including the header, with the number of its line or row, from 1."""

    def delimiter(self) -> tuple[str | None, bool]:
        """The character between cells, if there is one, and whether it was detected."""
        return None, False

    def quoting(self) -> tuple[Quoting | None, bool]:
        """How cells are quoted, if they can be, and whether that was detected."""
        return None, False

    def check_sample(self, numbers: Sequence[int], rows: Sequence[Sequence[str]]) -> None:
        """Reject a list whose first rows show that it is in another format; `numbers` are those of their lines."""

    def detected(self) -> Detected:
        """How the list is read."""
        return self._layout.detected

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
        usual = len(self._layout.first)
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
        detected, usual = self._layout.detected, len(self._layout.first)
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
        """The rows below the header, without those that repeat it."""
        layout = self._layout
        rows = itertools.islice(self.rows(), layout.above + layout.detected.header, None)
        return self._without_headers(rows, layout) if layout.detected.header else rows

    def _without_headers(self, rows: Iterator[tuple[int, Row]], layout: _Layout) -> Iterator[tuple[int, Row]]:
        """Leave out rows that repeat the header, as they do in files that were joined; a warning says where they are.

        Raises:
            UsageError: such a row has the same names in another order, so that the cells below it would be mixed up.
        """
        header = [*map(_text, layout.first)]
        names, column = sorted(header), min(layout.detected.email_index, len(header) - 1)
        repeated: list[int] = []
        for number, row in rows:
            if len(row) != len(header) or row[column] not in header or sorted(map(_text, row)) != names:
                yield number, row
            elif [*map(_text, row)] == header:
                repeated += [number] if len(repeated) <= _LISTED_LINES else []
            elif sum(map(bool, header)) > 1:
                problem = "is a header with its columns in another order; pass the files that were joined one by one"
                raise self.error(f"{self.unit} {number} {problem}")
            else:
                yield number, row
        if repeated and not self._warned:
            self._warned = True
            where = ", ".join(map(str, repeated[:_LISTED_LINES])) + (", …" if len(repeated) > _LISTED_LINES else "")
            text = "%s: the header is repeated and left out in %s %s."
            logger.warning(text, self.source.name, self.unit, where)

    @cached_property
    def _layout(self) -> _Layout:
        """How the list is read, from its first rows."""
        numbers, some = self._sample()
        self.check_sample(numbers, some)
        if self.single_column or not some:
            return _Layout(self.describe(column_names((), 1), 0, header=False), [None], 0)
        wanted = self.options.email_column
        above = rows_above_header(some, wanted)
        if above:
            text = "%s: the header is in %s %d; what is above it is left out."
            logger.warning(text, self.source.name, self.unit, numbers[above])
        first, *others = some[above:]
        header = bool(above) or has_stated_name(first, wanted) or is_header(first, others)
        if not header and wanted is None and (found := misplaced_header(some)):
            problem = "looks like a header, but rows come before it; remove them, or pass --email-column"
            raise self.error(f"{self.unit} {numbers[found]} {problem}")
        names, data = (first, without(first, others)) if header else ((), [first, *others])
        if data or wanted is not None or not self.options.allow_empty:
            email_index = find_column(self.source.name, names if header else None, data, wanted)
        else:
            email_index = 0  # of a list without rows, which may have been detected by its contents on other days
        if not header and not looks_like_address("".join(first[email_index : email_index + 1])):
            message = (
                "%s: the first row has no address and is not taken for a header; if it is one, pass --email-column."
            )
            logger.warning(message, self.source.name)
        columns = column_names(names, max(email_index + 1, *map(len, [first] if header else data)))
        return _Layout(self._described(columns, email_index, header=header), [cell or "" for cell in first], above)

    def _described(self, columns: Sequence[str], email_index: int, *, header: bool) -> Detected:
        delimiter, delimiter_is_guess = self.delimiter()
        quoting, quoting_is_guess = self.quoting()
        guessed = ("delimiter",) * delimiter_is_guess + ("quoting",) * quoting_is_guess + ("header", "email_column")
        return self.describe(columns, email_index, header=header, delimiter=delimiter, quoting=quoting, guessed=guessed)

    def _sample(self) -> tuple[list[int], list[list[str]]]:
        """The first rows, and their numbers; they end early at a row that cannot be read, unless it is the first."""
        found: list[list[str]] = []
        numbers: list[int] = []
        with closing(self.rows()) as rows:  # type: ignore[type-var]  # a generator
            try:
                for number, row in sample(rows, lambda row: sum(len(cell or "") for cell in row[1])):
                    numbers.append(number)
                    found.append([cell or "" for cell in row])
            except UsageError:
                if not found:
                    raise
        if not found:
            self.check_may_be_empty()
        return numbers, found


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
    """Batches of string columns, bounded in rows, cells and characters; one without rows if there are none.

    Each row has a cell for each of `names`.
    """
    import pyarrow as pa

    schema = pa.schema([pa.field(name, pa.string()) for name in names])
    most = max(1, min(BATCH_ROWS, _BATCH_CELLS // max(1, len(names))))
    held: list[Sequence[str | None]] = []
    characters, written = 0, 0
    for row in rows:
        held.append(row)
        characters += sum(len(cell) for cell in row if cell)
        if len(held) >= most or characters >= _BATCH_CHARACTERS:
            yield _to_batch(held, schema)
            written += 1
            held, characters = [], 0
    if held or not written:
        yield _to_batch(held, schema)


def _text(cell: str | None) -> str:
    return cell or ""


def _to_batch(rows: Sequence[Sequence[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    columns = [pa.array(column, pa.string()) for column in (zip(*rows, strict=True) if rows else [()] * len(schema))]
    return pa.RecordBatch.from_arrays(columns, schema=schema)

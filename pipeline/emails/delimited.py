"""Lists of lines: `.csv` and `.tsv` with cells in quotes or not, and `.txt` with one address a line."""

from __future__ import annotations

import csv
import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.emails import dialect
from pipeline.emails.columns import find_column, is_header, stated_title, titles_of
from pipeline.emails.lines import lines, nothing_in, picked, some
from pipeline.emails.reading import Detected, Shape
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import pyarrow as pa

    from pipeline.emails.reading import Reading
    from pipeline.emails.source import Source

_LISTED_LINES = 10


class PlainLines:
    """One address a line, whatever else stands in it; lines without anything are no rows, and there is no header."""

    def __init__(self, source: Source, reading: Reading, codec: str) -> None:
        self._source, self._reading, self._codec = source, reading, codec

    def detected(self) -> Detected:
        """How the list is read."""
        next(self.cells())
        return Detected(
            form="txt",
            compression=self._source.packing,
            encoding=self._codec.removesuffix("-sig"),
            delimiter=None,
            header=False,
            columns=("column 1",),
            email_column="column 1",
            email_index=0,
            guessed=() if self._reading.encoding else ("encoding",),
        )

    def cells(self) -> Iterator[str]:
        """The text of each line, without its end."""
        empty = True
        with self._source.opened() as binary:
            for line in lines(self._source.name, binary, self._codec):
                if line.strip():
                    empty = False
                    yield line.rstrip("\r\n")
        if empty:
            raise nothing_in(self._source.name)

    def lines_of(self, rows: Collection[int]) -> dict[int, int]:
        """In which line of the list each of these rows is."""
        with self._source.opened() as binary:
            text = lines(self._source.name, binary, self._codec)
            filled = (number for number, line in enumerate(text, 1) if line.strip())
            return picked(filled, rows)

    def shape(self) -> Shape:
        """How many lines are rows; all have one cell."""
        return Shape(rows=sum(1 for _ in self.cells()), width=1, ragged=0, ragged_lines=())

    def batches(self, width: int | None) -> Iterator[pa.RecordBatch]:
        """The lines as a table."""
        from pipeline.emails.batches import batches

        names = titles_of((), width or 1)
        return batches(([cell, *[""] * (len(names) - 1)] for cell in self.cells()), names)


class Delimited:
    """Rows of cells with a character between them, as RFC 4180 and spreadsheets write them."""

    def __init__(self, source: Source, reading: Reading, codec: str) -> None:
        self._source, self._reading, self._codec = source, reading, codec
        self._layout: _Layout | None = None

    def detected(self) -> Detected:
        """How the list is read."""
        return self._found().detected

    def cells(self) -> Iterator[str]:
        """The cell of the email column of each row; empty where a row is too short to have one."""
        column = self._found().detected.email_index
        with self._records() as rows:
            for row in rows.rows:
                yield row[column] if column < len(row) else ""

    def lines_of(self, rows: Collection[int]) -> dict[int, int]:
        """In which line of the list each of these rows begins."""
        with self._records() as records:
            return picked((records.line for _ in records.rows), rows)

    def shape(self) -> Shape:
        """How many rows and cells there are, and which rows have more or fewer than the first line."""
        usual = self._found().first_width
        count, width, ragged = 0, usual, 0
        where: list[int] = []
        with self._records() as rows:
            for row in rows.rows:
                count += 1
                if len(row) != usual:
                    ragged += 1
                    width = max(width, len(row))
                    if len(where) < _LISTED_LINES:
                        where.append(rows.line)
        return Shape(count, width, ragged, tuple(where))

    def batches(self, width: int | None) -> Iterator[pa.RecordBatch]:
        """All cells as texts, at least `width` in each row; those that a row lacks are empty.

        Raises:
            UsageError: also if a row has more cells than that, which would be lost.
        """
        from pipeline.emails.batches import batches

        layout = self._found()
        names, wide = layout.detected.columns[: layout.first_width], width or self.shape().width
        more = wide - layout.first_width
        names = (*names, *[""] * more) if layout.detected.header else titles_of((), layout.first_width + max(0, more))
        return batches(self._padded(len(names)), names)

    def _padded(self, width: int) -> Iterator[list[str]]:
        with self._records() as rows:
            for row in rows.rows:
                if len(row) < width:
                    row.extend([""] * (width - len(row)))
                elif len(row) > width:
                    name = self._source.name
                    raise UsageError(
                        f"{name}: line {rows.line} has {len(row):,} cells, more than the {width:,} expected."
                    )
                yield row

    @contextmanager
    def _records(self) -> Iterator[_Records]:
        """The rows from the beginning, without the header."""
        layout = self._found()
        with self._source.opened() as binary:
            text = itertools.islice(lines(self._source.name, binary, self._codec), layout.skipped, None)
            rows = _Records(self._source.name, text, layout.delimiter, layout.skipped)
            if layout.detected.header:
                next(rows.rows, None)
            yield rows

    def _found(self) -> _Layout:
        if self._layout is None:
            with self._source.opened() as binary:
                self._layout = self._look(lines(self._source.name, binary, self._codec))
        return self._layout

    def _look(self, text: Iterator[str]) -> _Layout:
        """Look at the first lines and rows."""
        name, reading = self._source.name, self._reading
        skipped, first = next(((n, line) for n, line in enumerate(text) if line.strip()), (0, ""))
        if not first:
            raise nothing_in(name)
        announced = dialect.announced(first)
        head = [] if announced else [first]
        head += some(text, len)
        skipped += announced is not None
        mark = reading.mark() or announced or ("\t" if self._source.form == "tsv" else dialect.guess(head))
        rows = _Records(name, itertools.chain(head, text), mark, skipped)
        sample = rows.sample()
        if not sample:
            raise nothing_in(name)
        header = stated_title(sample[0], reading.email_column) or is_header(sample[0], sample[1:])
        return _Layout(self._describe(mark, sample, header=header), mark, skipped, len(sample[0]))

    def _describe(self, mark: str, sample: list[list[str]], *, header: bool) -> Detected:
        reading, form = self._reading, self._source.form
        names, rows = (sample[0], sample[1:]) if header else (None, sample)
        column = find_column(self._source.name, names, rows, reading.email_column)
        titles = titles_of(names or (), max(column + 1, *map(len, sample[:1] if header else rows)))
        guessed = {
            "encoding": reading.encoding is None,
            "delimiter": reading.delimiter is None and form != "tsv",
            "header": True,
            "email_column": reading.email_column is None,
        }
        return Detected(
            form=form,
            compression=self._source.packing,
            encoding=self._codec.removesuffix("-sig"),
            delimiter=mark,
            header=header,
            columns=titles,
            email_column=titles[column],
            email_index=column,
            guessed=tuple(name for name, is_guess in guessed.items() if is_guess),
        )


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a list is read, and how many lines come before its first row, which has so many cells."""

    detected: Detected
    delimiter: str
    skipped: int
    first_width: int


class _Records:
    """The rows of a text, blank lines left out; `line` is where the row at hand begins, counted from 1.

    Of the list, `skipped` lines come before the text.
    """

    def __init__(self, name: str, text: Iterator[str], delimiter: str, skipped: int) -> None:
        self._name, self._skipped = name, skipped
        self.line = skipped + 1
        # Strict, because otherwise a quote left open swallows every row after it without a word.
        self._reader = csv.reader(text, delimiter=delimiter, strict=True)
        self.rows = self._rows()

    def _rows(self) -> Iterator[list[str]]:
        reader, skipped = self._reader, self._skipped
        try:
            for row in reader:
                if row:
                    yield row
                self.line = skipped + reader.line_num + 1
        except csv.Error as error:
            raise UsageError(f"{self._name}: line {self.line} is not CSV ({error}); is a quote left open?") from error

    def sample(self) -> list[list[str]]:
        """The first rows; fewer also if what comes then is not CSV, but for the very first row.

        Raises:
            UsageError: the first row is not CSV.
        """
        rows: list[list[str]] = []
        try:
            rows.extend(some(self.rows, lambda row: sum(map(len, row))))
        except UsageError:
            if not rows:
                raise
        return rows

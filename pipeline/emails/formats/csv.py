"""Delimited text (`.csv`, `.tsv`), as RFC 4180 and spreadsheets write it.

The delimiter of `.csv` is detected: with the right one, most addresses are whole cells and rows are of the same length.
The standard library's `csv.Sniffer` was tried: it takes a letter for the delimiter of a list of one column, and the
comma for that of `1,5;joe@example.com`.
"""

from __future__ import annotations

import csv
import itertools
import re
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from pipeline.emails.columns import looks_like_address
from pipeline.emails.table import TableFormat, sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.emails.options import Detected
    from pipeline.emails.table import Row

DELIMITERS = ",;\t|"
_SEP_LINE = re.compile(r'"?sep=([^"\r\n])"?(?:\r\n?|\n)?', re.IGNORECASE)
"""The first line by which a file tells spreadsheets its delimiter."""


class Csv(TableFormat):
    """Rows of cells with a delimiter between them; blank lines are skipped."""

    name = "csv"
    suffixes = (".csv",)
    is_text = True
    usual_delimiter: ClassVar[str | None] = None

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows, with the line on which each begins."""
        delimiter, skipped = self._dialect
        lines = itertools.islice(self.lines(), skipped, None)
        # Strict, because otherwise a quote that is never closed silently swallows all rows after it.
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        number = skipped + 1
        try:
            for row in reader:
                if row:
                    yield number, row  # type: ignore[misc]  # cells of CSV are never None
                number = skipped + reader.line_num + 1
        except csv.Error as error:
            raise self.error(
                f"line {number} is not valid CSV ({error}); check for a quote that is never closed"
            ) from error

    def describe(self, *arguments: Any, **facts: Any) -> Detected:  # noqa: ANN401 - those of the base class
        """How the list is read, and whether its first line announces the delimiter."""
        first = next((line for line in self.lines() if line.strip()), "")
        announced = _SEP_LINE.fullmatch(first) is not None
        return replace(super().describe(*arguments, **facts), announces_delimiter=announced)

    def delimiter(self) -> tuple[str, bool]:
        """The delimiter, and whether it was detected."""
        return self._dialect[0], self.options.delimiter is None and self.usual_delimiter is None

    @cached_property
    def _dialect(self) -> tuple[str, int]:
        """The delimiter, and how many lines come before the first row."""
        lines = self.lines()
        skipped, first = next(((n, line) for n, line in enumerate(lines) if line.strip()), (0, ""))
        if not first:
            raise self.error("the list is empty")
        if announced := _SEP_LINE.fullmatch(first):
            skipped += 1
        stated = self.options.delimiter_character() or (announced and announced[1]) or self.usual_delimiter
        return stated or detect_delimiter([first, *sample(lines, len)]), skipped


class Tsv(Csv):
    """The same, with tabs."""

    name = "tsv"
    suffixes = (".tsv",)
    usual_delimiter = "\t"


def detect_delimiter(lines: Sequence[str]) -> str:
    """The delimiter that makes the most addresses whole cells, then the most rows as long as the first; else a comma.

    A character that is neither on the first line nor on most lines belongs to a cell.
    """
    usual = [each for each in DELIMITERS if each in lines[0] or sum(each in line for line in lines) > len(lines) / 2]
    return max(usual, key=lambda delimiter: _fit(lines, delimiter), default=",")


def _fit(lines: Sequence[str], delimiter: str) -> tuple[int, int, int]:
    rows: list[list[str]] = []
    with suppress(csv.Error):
        rows.extend(row for row in csv.reader(lines, delimiter=delimiter) if row)
    cells = (cell for row in rows for cell in row if not any(each in cell for each in DELIMITERS))
    width = len(rows[0]) if rows else 0
    return sum(map(looks_like_address, cells)), sum(len(row) == width for row in rows), width

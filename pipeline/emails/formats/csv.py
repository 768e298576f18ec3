"""Delimited text (`.csv`, `.tsv`), as RFC 4180, spreadsheets and databases write it.

The delimiter of `.csv` is detected: with the right one, most addresses are whole cells and rows are of the same length.
The standard library's `csv.Sniffer` was tried: it takes a letter for the delimiter of a list of one column, and the
comma for that of `1,5;joe@example.com`.
"""

from __future__ import annotations

import itertools
import logging
import re
import sys
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pipeline.emails.columns import looks_like_address
from pipeline.emails.delimited import MAX_ROW, Dialect, RowError, read_rows
from pipeline.emails.table import TableFormat, sample

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.emails.delimited import Quoting, Row
    from pipeline.emails.options import Detected

logger = logging.getLogger(__name__)

DELIMITERS = ",;\t|"
_SEP_LINE = re.compile(r"""["']?sep=(?P<stated>[^"\r\n])["']?(?P<saved>([^"\r\n])\3*)?(?:\r\n?|\n)?""", re.IGNORECASE)
"""The first line by which a file tells spreadsheets its delimiter; one that saves it again fills up its empty cells."""
_ADVICE = (
    "correct it, or pass --quoting none if quotes are part of the text"
    r", or --quoting backslash if a quote in quotes is written as \""
)


class _Layout(NamedTuple):
    """How lines become rows: the dialect, and how many lines come before the first row."""

    dialect: Dialect
    skipped: int
    quoting_is_guess: bool = False


class Csv(TableFormat):
    """Rows of cells with a delimiter between them; blank lines are skipped."""

    name = "csv"
    suffixes = (".csv",)
    is_text = True
    max_line = MAX_ROW
    usual_delimiter: ClassVar[str | None] = None

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The rows, with the line on which each begins."""
        layout = self._dialect
        try:
            yield from self._read(layout)
        except RowError as error:
            # An error, because otherwise a quote that is never closed silently swallows all rows after it.
            raise self.error(f"line {error.line} is not valid CSV ({error.problem}); {_ADVICE}") from error

    def describe(self, *arguments: Any, **facts: Any) -> Detected:  # noqa: ANN401 - those of the base class
        """How the list is read, how its lines end, and whether the first announces the delimiter."""
        first = next((line for line in self.lines() if line.strip()), "")
        announced = _SEP_LINE.fullmatch(first) is not None
        line_end = "\r\n" if first.endswith("\r\n") else "\n"
        return replace(super().describe(*arguments, **facts), line_end=line_end, announces_delimiter=announced)

    def delimiter(self) -> tuple[str, bool]:
        """The delimiter, and whether it was detected."""
        return self._dialect.dialect.delimiter, self.options.delimiter is None and self.usual_delimiter is None

    def quoting(self) -> tuple[Quoting, bool]:
        """How cells are quoted, and whether that was detected."""
        return self._dialect.dialect.quoting, self._dialect.quoting_is_guess

    def _read(self, layout: _Layout) -> Iterator[tuple[int, Row]]:
        lines = itertools.islice(self.lines(), layout.skipped, None)
        return read_rows(lines, layout.dialect, layout.skipped)

    @cached_property
    def _dialect(self) -> _Layout:
        stated = self.options.quoting_mode()
        layout = self._layout_for(stated or "standard")
        if stated or not self.byte_stats.escapes_quotes or self._is_valid(layout):
            return layout
        escaped = self._layout_for("backslash")
        if not self._is_valid(escaped):
            return layout  # whose error is the one to show
        logger.warning(
            r"%s: quotes are read as escaped by backslashes (\"), a guess; check the cells, or pass --quoting.",
            self.source.name,
        )
        return escaped._replace(quoting_is_guess=True)

    def _is_valid(self, layout: _Layout) -> bool:
        """Whether every row of the list is valid."""
        try:
            return all(True for _ in self._read(layout))
        except RowError:
            return False

    def _layout_for(self, quoting: Quoting) -> _Layout:
        lines = self.lines()
        skipped, first = next(((n, line) for n, line in enumerate(lines) if line.strip()), (sys.maxsize, ""))
        if not first:
            self.check_may_be_empty()
        announced = _SEP_LINE.fullmatch(first)
        some = [*([] if announced else [first]), *sample(lines, len)]
        delimiter = self.options.delimiter_character()
        if announced and not delimiter:
            delimiter = _announced(announced, some)
        delimiter = delimiter or self.usual_delimiter or detect_delimiter(some or [first], quoting)
        return _Layout(Dialect(delimiter, quoting), skipped + bool(announced))


class Tsv(Csv):
    """The same, with tabs."""

    name = "tsv"
    suffixes = (".tsv",)
    usual_delimiter = "\t"


def _announced(line: re.Match[str], others: Sequence[str]) -> str | None:
    """The delimiter that a `sep=` line means: after it was saved again, that which fills up its empty cells.

    None if it is on no other line although another delimiter is: the file was saved with that one.
    """
    delimiter = (line["saved"] or line["stated"])[0]
    lines = "".join(others)
    return None if delimiter not in lines and any(each in lines for each in DELIMITERS) else delimiter


def detect_delimiter(lines: Sequence[str], quoting: Quoting = "standard") -> str:
    """The delimiter that makes the most addresses whole cells, then the most rows as long as the first; else a comma.

    A character that is neither on the first line nor on most of those with an @ belongs to a cell.
    """
    rows = [line for line in lines if "@" in line] or lines
    usual = [each for each in DELIMITERS if each in lines[0] or sum(each in row for row in rows) > len(rows) / 2]
    return max(usual, key=lambda delimiter: _fit(lines, Dialect(delimiter, quoting)), default=",")


def _fit(lines: Sequence[str], dialect: Dialect) -> tuple[int, int, int]:
    rows: list[list[str]] = []
    with suppress(RowError):
        rows.extend([cell or "" for cell in row] for _, row in read_rows(iter(lines), dialect))
    cells = (cell for row in rows for cell in row if not any(each in cell for each in DELIMITERS))
    width = len(rows[0]) if rows else 0
    return sum(map(looks_like_address, cells)), sum(len(row) == width for row in rows), width

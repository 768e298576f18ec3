r"""Delimited text: lines in, rows of cells out, in each of the ways in which programs quote.

Three dialects are read:

- `standard`: a cell in quotes may hold anything, and a quote within it is doubled (RFC 4180; spreadsheets); spaces
  around the quotes are ignored;
- `backslash`: the same, and a backslash takes away the meaning of a quote, delimiter, line end or backslash after it;
  a cell that is `\N` is null (MySQL, phpMyAdmin);
- `none`: quotes are characters like all others (psql, MySQL's batch mode).

The standard library's `csv` limits the length of cells for the whole process, whose other threads may need another
limit, and cannot tell `\N` from `N`. So it only does what it is fastest at, rows of one line with some quotes; what it
refuses, for whatever reason, is read here. A row without quotes, as most are, is read faster still by `str.split`.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

Row = list[str | None]
Quoting = Literal["standard", "backslash", "none"]

MAX_ROW = 1 << 24
"""Characters in the longest row: a cell can hold a document or a picture, but must not fill the memory."""
_LINE_END = "\r\n"


class RowError(ValueError):
    """A row that is not valid in its dialect; `line` is the one on which it begins."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(problem)
        self.line, self.problem = line, problem


@dataclass(frozen=True)
class Dialect:
    """How cells are separated, and what quotes mean."""

    delimiter: str
    quoting: Quoting = "standard"

    @cached_property
    def in_quotes(self) -> re.Pattern[str]:
        """What ends a run of plain characters within quotes."""
        return re.compile(r'["\\]' if self.quoting == "backslash" else '"')

    @cached_property
    def padded(self) -> re.Pattern[str]:
        """A quoted cell with spaces before it, on one line."""
        before, after = ("", "") if self.delimiter == " " else (" +", " *")
        plain = r'[^"\\]' if self.quoting == "backslash" else '[^"]'
        return re.compile(rf'{before}"((?:{plain}++|"")*+)"{after}(?=[{re.escape(self.delimiter)}\r\n]|\Z)')

    @cached_property
    def outside(self) -> re.Pattern[str]:
        """What ends a run of plain characters outside quotes."""
        escape = r"\\" if self.quoting == "backslash" else ""
        return re.compile(rf"[{re.escape(self.delimiter)}{escape}\r\n]")


def read_rows(
    lines: Iterator[str], dialect: Dialect, passed: int = 0, max_row: int = MAX_ROW
) -> Iterator[tuple[int, Row]]:
    """The rows, each with the number of the line on which it begins; lines without a character are none.

    Args:
        lines: with their ends; a quoted cell may go on over several of them.
        dialect: how they are read.
        passed: how many lines came before.
        max_row: characters in the longest row that goes on over several lines.

    Raises:
        RowError: a quote is never closed, or text follows a closing quote, or a row is longer than `max_row`.
    """
    delimiter, quoting = dialect.delimiter, dialect.quoting
    number = passed
    for line in lines:
        number += 1
        if quoting == "none" or ('"' not in line and (quoting == "standard" or "\\" not in line)):
            if text := line.rstrip(_LINE_END):
                yield number, text.split(delimiter)  # type: ignore[misc]  # these cells are never None
            continue
        simple = _on_one_line(line, delimiter) if quoting == "standard" else None
        if simple is not None:
            yield number, simple  # type: ignore[misc]
            continue
        row = _QuotedRow(line, lines, number, dialect, max_row)
        yield number, row.cells()
        number = row.last_line


def _on_one_line(line: str, delimiter: str) -> list[str] | None:
    """The cells of a row in standard quotes; None if it goes on below, is not valid, or is refused by `csv`."""
    text = line.rstrip(_LINE_END)
    if text.startswith('"') and text.endswith('"'):  # all cells are in quotes, if there are none within them
        cells = text[1:-1].split(f'"{delimiter}"')
        if text.count('"') == 2 * len(cells):
            return cells
    if ' "' in text:  # perhaps quotes around a cell, with a blank before them
        return None
    try:
        return next(csv.reader((line,), delimiter=delimiter, strict=True))
    except csv.Error:
        return None


class _QuotedRow:
    """One row that contains quotes or backslashes, read cell by cell; each character is looked at once."""

    def __init__(self, line: str, lines: Iterator[str], number: int, dialect: Dialect, max_size: int) -> None:
        self._text, self._at = line, 0
        self._lines, self._dialect = lines, dialect
        self._first, self.last_line = number, number
        self._size, self._max_size = len(line), max_size

    def cells(self) -> Row:
        cells = [self._cell()]
        while self._text.startswith(self._dialect.delimiter, self._at):
            self._at += 1
            cells.append(self._cell())
        return cells

    def _cell(self) -> str | None:
        if self._text.startswith('"', self._at):
            return self._quoted()
        start = self._at
        if self._dialect.quoting == "backslash" and self._text.startswith(r"\N", start):
            self._at += 2
            if self._ends():
                return None
            self._at = start
        if match := self._dialect.padded.match(self._text, start):
            self._at = match.end()
            return match[1].replace('""', '"')
        parts: list[str] = []
        while self._take(self._dialect.outside, parts) == "\\":
            parts.append(self._escaped())
        return "".join(parts)

    def _quoted(self) -> str:
        parts: list[str] = []
        self._at += 1
        while True:
            stop = self._take(self._dialect.in_quotes, parts)
            self._at += stop == '"'
            if stop is None:
                if not self._continue():
                    raise RowError(self._first, "a quote is never closed")
            elif stop == "\\":
                parts.append(self._escaped())
            elif self._text.startswith('"', self._at):
                parts.append('"')
                self._at += 1
            elif self._ends():
                return "".join(parts)
            else:
                raise RowError(self._first, "text follows a closing quote")

    def _take(self, stop: re.Pattern[str], parts: list[str]) -> str | None:
        """Take plain characters up to one that `stop` matches, or to the end of the line; return that one."""
        match = stop.search(self._text, self._at)
        end = match.start() if match else len(self._text)
        parts.append(self._text[self._at : end])
        self._at = end
        return match[0] if match else None

    def _escaped(self) -> str:
        """What the backslash here and the character after it stand for."""
        self._at += 1
        following = self._text[self._at : self._at + 1]
        if following and following in _LINE_END:
            end = self._text[self._at :]
            self._at = len(self._text)
            self._continue()
            return end
        if following in ('"', "\\", self._dialect.delimiter):
            self._at += 1
            return following
        return "\\"

    def _ends(self) -> bool:
        """Whether the cell ends here, or after spaces."""
        while self._text.startswith(" ", self._at) and self._dialect.delimiter != " ":
            self._at += 1
        following = self._text[self._at : self._at + 1]
        return following == self._dialect.delimiter or following in _LINE_END

    def _continue(self) -> bool:
        """Go on with the next line, if there is one."""
        line = next(self._lines, None)
        if line is None:
            return False
        self._text, self._at = line, 0
        self.last_line += 1
        self._size += len(line)
        if self._size > self._max_size:
            raise RowError(self._first, f"the row is longer than {self._max_size:,} characters")
        return True

"""Plain text (`.txt`): one address on each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.emails.address import clean
from pipeline.emails.columns import looks_like_address, looks_like_addresses
from pipeline.emails.table import TableFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.emails.delimited import Row


class PlainText(TableFormat):
    """One address on each line, whatever else the line contains; blank lines are skipped, and there is no header."""

    name = "txt"
    suffixes = (".txt",)
    is_text = True
    single_column = True

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The lines, without their ends."""
        for number, line in enumerate(self.lines(), 1):
            if not line.isspace():
                yield number, [line.rstrip("\r\n")]

    def check_sample(self, numbers: Sequence[int], rows: Sequence[Sequence[str]]) -> None:
        """Refuse a table, such as Excel's tab-delimited text: most lines are several cells, one of them an address."""
        if sum(_holds_several(line) for (line,) in rows) * 2 > len(rows):
            raise self.error("most lines hold several addresses; put each of them on a line of its own")
        found = [(number, mark) for number, (line,) in zip(numbers, rows, strict=True) if (mark := _delimiter(line))]
        header = bool(found) and rows[0][0].count(found[0][1]) > 0 and "@" not in rows[0][0]
        if (len(found) + header) * 2 > len(rows):
            number, mark = found[0]
            suffix = ".tsv" if mark == "\t" else ".csv"
            raise self.error(f"most lines hold several cells, the first of them line {number}; rename it to {suffix}")


def _holds_several(line: str) -> bool:
    return line.count("@") > 1 and not isinstance(clean(line), str) and looks_like_addresses(line)


def _delimiter(line: str) -> str | None:
    """The character between the cells of a line of which one is an address; None if the line itself may be one."""
    for mark in "\t;,|":
        if mark in line and sum(map(looks_like_address, line.split(mark))) == 1:
            # A pipe may be part of an address; that is not so on most lines of a list.
            return mark if mark == "|" or not isinstance(clean(line), str) else None
    return None

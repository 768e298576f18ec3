"""Plain text (`.txt`): one address on each line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.emails.table import TableFormat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.emails.table import Row


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

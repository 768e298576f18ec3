"""The first rows that failed, as a person finds them in the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pipeline.journal.store import Journal


class FailedLine(msgspec.Struct, frozen=True):
    """A row that failed, as a person finds it.

    Attributes:
        input: name of the list.
        unit: what `line` counts: `line`, or `row` of a sheet or a table.
        line: its number, from 1.
        code: why it failed, as in `outcomes`.
    """

    input: str
    unit: str
    line: int
    code: str | None


MAX_FAILED_LINES = 10
"""Failed rows that a manifest names."""


def failed_lines(journal: Journal) -> list[FailedLine] | None:
    """The first rows that failed; None if none did."""
    rows = journal.rows().first_failed(MAX_FAILED_LINES)
    return [FailedLine(*row) for row in rows] or None

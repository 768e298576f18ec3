"""The first rows that failed, as a person finds them in the lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipeline.journal.rows import FailedLine
    from pipeline.journal.store import Journal

MAX_FAILED_LINES = 10
"""Failed rows that a manifest names."""


def failed_lines(journal: Journal) -> list[FailedLine] | None:
    """The first rows that failed; None if none did."""
    return journal.rows().first_failed(MAX_FAILED_LINES) or None

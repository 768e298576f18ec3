"""What changed since the run before, in a few lines of the summary."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.jobs.change_facts import ChangeFacts

_NOT_COMPARED = "{} not compared, as one of the answers is unknown"


def change_lines(facts: ChangeFacts) -> Iterator[str]:
    """How many changes there are, in which tables, and what is only counted; nothing about a first run."""
    if facts.since_run is None:
        return
    tables = ", ".join(f"{sum(rows.values()):,} in {name}" for name, rows in facts.tables.items())
    yield f"{counted(facts.rows, 'change')} since run {facts.since_run}{f': {tables}' if tables else ''}"
    if facts.unknown:
        yield _NOT_COMPARED.format(counted(sum(facts.unknown.values()), "address"))
    if facts.left_out:
        names = ", ".join(f"{count:,} {name}" for name, count in facts.left_out.items())
        yield f"replies that leave out a collection, which is empty now: {names}"

"""Journals and answers that the tests of this folder share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.journal.records import ListRow, RunRecord
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

JOE, JIM, ANN, EVE, BOB = (f"{name}@example.com" for name in ("joe", "jim", "ann", "eve", "bob"))
NOON_MS = 1_795_003_200_000
RUN = RunRecord("night", NOON_MS, "everybody", "lead-export run a.csv", "/srv", replaces=True)


def rows(*given: str) -> list[ListRow]:
    """Rows of a list; a cell without an @ does not hold an address."""
    return [row(cell) for cell in given]


def row(cell: str) -> ListRow:
    """A row of a list."""
    if "@" not in cell:
        return ListRow(cell, code="no_at", message="no @")
    return ListRow(cell, cell.strip(), cell.strip().lower())


def numbered(count: int) -> list[str]:
    """That many distinct addresses."""
    return [f"p{n}@example.com" for n in range(1, count + 1)]


def imported(path: Path, *lists: Iterable[str]) -> Journal:
    """A journal of lists called a.csv, b.csv and c.csv that has no run yet."""
    journal = Journal.create(path)
    for name, cells in zip("abc", lists, strict=False):
        journal.add_list(f"{name}.csv", rows(*cells), sha256=lambda name=name: name * 64)  # type: ignore[misc]
    return journal


def started(path: Path, *lists: Iterable[str]) -> Journal:
    """The same of an unfinished run."""
    journal = imported(path, *lists)
    journal.start(RUN)
    return journal


def answer(email: str, outcome: Outcome = Outcome.FOUND, **fields: object) -> Answer:
    """An answer given at noon."""
    return Answer(email, outcome, answered_at_ms=NOON_MS, **fields)  # type: ignore[arg-type]  # of any field


async def append(journal: Journal, answers: dict[int, Answer], *, flush: bool = True) -> None:
    """Append answers by the number of their address, until they are on the disk unless `flush` is false."""
    for number, one in answers.items():
        await journal.append(number, one)
    if flush:
        await journal.flush()


def on_disk(path: Path) -> list[Answer]:
    """The answers that another process sees."""
    with Journal.open(path) as other:
        return list(other.answers())

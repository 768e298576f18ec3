"""Answers that stay because asking again failed: an older answer says more than none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.journal.database import rows_of
from pipeline.journal.records import ANSWER_COLUMNS, SELECT_ANSWERS, Carried, checked, insert
from pipeline.outcomes import KEPT, Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from pipeline.outcomes import Answer

_REPLACE = insert("answers", ("address", *ANSWER_COLUMNS), verb="INSERT OR REPLACE")
_CARRIED = f"{SELECT_ANSWERS} WHERE answers.address = ? AND carried <> {Carried.NO:d}"


def without_kept(db: sqlite3.Connection, batch: Iterable[tuple[int, Answer]]) -> list[tuple[int, Answer]]:
    """The answers to be written, by the numbers of their addresses: all but failures where an older answer stays.

    What is kept says so in its code, and has the number of calls made in vain. Doing it twice changes nothing.
    """
    written = []
    for address, answer in batch:
        if answer.outcome is not Outcome.FAILED or not _keep(db, address, answer):
            written.append((address, answer))
    return written


def _keep(db: sqlite3.Connection, address: int, failure: Answer) -> bool:
    """Keep the older answer of an address, if it has one."""
    for row in rows_of(db, _CARRIED, address):
        said = {"code": f"{KEPT}{failure.code}", "message": f"{failure.message}; an older answer is kept"}
        kept = {**row, **said, "attempts": failure.attempts, "carried": int(Carried.KEPT)}
        db.execute(_REPLACE, checked(kept))
        return True
    return False

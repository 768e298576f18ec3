"""A look into a journal from outside: what it is about and how far it got, while its own run may be writing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from pipeline.errors import StorageError
from pipeline.journal.records import ANSWERED, LISTS, RUN, ListSummary, RunRecord, StopRecord, check_marks, run_record

if TYPE_CHECKING:
    from pathlib import Path


class Glance(NamedTuple):
    """What stands in a journal at a glance.

    Attributes:
        path: the journal.
        run: its run.
        lists: the lists it asks about.
        addresses: distinct addresses in them.
        answered: those with an answer other than `failed`.
        failed: those whose last answer was a failure; they are asked again.
        stop: why it stopped last; None if it never stopped by itself.
    """

    path: Path
    run: RunRecord
    lists: list[ListSummary]
    addresses: int
    answered: int
    failed: int
    stop: StopRecord | None


def glance(path: Path) -> Glance:
    """Look into the journal at `path`; nothing in it is changed.

    Raises:
        StorageError: it cannot be read, is damaged, or is no journal.
    """
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?{_how(path)}", uri=True, timeout=10)) as db:
            check_marks(db, path)
            return _look(db, path)
    except (sqlite3.Error, TypeError, ValueError) as error:
        raise StorageError(f"{path}: the journal cannot be read ({error}).") from error


def _how(path: Path) -> str:
    """How to open it: where nobody has it open and no kill left a write-ahead log, as a file that stays as it is.

    SQLite would otherwise put a log beside it, and could not on a disk that is for reading only.
    """
    return "mode=rw" if path.with_name(f"{path.name}-wal").exists() else "mode=ro&immutable=1"


def _look(db: sqlite3.Connection, path: Path) -> Glance:
    def count(query: str) -> int:
        number: int = db.execute(query).fetchone()[0]
        return number

    stop = db.execute("SELECT stopped_at_ms, code, reason FROM stops ORDER BY rowid DESC LIMIT 1").fetchone()
    answered = count(ANSWERED)
    return Glance(
        path=path,
        run=run_record(db.execute(RUN).fetchone()),
        lists=[ListSummary(*row) for row in db.execute(LISTS)],
        addresses=count("SELECT count(*) FROM addresses"),
        answered=answered,
        failed=count("SELECT count(*) FROM answers") - answered,
        stop=StopRecord(*stop) if stop else None,
    )

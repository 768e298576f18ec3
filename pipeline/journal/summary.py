"""A look into a journal: what its run is about and how far it got, also while another process is writing it."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pipeline.errors import StorageError
from pipeline.journal.database import connect_read_only, has_tables, reading
from pipeline.journal.records import ListSummary, RunRecord, StopRecord, select

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path


class JournalSummary(NamedTuple):
    """What a journal is about, and how far its run got.

    Attributes:
        path: the journal.
        run: its run.
        lists: its lists, in the order they were given.
        addresses: distinct addresses in them.
        answered: those with an answer other than `failed`.
        failed: those whose last answer was a failure; they are retried when the run is resumed.
        stop: why the run stopped last; None if it never stopped in an orderly way.
    """

    path: Path
    run: RunRecord
    lists: list[ListSummary]
    addresses: int
    answered: int
    failed: int
    stop: StopRecord | None

    @property
    def rows(self) -> int:
        """Rows of all lists together."""
        return sum(entry.rows for entry in self.lists)


def read_summary(path: Path) -> JournalSummary | None:
    """Read the summary of the journal at `path`, without changing it.

    None means that its lists were never completely imported: somebody is importing them right now, or was killed
    while doing so. The latter is certain for whoever holds the folder's lock, who may remove the journal.

    Raises:
        StorageError: it cannot be read, is damaged, or is something else.
    """
    with reading(path), closing(connect_read_only(path)) as db:
        return summarize(db, path) if has_tables(db, path) else None


def summarize(db: sqlite3.Connection, path: Path) -> JournalSummary | None:
    """The same over an open connection.

    Raises:
        ValueError: a record is damaged.
    """

    def count(query: str) -> int:
        number: int = db.execute(query).fetchone()[0]
        return number

    failed = count("SELECT count(*) FROM answers WHERE outcome = 'failed'")
    answered = count("SELECT count(*) FROM answers") - failed
    run = db.execute(select(RunRecord._fields, "run")).fetchone()
    if run is None:
        if answered or failed:
            raise StorageError(f"{path}: the journal is damaged (it holds answers, but no run).")
        return None
    stop = db.execute(select(StopRecord._fields, "stops ORDER BY rowid DESC LIMIT 1")).fetchone()
    lists = db.execute(select(ListSummary._fields, "lists ORDER BY id")).fetchall()
    return JournalSummary(
        path=path,
        run=msgspec.convert(run, RunRecord, strict=False),  # SQLite has integers for booleans
        lists=msgspec.convert(lists, list[ListSummary]),
        addresses=count("SELECT count(*) FROM addresses"),
        answered=answered,
        failed=failed,
        stop=stop and msgspec.convert(stop, StopRecord),
    )

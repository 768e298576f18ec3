"""The journal: the only truth about a run, with one durable record for each answered address.

An SQLite file holds the rows of the lists as they are, the distinct addresses in the order in which they first appear,
and for each answered address its outcome with the raw reply. Whatever is read from it is read page by page: memory does
not grow with the lists.
"""

from __future__ import annotations

import itertools
from collections import Counter
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Literal, Self

from pipeline.errors import StorageError
from pipeline.journal import database
from pipeline.journal.database import reading, storage, transaction
from pipeline.journal.records import ListRow, RunRecord, StopRecord, insert
from pipeline.journal.replay import STRIDE, JournalAnswers, JournalSummary, summarize
from pipeline.journal.rows import JournalRows
from pipeline.journal.selection import open_addresses
from pipeline.journal.writer import AnswerWriter
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.outcomes import Address, Answer

_PAGE = 2_000
_CREATE_BATCH = f"CREATE TEMP TABLE batch (id INTEGER PRIMARY KEY, {', '.join(ListRow._fields)})"
_INSERT_BATCH = f"INSERT INTO batch VALUES (?{', ?' * len(ListRow._fields)})"  # noqa: S608 - only question marks
# `:list` is the number of the list, and `:before` that of the last row of the lists before it.
_IMPORT_BATCH = (
    # An address that is known already, from this batch or an earlier one, is skipped: the first spelling counts.
    """INSERT INTO addresses (key, email, first_row) SELECT key, email, id FROM batch
    WHERE email IS NOT NULL ORDER BY id ON CONFLICT (key) DO NOTHING""",
    """INSERT INTO rows (id, list, row, given, address, code, message, line)
    SELECT batch.id, :list, batch.id - :before, given, addresses.id, code, message, line FROM batch
    LEFT JOIN addresses ON batch.email IS NOT NULL AND addresses.key = batch.key ORDER BY batch.id""",
    "DELETE FROM batch",
)


class Journal:
    """An open journal; a context manager that writes what was appended before it closes.

    `create` and `open` make one. Every method may raise StorageError: the disk is full, or the file cannot be read or
    written, or is damaged.

    Attributes:
        path: the file.
        stop_code: the code with which an earlier attempt at the run stopped; None if there was none or it was killed.
        record_calls: stores how many calls the run has made; they are on the disk when it returns.
    """

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self.path = path
        self._db = db
        self._writer = AnswerWriter(path)
        self._closed = False
        self.stop_code: str | None = None
        self.record_calls = self._writer.record_calls

    @classmethod
    def create(cls, path: Path) -> Self:
        """Create a journal, which becomes that of an unfinished run with `start`.

        Raises:
            StorageError: there is a file already, or none can be written there.
        """
        with storage(path):
            return cls(path, database.create(path))

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the journal of an unfinished run.

        Raises:
            StorageError: there is none, or it is incomplete or damaged.
        """
        with storage(path):
            return cls(path, database.open_checked(path))

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Close the journal; an exception that is already on its way takes precedence over one from closing."""
        with suppress(StorageError) if kind else nullcontext():
            self.close()

    def close(self) -> None:
        """Write what is still waiting, then close the file; closing it again does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._writer.close()
        finally:
            self._db.close()

    # The run and its lists.

    def add_list(
        self, name: str, rows: Iterable[ListRow], sha256: Callable[[], str], unit: Literal["line", "row"] = "row"
    ) -> None:
        """Import all rows of one list, or none if reading them fails; `sha256` is called after the last row.

        `unit` is what `ListRow.line` counts.
        """
        with storage(self.path), transaction(self._db):
            inserting = "INSERT INTO lists (name, rows, sha256, unit) VALUES (?, 0, '', ?)"
            added = self._db.execute(inserting, (name, unit)).lastrowid
            before: int = self._db.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()[0]
            last = before
            self._db.execute(_CREATE_BATCH)
            numbered = ((n, *row) for n, row in enumerate(rows, before + 1))
            while batch := list(itertools.islice(numbered, _PAGE)):
                self._db.executemany(_INSERT_BATCH, batch)
                for statement in _IMPORT_BATCH:
                    self._db.execute(statement, {"list": added, "before": before})
                last = batch[-1][0]
            self._db.execute("DROP TABLE batch")
            self._db.execute("UPDATE lists SET rows = ?, sha256 = ? WHERE id = ?", (last - before, sha256(), added))

    def start(self, run: RunRecord) -> None:
        """Make this the journal of an unfinished run, once all lists have been imported."""
        with storage(self.path):
            self._db.execute(insert("run", RunRecord._fields), run._asdict())
            # The log has grown with the lists; what follows is small.
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

    def resume(self, list_names: Sequence[str], *, command: str, folder: str, deadline_ms: int | None = None) -> None:
        """Forget why the run stopped, and call its lists by their present names, in order: files may have moved.

        `command` and `folder` are those that resume it now; from here on they are the run's: its options may be others.
        A deadline that the run has already is not moved by `deadline_ms`.
        """
        with storage(self.path), transaction(self._db):
            stop = self._db.execute("SELECT code FROM stops ORDER BY rowid DESC LIMIT 1").fetchone()
            self.stop_code = stop and stop[0]
            self._db.execute("DELETE FROM stops")
            changed = "command = ?, folder = ?, deadline_ms = coalesce(deadline_ms, ?)"
            self._db.execute(f"UPDATE run SET {changed}", (command, folder, deadline_ms))  # noqa: S608 - see above
            renamed = [(name, number) for number, name in enumerate(list_names, 1)]
            self._db.executemany("UPDATE lists SET name = ? WHERE id = ?", renamed)

    def stopped(self, code: str, reason: str) -> None:
        """Record why the run stops here."""
        with storage(self.path):
            self._db.execute(insert("stops", StopRecord._fields), StopRecord(now_ms(), code, reason)._asdict())

    def summary(self) -> JournalSummary:
        """What the run is about, and how far it got."""
        with reading(self.path):
            summary = summarize(self._db, self.path)
        if summary is None:
            raise StorageError(f"{self.path}: the journal has no run yet.")
        return summary

    # Answers, while the run goes.

    def pending(self) -> Iterator[Address]:
        """Addresses that the run has yet to ask for, or whose last answer was a failure, in the order in which it asks.

        Answers may be appended meanwhile.
        """
        return open_addresses(self._db, self.path)

    async def append(self, address: int, answer: Answer) -> None:
        """Accept the answer for the address with this number; it is on the disk within a quarter of a second.

        Blocks only while the disk is far behind.
        """
        await self._writer.append(address, answer)

    async def flush(self) -> None:
        """Return when every answer appended so far is on the disk."""
        await self._writer.flush()

    def count_rows(self) -> Counter[str]:
        """Rows by outcome so far; those whose address has no answer yet count as `pending`."""
        with storage(self.path):
            return Counter(dict(self._db.execute("SELECT outcome, count(*) FROM row_outcomes GROUP BY outcome")))

    # Reading back.

    def rows_read(self) -> int:
        """Rows of all lists together."""
        return self._count("SELECT coalesce(sum(rows), 0) FROM lists")

    def answers(self) -> JournalAnswers:
        """Every answer, in the order in which the addresses first appear."""
        count = self._count("SELECT count(*) FROM answers")
        if count == self._count("SELECT count(*) FROM addresses"):
            return JournalAnswers(self.path, count)
        with storage(self.path):
            numbers = self._db.execute("SELECT address FROM answers ORDER BY address")
            starts = tuple(number for (number,) in itertools.islice(numbers, 0, None, STRIDE))
        return JournalAnswers(self.path, count, starts)

    def rows(self) -> JournalRows:
        """Every row of the lists, in order, with its outcome."""
        return JournalRows(self.path, self._count("SELECT count(*) FROM rows"))

    def _count(self, query: str) -> int:
        with storage(self.path):
            number: int = self._db.execute(query).fetchone()[0]
            return number

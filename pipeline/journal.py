"""The journal: the only truth about a run, one durable record for each finished address.

An SQLite file holds the rows of the lists as they stood, the distinct addresses in the order of their first
appearance, and for each answered address its outcome with the raw reply. Answers are written in groups by a thread of
their own, so that the event loop never waits for the disk. Reading goes page by page; nothing grows with the list.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Self

from pipeline.errors import StorageError
from pipeline.outcomes import Address, Answer, Outcome, RowOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

COMMIT_INTERVAL_S = 0.1
"""Seconds that an answer waits for company before they are committed together."""
MAX_UNCOMMITTED = 2_000
"""Answers that may wait for the disk; beyond that the calls wait too."""

_PAGE = 2_000
_APPLICATION_ID = 0x6C656164
_VERSION = 1
_TABLES = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
BEGIN;
CREATE TABLE run (run_id TEXT NOT NULL, started_at_ms INTEGER NOT NULL, subject TEXT NOT NULL);
CREATE TABLE lists (id INTEGER PRIMARY KEY, name TEXT NOT NULL, rows INTEGER NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, list INTEGER NOT NULL, row INTEGER NOT NULL, given TEXT NOT NULL,
    address INTEGER, code TEXT, message TEXT
);
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, email TEXT NOT NULL, first_row INTEGER NOT NULL
);
CREATE TABLE answers (
    address INTEGER PRIMARY KEY, outcome TEXT NOT NULL, code TEXT, message TEXT, lead_id TEXT,
    attempts INTEGER NOT NULL, answered_at_ms INTEGER NOT NULL, body BLOB
);
COMMIT;
"""
_ROW_OUTCOMES = """
SELECT lists.name, rows.row, rows.given, addresses.email,
    CASE WHEN rows.address IS NULL THEN 'invalid' WHEN first.id <> rows.id THEN 'duplicate' ELSE outcome END AS outcome,
    CASE WHEN rows.address IS NULL THEN rows.code WHEN first.id = rows.id THEN answers.code END,
    CASE WHEN rows.address IS NULL THEN rows.message WHEN first.id = rows.id THEN answers.message
        ELSE 'the same address as row ' || first.row || ' of ' || first_list.name END,
    lead_id,
    CASE WHEN first.id = rows.id THEN attempts ELSE 0 END,
    CASE WHEN first.id = rows.id THEN answered_at_ms END
FROM rows JOIN lists ON lists.id = rows.list
LEFT JOIN addresses ON addresses.id = rows.address
LEFT JOIN rows AS first ON first.id = addresses.first_row
LEFT JOIN lists AS first_list ON first_list.id = first.list
LEFT JOIN answers ON answers.address = rows.address
ORDER BY rows.id
"""


@dataclass(frozen=True, slots=True)
class ListRow:
    """One row of a list: the text as it stood, and the address in it or why there is none."""

    given: str
    email: str | None = None
    key: str = ""
    code: str | None = None
    message: str | None = None


class RunRecord(NamedTuple):
    """The run of a journal; started in milliseconds since 1970 UTC."""

    run_id: str
    started_at_ms: int
    subject: str


class ListSummary(NamedTuple):
    """One list as the manifest names it; `sha256` is of its bytes."""

    name: str
    rows: int
    sha256: str


class Journal:
    """An open journal; a context manager that writes what was appended before it closes.

    Every method may raise StorageError: the disk is full, or the file cannot be read or written, or is no journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._uncommitted: list[tuple[int, Answer]] = []
        self._commit: asyncio.Task[None] | None = None
        self._closed = False
        with self._storage():
            new = not path.exists()
            if new:
                path.touch(mode=0o600)
            self._db = self._connect(_make_tables if new else self._check)
            self._answers_db = self._connect()
        self._writer = ThreadPoolExecutor(1, "journal")

    def __enter__(self) -> Self:
        """Return the journal itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write what is still waiting, then close the file; an error on its way already is the one that counts."""
        with suppress(StorageError) if kind else nullcontext():
            self.close()

    def close(self) -> None:
        """Write what is still waiting, then close the file; closing it again does nothing."""
        if self._closed:
            return
        self._closed = True
        try:
            self._writer.submit(self._write, self._take()).result()
        finally:
            self._writer.shutdown()
            self._answers_db.close()
            self._db.close()

    def remove(self) -> None:
        """Delete the closed journal."""
        self.remove_file(self.path)

    def rename(self, path: Path) -> None:
        """Give the closed journal another name; it is under that name after a power cut too."""
        with self._storage():
            self.path.rename(path)
            descriptor = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self.path = path

    @staticmethod
    def remove_file(path: Path) -> None:
        """Delete the journal at `path`, if there is one, with what SQLite keeps beside it."""
        try:
            for suffix in ("-wal", "-shm", ""):
                path.with_name(path.name + suffix).unlink(missing_ok=True)
        except OSError as error:
            raise StorageError(f"{path}: the journal cannot be removed ({error.strerror}).") from error

    def start(self, run_id: str, started_at_ms: int, subject: str) -> None:
        """Name the run that this journal belongs to, and whom it asks about what."""
        with self._storage():
            self._db.execute("INSERT INTO run VALUES (?, ?, ?)", (run_id, started_at_ms, subject))

    def run(self) -> RunRecord:
        """The run that this journal belongs to."""
        with self._storage():
            return RunRecord(*self._db.execute("SELECT run_id, started_at_ms, subject FROM run").fetchone())

    # Lists, rows and addresses.

    def add_list(self, name: str, rows: Iterable[ListRow]) -> int:
        """Take in all rows of one list, or none if reading them fails; return the list's number."""
        with self._storage(), self._transaction(self._db):
            number = self._insert("INSERT INTO lists(name, rows, sha256) VALUES (?, 0, '')", (name,))
            row_id = self._db.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()[0]
            for count, row in enumerate(rows, 1):
                address = None if row.email is None else self._address(row.key, row.email, row_id + count)
                self._insert(
                    "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (row_id + count, number, count, row.given, address, row.code, row.message),
                )
            return number

    def seal_list(self, number: int, *, rows: int, sha256: str) -> None:
        """Note what is only known once a list has been read to its end."""
        with self._storage():
            self._db.execute("UPDATE lists SET rows = ?, sha256 = ? WHERE id = ?", (rows, sha256, number))

    def lists(self) -> list[ListSummary]:
        """The lists in the order they were given."""
        with self._storage():
            rows = self._db.execute("SELECT name, rows, sha256 FROM lists ORDER BY id").fetchall()
        return [ListSummary(*row) for row in rows]

    def _address(self, key: str, email: str, row_id: int) -> int:
        found: tuple[int] | None = self._db.execute("SELECT id FROM addresses WHERE key = ?", (key,)).fetchone()
        if found:
            return found[0]
        return self._insert("INSERT INTO addresses(key, email, first_row) VALUES (?, ?, ?)", (key, email, row_id))

    def _insert(self, statement: str, values: tuple[object, ...]) -> int:
        return self._db.execute(statement, values).lastrowid or 0

    # What is to be asked, and the answers.

    def count_addresses(self) -> int:
        """How many distinct addresses there are."""
        return self._count("SELECT count(*) FROM addresses")

    def count_answered(self) -> int:
        """How many of them have an answer other than `failed`."""
        return self._count("SELECT count(*) FROM answers WHERE outcome <> 'failed'")

    def count_rows(self) -> Counter[str]:
        """Rows by outcome so far; those whose address has no answer yet count as `pending`."""
        return Counter(row.outcome or "pending" for row in self.row_outcomes())

    def pending(self) -> Iterator[Address]:
        """Addresses without an answer, or whose last one was a failure, in order; answers may be appended meanwhile."""
        last = 0
        while True:
            with self._storage():
                # Page by page: a cursor held open for hours would keep the write-ahead log from ever being folded in.
                page = self._db.execute(
                    "SELECT id, email FROM addresses LEFT JOIN answers ON address = id"
                    " WHERE id > ? AND (outcome IS NULL OR outcome = 'failed') ORDER BY id LIMIT ?",
                    (last, _PAGE),
                ).fetchall()
            if not page:
                return
            yield from (Address(*row) for row in page)
            last = page[-1][0]

    async def append(self, address: int, answer: Answer) -> None:
        """Take in an answer; it is on disk a moment later. Waits only if the disk is far behind."""
        self._uncommitted.append((address, answer))
        if self._commit is None or self._commit.done():
            if self._commit is not None:
                self._commit.result()
            self._commit = asyncio.create_task(self._commit_soon())
        if len(self._uncommitted) >= MAX_UNCOMMITTED:
            await asyncio.shield(self._commit)

    async def flush(self) -> None:
        """Return when every answer appended so far is on disk."""
        if self._commit is not None:
            await asyncio.shield(self._commit)

    async def _commit_soon(self) -> None:
        await asyncio.sleep(COMMIT_INTERVAL_S)
        while self._uncommitted:
            await asyncio.get_running_loop().run_in_executor(self._writer, self._write, self._take())

    def _take(self) -> list[tuple[int, Answer]]:
        batch, self._uncommitted = self._uncommitted, []
        return batch

    def _write(self, batch: list[tuple[int, Answer]]) -> None:
        rows = [
            (address, str(a.outcome), a.code, a.message, a.lead_id, a.attempts, a.answered_at_ms, a.body)
            for address, a in batch
        ]
        if rows:
            with self._storage(), self._transaction(self._answers_db):
                self._answers_db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    # Replay.

    def answers(self) -> Iterator[Answer]:
        """Every answer in the order of the addresses' first appearance."""
        with self._storage():
            for email, outcome, *rest in self._db.execute(
                "SELECT email, outcome, code, message, lead_id, attempts, answered_at_ms, body"
                " FROM answers JOIN addresses ON id = address ORDER BY address"
            ):
                yield Answer(email, Outcome(outcome), *rest)

    def row_outcomes(self) -> Iterator[RowOutcome]:
        """Every row of the lists, in order, with what it ended as; all addresses must have been answered."""
        with self._storage():
            yield from (RowOutcome(*row) for row in self._db.execute(_ROW_OUTCOMES))

    # Plumbing.

    def _connect(self, prepare: Callable[[sqlite3.Connection], None] | None = None) -> sqlite3.Connection:
        # A connection is used by one thread at a time: the answers' only by the writer, the other by the caller's.
        db = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=60)
        try:
            if prepare is not None:
                prepare(db)
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
        except BaseException:
            db.close()
            raise
        return db

    def _check(self, db: sqlite3.Connection) -> None:
        """See that it is ours and whole, before anything is written; a second or so for each gigabyte."""
        marks = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        if marks != [_APPLICATION_ID, _VERSION]:
            raise StorageError(f"{self.path}: this is no journal that this version of lead-export can read.")
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise StorageError(f"{self.path}: the journal is damaged ({problem}).")

    def _count(self, query: str) -> int:
        with self._storage():
            number: int = self._db.execute(query).fetchone()[0]
            return number

    @contextmanager
    def _transaction(self, db: sqlite3.Connection) -> Iterator[None]:
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:  # on a full disk SQLite has rolled back already
                db.execute("ROLLBACK")
            raise

    @contextmanager
    def _storage(self) -> Iterator[None]:
        """Say where it happened when storage fails."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StorageError(f"{self.path}: the journal cannot be read or written ({error}).") from error


def _make_tables(db: sqlite3.Connection) -> None:
    db.executescript(_TABLES)

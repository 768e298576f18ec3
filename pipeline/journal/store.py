"""The journal: the only truth about a run, one durable record for each finished address.

An SQLite file holds the rows of the lists as they stood, the distinct addresses in the order of their first
appearance, and for each answered address its outcome with the raw reply. Answers are written in groups, and a thread
waits for locks and for the disk, so that the event loop need not. Reading goes page by page; nothing grows with the
list.
"""

from __future__ import annotations

import itertools
import json
import os
from collections import Counter
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Self

from pipeline.errors import StorageError
from pipeline.journal.database import create, damage, open_checked, storage, transaction
from pipeline.journal.records import (
    ANSWERED,
    BATCH,
    LISTS,
    ROW_OUTCOMES,
    RUN,
    TAKE_IN,
    ListSummary,
    RunRecord,
    run_record,
)
from pipeline.journal.replay import JournalAnswers, JournalRows, packing_of, read_answers, read_rows
from pipeline.journal.writer import Writer
from pipeline.outcomes import Address, now_ms

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.journal.records import ListRow
    from pipeline.outcomes import Answer, RowOutcome

_PAGE = 2_000


class Journal:
    """An open journal; a context manager that writes what was appended before it closes.

    Every method may raise StorageError: the disk is full, or the file cannot be read or written, or is no journal.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._closed = False
        with storage(path):
            self._db = open_checked(path) if path.exists() else create(path)
            self._packing = packing_of(self._db)
            self._writer = Writer(path, self._packing)

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
            self._writer.close()
        finally:
            self._db.close()

    def remove(self) -> None:
        """Delete the closed journal."""
        self.remove_file(self.path)

    def rename(self, path: Path) -> None:
        """Give the closed journal another name; it is under that name after a power cut too."""
        with storage(self.path):
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

    def start(self, run: RunRecord) -> None:
        """Name the run that this journal belongs to."""
        with storage(self.path):
            self._db.execute("INSERT INTO run VALUES (?, ?, ?, ?, ?, ?)", run)

    def run(self) -> RunRecord:
        """The run that this journal belongs to."""
        with storage(self.path):
            return run_record(self._db.execute(RUN).fetchone())

    def resumed(self) -> None:
        """Forget why it stopped: if it ends without a word this time, that is not the reason."""
        with storage(self.path):
            self._db.execute("DELETE FROM stops")

    def stopped(self, code: str, reason: str) -> None:
        """Note why the run stops here, for whoever asks later."""
        with storage(self.path):
            self._db.execute("INSERT INTO stops VALUES (?, ?, ?)", (now_ms(), code, reason))

    # Lists, rows and addresses.

    def add_list(self, name: str, rows: Iterable[ListRow]) -> int:
        """Take in all rows of one list, or none if reading them fails; return the list's number."""
        with storage(self.path), transaction(self._db):
            number = self._db.execute("INSERT INTO lists(name, rows, sha256) VALUES (?, 0, '')", (name,)).lastrowid or 0
            last: int = self._db.execute("SELECT coalesce(max(id), 0) FROM rows").fetchone()[0]
            self._db.execute(BATCH)
            values = {"list": number, "before": last}
            numbered = ((n, *row) for n, row in enumerate(rows, last + 1))
            while batch := list(itertools.islice(numbered, _PAGE)):
                self._db.executemany("INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)", batch)
                for statement in TAKE_IN:
                    self._db.execute(statement, values)
            self._db.execute("DROP TABLE batch")
            return number

    def seal_list(self, number: int, *, rows: int, sha256: str) -> None:
        """Note what is only known once a list has been read to its end."""
        with storage(self.path):
            self._db.execute("UPDATE lists SET rows = ?, sha256 = ? WHERE id = ?", (rows, sha256, number))

    def lists(self) -> list[ListSummary]:
        """The lists in the order they were given."""
        with storage(self.path):
            return [ListSummary(*row) for row in self._db.execute(LISTS)]

    def rows_read(self) -> int:
        """Rows of all lists together."""
        return self._count("SELECT coalesce(sum(rows), 0) FROM lists")

    def rename_lists(self, names: Sequence[str]) -> None:
        """Call the lists by other names, in their order: their files were moved."""
        with storage(self.path), transaction(self._db):
            self._db.executemany("UPDATE lists SET name = ? WHERE id = ?", [(n, i) for i, n in enumerate(names, 1)])

    # What is to be asked, and the answers.

    def count_addresses(self) -> int:
        """How many distinct addresses there are."""
        return self._count("SELECT count(*) FROM addresses")

    def count_answered(self) -> int:
        """How many of them have an answer other than `failed`."""
        return self._count(ANSWERED)

    def count_rows(self) -> Counter[str]:
        """Rows by outcome so far; those whose address has no answer yet count as `pending`."""
        with storage(self.path):
            query = f"SELECT coalesce(outcome, 'pending'), count(*) FROM ({ROW_OUTCOMES}) GROUP BY 1"  # noqa: S608 - ours
            return Counter(dict(self._db.execute(query)))

    def pending(self) -> Iterator[Address]:
        """Addresses without an answer, or whose last one was a failure, in order; answers may be appended meanwhile."""
        last = 0
        while True:
            with storage(self.path):
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
        await self._writer.append(address, answer)

    async def flush(self) -> None:
        """Return when every answer appended so far is on disk."""
        await self._writer.flush()

    # Replay.

    def page_of_rows(self, after: int, count: int) -> list[tuple[int | None, str]]:
        """The number of the address, and what it ended as, of `count` rows after the first `after` ones.

        Rows of the same address have the same; a row without one is `invalid`.
        """
        with storage(self.path):
            return self._db.execute(
                "SELECT rows.address, coalesce(outcome, 'invalid') FROM rows"
                " LEFT JOIN answers ON answers.address = rows.address WHERE id > ? AND id <= ? ORDER BY id",
                (after, after + count),
            ).fetchall()

    def answers_to(self, addresses: Iterable[int]) -> Iterator[Answer]:
        """The answers to some addresses, in the order of their numbers."""
        with damage(self.path):
            numbers = json.dumps(list(addresses))
            yield from read_answers(self._db, self._packing, "WHERE id IN (SELECT value FROM json_each(?))", numbers)

    def answers(self) -> Iterator[Answer]:
        """Every answer in the order of the addresses' first appearance."""
        with damage(self.path):
            yield from read_answers(self._db, self._packing)

    def numbered_answers(self) -> JournalAnswers:
        """The same, by number, once every address has been answered; any process can read them."""
        return JournalAnswers(self.path, self.count_addresses())

    def row_outcomes(self) -> Iterator[RowOutcome]:
        """Every row of the lists, in order, with what it ended as; all addresses must have been answered."""
        with damage(self.path):
            yield from read_rows(self._db)

    def numbered_rows(self) -> JournalRows:
        """The same by number; any process can read them."""
        return JournalRows(self.path, self._count("SELECT count(*) FROM rows"))

    def _count(self, query: str) -> int:
        with storage(self.path):
            number: int = self._db.execute(query).fetchone()[0]
            return number

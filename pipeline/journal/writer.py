"""Answers onto the disk: in groups, each one transaction, whose beginning and end another thread waits for.

The beginning may take long, for a lock, and the end, for the disk. The rest is done where it comes up: a thread that
lets go of Python's lock for each of hundreds of answers would be changed to and from as often, which takes twice as
long as writing them.
"""

from __future__ import annotations

import asyncio
import functools
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.errors import StorageError
from pipeline.journal.database import connect, identity, storage, undone_on_error
from pipeline.journal.packing import checksum
from pipeline.journal.records import stored_fields
from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.journal.packing import Packing
    from pipeline.outcomes import Answer

COMMIT_INTERVAL_S = 0.15
"""Seconds that an answer waits for company before they are committed together."""
ENOUGH = 1_000
"""Answers that are committed without waiting for more."""
MAX_UNCOMMITTED = 2_000
"""Answers that may wait for the disk; beyond that the calls wait too."""


class Writer:
    """Writes answers to the journal at `path`; every method may raise StorageError.

    Attributes:
        uncommitted: addresses' numbers and answers that are in memory only.
    """

    def __init__(self, path: Path, packing: Packing) -> None:
        self.uncommitted: list[tuple[int, Answer]] = []
        self._path = path
        self._packing = packing
        self._new_dictionary: bytes | None = None
        self._file = identity(path)
        self._db = connect(path)
        self._commits: asyncio.Task[None] | None = None
        self._committed = asyncio.Event()
        self._oldest_at = 0.0
        self._now = asyncio.Event()  # is set when no more company is worth waiting for
        self._thread = ThreadPoolExecutor(1, "journal")

    async def append(self, address: int, answer: Answer) -> None:
        """Take in an answer; it is on disk a moment later. Waits only if the disk is far behind."""
        if self._commits is None or self._commits.done():
            if self._commits is not None:
                self._commits.result()
            self._commits = asyncio.create_task(self._commit_all())
        if not self.uncommitted:
            self._oldest_at = asyncio.get_running_loop().time()
        self.uncommitted.append((address, answer))
        if len(self.uncommitted) >= ENOUGH:
            self._now.set()
        while len(self.uncommitted) >= MAX_UNCOMMITTED and not self._commits.done():
            await self._committed.wait()

    async def flush(self) -> None:
        """Return when every answer appended so far is on disk."""
        self._now.set()
        if self._commits is not None:
            await asyncio.shield(self._commits)

    def close(self) -> None:
        """Write what is still waiting, also what could not be written before, and end."""
        try:
            self._thread.shutdown()
            if self.uncommitted:
                with storage(self._path), undone_on_error(self._db):
                    if self._db.in_transaction:  # which was given up halfway
                        self._db.execute("ROLLBACK")
                    self._begin()
                    self._insert(self._take())
                    self._end()
        finally:
            self._db.close()

    async def _commit_all(self) -> None:
        """Commit until nothing is waiting: as soon as the oldest answer has waited, or enough have come."""
        in_thread = functools.partial(asyncio.get_running_loop().run_in_executor, self._thread)
        try:
            while self.uncommitted:
                await self._company()
                await in_thread(self._begin)
                batch = self._take()
                try:
                    self._insert(batch)
                    await in_thread(self._end)
                except BaseException:
                    self.uncommitted[:0] = batch  # for one more try at the end
                    raise
                self._tell()
        finally:
            self._tell()

    async def _company(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._oldest_at + COMMIT_INTERVAL_S):
                await self._now.wait()
        self._now.clear()

    def _tell(self) -> None:
        """Let those go on who wait for room."""
        self._committed.set()
        self._committed.clear()

    def _take(self) -> list[tuple[int, Answer]]:
        batch, self.uncommitted = self.uncommitted, []
        return batch

    def _begin(self) -> None:
        """Begin a transaction, once nobody else writes."""
        with storage(self._path):
            self._db.execute("BEGIN IMMEDIATE")

    def _insert(self, batch: list[tuple[int, Answer]]) -> None:
        """Put these answers into the transaction."""
        answers, bodies, without = [], [], []
        for address, answer in batch:
            packed, stored = None, None
            if answer.body is None:
                without.append((address,))
            else:
                packed, stored = self._packing.pack(answer.body)
                bodies.append((address, packed, stored))
                if answer.outcome is Outcome.FOUND:
                    self._new_dictionary = self._packing.learn(answer.body) or self._new_dictionary
            fields = (address, *stored_fields(answer))
            answers.append((*fields, checksum((*fields, packed), stored)))
        with storage(self._path), undone_on_error(self._db):
            if self._new_dictionary is not None:
                self._db.execute("INSERT INTO dictionary VALUES (?)", (self._new_dictionary,))
            self._db.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", answers)
            self._db.executemany("DELETE FROM bodies WHERE address = ?", without)
            self._db.executemany("INSERT OR REPLACE INTO bodies VALUES (?, ?, ?)", bodies)

    def _end(self) -> None:
        """End the transaction; it is on disk when this returns."""
        with storage(self._path), undone_on_error(self._db):
            self._check_in_place()
            self._db.execute("COMMIT")
        self._new_dictionary = None

    def _check_in_place(self) -> None:
        """See that the file is still where it was: SQLite would go on writing into one that was deleted."""
        try:
            in_place = identity(self._path) == self._file
        except FileNotFoundError:
            in_place = False
        if not in_place:
            raise StorageError(f"{self._path}: the journal was removed while the run was writing it.")

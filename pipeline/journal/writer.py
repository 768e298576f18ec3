"""Answers onto the disk, in batches: each is one transaction, made and synced by a thread while calls go on."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

import zstandard

from pipeline.errors import StorageError
from pipeline.journal.database import connect, storage, transaction
from pipeline.journal.kept import without_kept
from pipeline.journal.records import ANSWER_COLUMNS, in_packs, insert, packed, stored

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.outcomes import Answer

COMMIT_INTERVAL_S = 0.15
"""Seconds that an answer waits for others to be committed together with it."""
BATCH_SIZE = 1_000
"""Answers that are committed without waiting for more."""
MAX_WAITING = 2_000
"""Answers that may wait for a commit; beyond that the calls wait too."""

_INSERT_ANSWER = insert("answers", ("address", *ANSWER_COLUMNS), verb="INSERT OR REPLACE")
_INSERT_PACK = "INSERT INTO packs (bodies) VALUES (?)"


class AnswerWriter:
    """Writes answers to the journal at `path`; every method may raise StorageError."""

    def __init__(self, path: Path) -> None:
        # Higher levels save little and take longer.
        self._compressor = zstandard.ZstdCompressor(level=1, write_checksum=True)
        self._path = path
        self._file = path.stat()
        self._db = connect(path)
        self._thread = ThreadPoolExecutor(1, "journal")
        self._waiting: list[tuple[int, Answer]] = []
        self._oldest_at = 0.0
        self._commits: asyncio.Task[None] | None = None
        self._committed = asyncio.Event()
        self._commit_now = asyncio.Event()

    async def append(self, address: int, answer: Answer) -> None:
        """Accept an answer; it is on the disk a moment later. Blocks only while the disk is far behind."""
        if self._commits is None or self._commits.done():
            if self._commits is not None:
                self._commits.result()
            self._commits = asyncio.create_task(self._commit_all())
        if not self._waiting:
            self._oldest_at = asyncio.get_running_loop().time()
        self._waiting.append((address, answer))
        if len(self._waiting) >= BATCH_SIZE:
            self._commit_now.set()
        while len(self._waiting) >= MAX_WAITING and not self._commits.done():
            await self._committed.wait()

    async def record_calls(self, calls: int) -> None:
        """Note how many calls the run has made; they are on the disk when this returns."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write_calls, calls)

    async def flush(self) -> None:
        """Return when every answer appended so far is on the disk."""
        self._commit_now.set()
        if self._commits is not None:
            await asyncio.shield(self._commits)

    def close(self) -> None:
        """Write what is still waiting, including what could not be written before, and close the connection."""
        try:
            self._thread.shutdown()
            self._commit(self._waiting)
        finally:
            self._db.close()

    async def _commit_all(self) -> None:
        """Commit batch after batch until nothing is waiting."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await self._wait_for_batch()
                batch, self._waiting = self._waiting, []
                try:
                    await loop.run_in_executor(self._thread, self._commit, batch)
                except BaseException:
                    # `close` tries once more. If this was a cancellation it may write a batch a second time, which
                    # changes nothing.
                    self._waiting[:0] = batch
                    raise
                self._wake_waiters()
        finally:
            self._wake_waiters()

    async def _wait_for_batch(self) -> None:
        """Wait until the oldest answer has waited long enough, or there is a batch, or somebody flushes."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._oldest_at + COMMIT_INTERVAL_S):
                await self._commit_now.wait()
        self._commit_now.clear()

    def _wake_waiters(self) -> None:
        """Let everyone check again whether they may append."""
        self._committed.set()
        self._committed.clear()

    def _commit(self, batch: list[tuple[int, Answer]]) -> None:
        """Write answers in one transaction, which is on the disk when this returns."""
        if not batch:
            return
        with storage(self._path), transaction(self._db):
            for part in in_packs(without_kept(self._db, batch)):
                pack = self._db.execute(_INSERT_PACK, (packed(part, self._compressor),)).lastrowid
                self._db.executemany(_INSERT_ANSWER, [stored(address, answer, pack) for address, answer in part])
            self._check_in_place()

    def _write_calls(self, calls: int) -> None:
        with storage(self._path):
            self._db.execute("INSERT OR REPLACE INTO spent (id, calls) VALUES (1, ?)", (calls,))

    def _check_in_place(self) -> None:
        """Check that the file is still where it was: SQLite would go on writing to one that was deleted."""
        try:
            in_place = os.path.samestat(self._path.stat(), self._file)
        except FileNotFoundError:
            in_place = False
        if not in_place:
            raise StorageError(f"{self._path}: the journal was removed while the run was writing it.")

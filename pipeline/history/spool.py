"""Answers on their way into a new journal: they come in the order of an older list, and leave in that of the new one.

Neither fits into memory, so they lie in a file meanwhile, in segments of some thousand addresses each. Together with
their replies they are packed by the dozen, which takes a fraction of the time that packing each of them would.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import msgspec
import zstandard

from pipeline.journal.database import storage
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEGMENT = 2_000
"""Consecutive addresses whose replies are in memory at once, some six megabytes."""
BUFFER_BYTES = 16 * 1024 * 1024
"""Bytes of replies that wait in memory until they are written."""
_Stored = tuple[int, str, str, str | None, str | None, str | None, int, bytes | None]
_decoder = msgspec.msgpack.Decoder(list[_Stored])


class Spool:
    """The file, open; `spool` makes one."""

    def __init__(self, db: sqlite3.Connection, segment: int, buffer_bytes: int) -> None:
        self._db = db
        self._segment, self._buffer_bytes = segment, buffer_bytes
        self._parts: defaultdict[int, list[_Stored]] = defaultdict(list)
        self._size = 0
        # Speed matters more than size for a file that is gone in a minute.
        self._compressor = zstandard.ZstdCompressor(level=-3, write_checksum=True)
        self._decompressor = zstandard.ZstdDecompressor()

    def add(self, address: int, email: str, answer: Answer) -> None:
        """Take an answer for the address with this number, which the new list spells like this."""
        stored = (
            address,
            email,
            answer.outcome.value,
            answer.code,
            answer.message,
            answer.lead_id,
            answer.answered_at_ms,
            answer.body,
        )
        self._parts[(address - 1) // self._segment].append(stored)
        self._size += 200 + len(answer.body or b"")
        if self._size >= self._buffer_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what is in memory."""
        rows = (
            (segment, self._compressor.compress(msgspec.msgpack.encode(part))) for segment, part in self._parts.items()
        )
        self._db.executemany("INSERT INTO parts (segment, answers) VALUES (?, ?)", rows)
        self._parts.clear()
        self._size = 0

    def segments(self) -> Iterator[dict[int, Answer]]:
        """The newest answer of each address by its number, a segment at a time; in the order of the numbers."""
        self.flush()
        self._db.execute("CREATE INDEX by_segment ON parts (segment)")
        numbers = [number for (number,) in self._db.execute("SELECT DISTINCT segment FROM parts ORDER BY segment")]
        for number in numbers:
            newest: dict[int, Answer] = {}
            for (part,) in self._db.execute("SELECT answers FROM parts WHERE segment = ? ORDER BY id", (number,)):
                for address, email, outcome, code, message, lead_id, answered_at_ms, body in _decoder.decode(
                    self._decompressor.decompress(part)
                ):
                    known = newest.get(address)
                    if known is None or known.answered_at_ms <= answered_at_ms:
                        # This run has not asked for it.
                        fields = (Outcome(outcome), code, message, lead_id, 0, answered_at_ms, body)
                        newest[address] = Answer(email, *fields)
            yield dict(sorted(newest.items()))


@contextmanager
def spool(path: Path, segment: int = SEGMENT, buffer_bytes: int = BUFFER_BYTES) -> Iterator[Spool]:
    """A spool in a file at `path`, for its owner only, that is gone after the block.

    `segment` addresses are in memory at once when answers leave, and `buffer_bytes` of replies while they come.

    Raises:
        StorageError: it cannot be written.
    """
    with storage(path):
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        try:
            with closing(sqlite3.connect(path, isolation_level=None)) as db:
                # Whoever is killed begins again, so nothing has to be safe.
                db.execute("PRAGMA journal_mode = OFF").fetchone()
                db.execute("PRAGMA synchronous = OFF")
                db.execute("CREATE TABLE parts (id INTEGER PRIMARY KEY, segment INTEGER NOT NULL, answers BLOB)")
                db.execute("BEGIN")
                yield Spool(db, segment, buffer_bytes)
        finally:
            path.unlink(missing_ok=True)

"""The mark of a run whose file is written, though rows failed; it stays, whatever becomes of later attempts."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from pipeline.journal.database import connect, storage
from pipeline.journal.records import WrittenRecord, insert

if TYPE_CHECKING:
    from pathlib import Path

_MARK = (
    f"{insert('written', ('id', *WrittenRecord._fields))}"
    " ON CONFLICT (id) DO UPDATE SET last_at_ms = excluded.last_at_ms, failed = excluded.failed"
)


def mark_written(path: Path, at_ms: int, failed: int) -> None:
    """Record in the journal at `path` that its file is written, and that this many rows failed.

    The time of the first writing, in milliseconds since 1970 UTC, stays.

    Raises:
        StorageError: the journal cannot be written.
    """
    with storage(path), closing(connect(path)) as db:
        db.execute(_MARK, {"id": 1, **WrittenRecord(at_ms, at_ms, failed)._asdict()})

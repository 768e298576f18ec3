"""Which unfinished runs a journal has taken over: they are removed once its run is published."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pipeline.journal.database import connect, connect_read_only, reading, storage, transaction
from pipeline.journal.records import insert, select

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class AdoptedRun(NamedTuple):
    """An unfinished run: its name, and when it started in milliseconds since 1970 UTC."""

    run_id: str
    started_at_ms: int


def adopt(path: Path, runs: Iterable[AdoptedRun]) -> None:
    """Record in the journal at `path` that it has taken over these runs.

    Raises:
        StorageError: the journal cannot be written.
    """
    with storage(path), closing(connect(path)) as db, transaction(db):
        db.executemany(insert("adopted", AdoptedRun._fields), [run._asdict() for run in runs])


def adopted_by(path: Path) -> set[AdoptedRun]:
    """The runs that the journal at `path` has taken over.

    Raises:
        StorageError: the journal cannot be read.
    """
    with reading(path), closing(connect_read_only(path)) as db:
        return {AdoptedRun(*row) for row in db.execute(select(AdoptedRun._fields, "adopted"))}

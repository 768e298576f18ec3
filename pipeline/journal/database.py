"""The SQLite file under a journal: connections, transactions, and errors that say where it happened and what to do."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import StorageError, storage_advice
from pipeline.journal.records import TABLES, VERSION, check_marks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def create(path: Path) -> sqlite3.Connection:
    """Make a new journal at `path`, for its owner only."""
    path.touch(mode=0o600)
    with closing(sqlite3.connect(path)) as db:
        db.executescript(TABLES)
    return connect(path)


def open_checked(path: Path) -> sqlite3.Connection:
    """Open a journal once it is known to be ours and whole; half a second for each gigabyte.

    It is one of this version from now on, so that an earlier lead-export refuses it, and not only what is new in it.

    Raises:
        StorageError: it is something else, or damaged; not a byte was changed.
    """
    with closing(sqlite3.connect(path)) as db:
        check_marks(db, path)
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            words = " ".join(problem.removeprefix("*** in database main ***").split())
            raise StorageError(f"{path}: the journal is damaged ({words}).")
        if db.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            db.execute(f"PRAGMA user_version = {VERSION}")
    return connect(path)


def connect(path: Path) -> sqlite3.Connection:
    """One more connection to a journal; each is to be used by one thread at a time."""
    db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=60)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All that the block does, or none of it."""
    with undone_on_error(db):
        db.execute("BEGIN IMMEDIATE")
        yield
        db.execute("COMMIT")


@contextmanager
def undone_on_error(db: sqlite3.Connection) -> Iterator[None]:
    """Roll the transaction back, if one is open, when the block fails."""
    try:
        yield
    except BaseException:
        if db.in_transaction:  # on a full disk SQLite has rolled back already
            db.execute("ROLLBACK")
        raise


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Say where it happened when storage fails.

    Raises:
        StorageError: an error of SQLite or of the operating system in the block.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        text = f"{path}: the journal cannot be read or written ({error}){_advice(error)}."
        raise StorageError(text) from error


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """The same while answers are read back: what does not read as an answer is damage."""
    try:
        with storage(path):
            yield
    except ValueError as error:
        raise StorageError(f"{path}: the journal is damaged ({error}).") from error


def identity(path: Path) -> tuple[int, int]:
    """Which file it is, whatever it is called.

    Raises:
        OSError: it is gone.
    """
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def _advice(error: sqlite3.Error | OSError) -> str:
    """What to do; SQLite has words of its own for a full disk and for one that cannot be written."""
    if isinstance(error, OSError):
        return storage_advice(error.errno)
    kind = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_").partition("_")[0]
    return storage_advice({"FULL": errno.ENOSPC, "READONLY": errno.EROFS}.get(kind))

"""The SQLite file under a journal: its tables, connections, transactions, and errors that say what to do."""

from __future__ import annotations

import errno
import resource
import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.errors import StorageError, storage_advice
from pipeline.filesystem import USE_LOCAL_DISK, sync
from pipeline.journal.records import ANSWER_COLUMNS, RunRecord, StopRecord, WrittenRecord
from pipeline.outcomes import FORGOTTEN, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_APPLICATION_ID = 0x6C656164
_VERSION = 5
_LOCK_TIMEOUT_S = 60
_SQLITE_HEADER = b"SQLite format 3\0"
IS_FORGOTTEN = f"(outcome IN {tuple(map(str, FORGOTTEN))})"
"""Whether nothing but the place of an answer is kept, in SQL."""
_FORGOTTEN = f"coalesce(answers.outcome IN {tuple(map(str, FORGOTTEN))}, FALSE)"
# Columns without a type keep every value as it is; its type is checked when the record is read back. Rows and
# addresses are numbered from 1 without gaps.
_TABLES = f"""
BEGIN;
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
CREATE TABLE run ({", ".join(RunRecord._fields)});
CREATE TABLE stops ({", ".join(StopRecord._fields)});
CREATE TABLE written (id INTEGER PRIMARY KEY, {", ".join(WrittenRecord._fields)});
CREATE TABLE lists (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL, rows INTEGER NOT NULL, sha256 TEXT NOT NULL, unit TEXT NOT NULL
);
CREATE TABLE rows (
    id INTEGER PRIMARY KEY, list INTEGER NOT NULL, row INTEGER NOT NULL, given TEXT NOT NULL,
    address INTEGER, code TEXT, message TEXT, line INTEGER
);
CREATE TABLE addresses (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, email TEXT NOT NULL, first_row INTEGER NOT NULL
);
CREATE TABLE answers (address INTEGER PRIMARY KEY, {", ".join(ANSWER_COLUMNS)});
CREATE TABLE packs (id INTEGER PRIMARY KEY, bodies);
CREATE TABLE spent (id INTEGER PRIMARY KEY, calls INTEGER NOT NULL);
CREATE TABLE due (id INTEGER PRIMARY KEY, address INTEGER NOT NULL);
CREATE TABLE adopted (run_id TEXT NOT NULL, started_at_ms INTEGER NOT NULL);
CREATE VIEW row_outcomes AS
SELECT rows.id AS id, lists.name AS input, rows.row AS row,
    CASE WHEN {_FORGOTTEN} THEN NULL ELSE rows.given END AS given,
    CASE WHEN {_FORGOTTEN} THEN NULL ELSE addresses.email END AS email,
    CASE WHEN rows.address IS NULL THEN 'invalid' WHEN {_FORGOTTEN} THEN answers.outcome
        WHEN first.id <> rows.id THEN 'duplicate'
        ELSE coalesce(answers.outcome, '{Outcome.PENDING}') END AS outcome,
    CASE WHEN rows.address IS NULL THEN rows.code WHEN first.id = rows.id THEN answers.code END AS code,
    CASE WHEN rows.address IS NULL THEN rows.message
        WHEN first.id = rows.id OR {_FORGOTTEN} THEN answers.message
        ELSE 'the same address as ' || first_list.unit || ' ' || coalesce(first.line, first.row) || ' of '
        || first_list.name END AS message,
    answers.lead_id AS lead_id,
    CASE WHEN first.id = rows.id THEN coalesce(answers.attempts, 0) ELSE 0 END AS attempts,
    CASE WHEN first.id = rows.id AND NOT {_FORGOTTEN} THEN answers.answered_at END AS answered_at
FROM rows JOIN lists ON lists.id = rows.list
LEFT JOIN addresses ON addresses.id = rows.address
LEFT JOIN rows AS first ON first.id = addresses.first_row
LEFT JOIN lists AS first_list ON first_list.id = first.list
LEFT JOIN answers ON answers.address = rows.address;
COMMIT;
"""  # noqa: S608 - names in the code, never values
_SIDE_FILES = ("-wal", "-shm", "-journal")
_LOCK_ERRORS = tuple(f"SQLITE_{name}" for name in ("BUSY", "PROTOCOL", "PERM", "NOLFS", "IOERR_LOCK", "IOERR_RDLOCK"))


def create(path: Path, owner: Path | None = None) -> sqlite3.Connection:
    """Create an empty journal for its owner only; the file is still there after a power cut.

    It has a write-ahead log, so that processes can read while one writes. On a disk where SQLite cannot map the memory
    that this takes (some network shares, FUSE), it has a rollback journal: as durable, somewhat slower, and readers and
    writers wait for each other. Its locks cannot be done without: the journal is read by several processes while it
    is written, and SQLite without locks (`nolock`) would then return or leave a damaged one.

    Every step leaves something that `has_tables` recognizes as a journal whose creation was interrupted.

    Args:
        path: of the new file.
        owner: what the user named on the command line, for messages; None: the folder of the journal.

    Raises:
        StorageError: this file system refuses SQLite's locks.
    """
    path.touch(mode=0o600, exist_ok=False)
    try:
        try:
            return _create(path, "WAL")
        except sqlite3.OperationalError:
            remove_journal(path)
            path.touch(mode=0o600)
            return _create(path, "TRUNCATE")
    except BaseException as error:
        remove_journal(path)
        if _is_about_locks(error):
            raise StorageError(
                f"{owner or path.parent}: this file system refuses the locks that SQLite needs for the journal"
                f" ({error}); {USE_LOCAL_DISK}."
            ) from error
        raise


def _create(path: Path, mode: str) -> sqlite3.Connection:
    db = connect(path, lock_timeout_s=0)  # nobody else has it open yet
    try:
        db.execute(f"PRAGMA journal_mode = {mode}").fetchone()
        db.executescript(_TABLES)
        db.execute(f"PRAGMA busy_timeout = {_LOCK_TIMEOUT_S * 1_000}").fetchone()
        sync(path.parent)
    except BaseException:
        db.close()
        raise
    return db


def probe(folder: Path, owner: Path) -> bool:
    """Create a journal in a folder and remove it again; False if it can have no write-ahead log there.

    Messages name `owner`.

    Raises:
        StorageError: there can be no journal.
    """
    path = folder / "probe.journal"
    with storage(path), closing(create(path, owner)) as db, transaction(db), closing(connect(path)) as other:
        mode: str = other.execute("PRAGMA journal_mode").fetchone()[0]
    remove_journal(path)
    return mode == "wal"


def open_checked(path: Path) -> sqlite3.Connection:
    """Open a journal after checking that it is one and is intact; takes half a second per gigabyte.

    Raises:
        StorageError: it is something else, was never completed, or is damaged; it was not changed.
    """
    with closing(sqlite3.connect(_uri(path, "mode=rw"), uri=True)) as db:
        if not has_tables(db, path) or db.execute("SELECT count(*) FROM run").fetchone()[0] != 1:
            raise StorageError(f"{path}: the journal is incomplete: its lists were never completely imported.")
        problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            words = " ".join(problem.removeprefix("*** in database main ***").split())
            raise StorageError(f"{path}: the journal is damaged ({words}).")
    return connect(path)


def connect(path: Path, *, lock_timeout_s: float = _LOCK_TIMEOUT_S) -> sqlite3.Connection:
    """Open one more connection to an existing journal; each is to be used by one thread at a time."""
    db = sqlite3.connect(
        _uri(path, "mode=rw"), uri=True, check_same_thread=False, isolation_level=None, timeout=lock_timeout_s
    )
    try:
        if db.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
            # Not `delete`, SQLite's default: a file that stays tells `connect_read_only` that somebody is writing.
            db.execute("PRAGMA journal_mode = TRUNCATE").fetchone()
        db.execute("PRAGMA synchronous = FULL")
    except BaseException:
        db.close()
        raise
    return db


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Open a connection for a look from outside, which leaves no file behind.

    Where no process has the journal open and no kill left a log, the file is opened as one that never changes: SQLite
    would otherwise create a log next to it, and could not on a read-only disk.
    """
    in_use = any(path.with_name(path.name + suffix).exists() for suffix in _SIDE_FILES)
    return sqlite3.connect(_uri(path, "mode=rw" if in_use else "mode=ro&immutable=1"), uri=True, timeout=10)


def has_tables(db: sqlite3.Connection, path: Path) -> bool:
    """Whether this is a journal with its tables; False if its creation was interrupted.

    Raises:
        StorageError: it is something else, or a journal of another version.
    """
    application_id, version, tables = (
        db.execute(query).fetchone()[0]
        for query in ("PRAGMA application_id", "PRAGMA user_version", "SELECT count(*) FROM sqlite_master")
    )
    if application_id == _APPLICATION_ID and version == _VERSION:
        return True
    with path.open("rb") as file:
        looks_new = file.read(len(_SQLITE_HEADER)) in (b"", _SQLITE_HEADER)
    if application_id or version or tables or not looks_new:
        raise StorageError(f"{path}: not a journal that this version of lead-export can read.")
    return False


def remove_journal(path: Path) -> None:
    """Delete the journal at `path`, which nobody has open, with SQLite's files next to it; there may be none.

    Raises:
        StorageError: it cannot be deleted.
    """
    try:
        for suffix in (*_SIDE_FILES, ""):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path}: the journal cannot be removed ({error.strerror}).") from error


def rows_of(db: sqlite3.Connection, query: str, *values: object) -> Iterator[dict[str, Any]]:
    """The rows of a query, each by column."""
    cursor = db.execute(query, values)
    names = [column[0] for column in cursor.description]
    for row in cursor:
        yield dict(zip(names, row, strict=True))


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block does, or nothing of it if it fails."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # on a full disk SQLite has rolled back already
            db.execute("ROLLBACK")
        raise


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the operating system into one sentence with the path.

    Raises:
        StorageError: such an error occurred in the block.
    """
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        text = f"{path}: the journal cannot be read or written ({error}){_advice(error)}."
        raise StorageError(text) from error


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """The same where records are read back: one that is not what was stored is damage.

    Raises:
        StorageError: the journal cannot be read, or is damaged.
    """
    try:
        with storage(path):
            yield
    except ValueError as error:
        raise StorageError(f"{path}: the journal is damaged ({error}).") from error


def _uri(path: Path, parameters: str) -> str:
    """The path as SQLite takes it with parameters; without `mode` it would create a file that is missing."""
    return f"{path.absolute().as_uri()}?{parameters}"


def _is_about_locks(error: BaseException) -> bool:
    """Whether this is what SQLite says where the operating system refuses it a lock on a file that nobody else has."""
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(_LOCK_ERRORS)


def _advice(error: sqlite3.Error | OSError) -> str:
    """What to do about it; SQLite has its own error codes for a full and for a read-only disk."""
    if isinstance(error, OSError):
        return storage_advice(error.errno)
    if _is_about_locks(error):
        return f"; another program has it open, or this file system refuses SQLite's locks: {USE_LOCAL_DISK}"
    kind = getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_").partition("_")[0]
    # SQLite does not tell a file that may not grow from a disk that fails; the limit is hardly ever set otherwise.
    limited = resource.getrlimit(resource.RLIMIT_FSIZE)[0] != resource.RLIM_INFINITY
    numbers = {"FULL": errno.ENOSPC, "READONLY": errno.EROFS, "IOERR": errno.EFBIG if limited else errno.EIO}
    return storage_advice(numbers.get(kind))

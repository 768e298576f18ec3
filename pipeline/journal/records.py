"""What stands in a journal beside the answers, and the tables it stands in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.errors import StorageError

if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path

    from pipeline.outcomes import Answer

_APPLICATION_ID = 0x6C656164
VERSION = 4
_READABLE = (2, 3, 4)  # 2 had dictionaries of another kind, and both earlier ones checksums, which are recognised
# Bodies stand apart: whoever counts answers, or looks for the open ones, then need not walk over gigabytes of replies.
TABLES = f"""
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {VERSION};
BEGIN;
CREATE TABLE run (
    run_id TEXT NOT NULL, started_at_ms INTEGER NOT NULL, subject TEXT NOT NULL, command TEXT NOT NULL,
    folder TEXT NOT NULL, replaces INTEGER NOT NULL
);
CREATE TABLE stops (stopped_at_ms INTEGER NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL);
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
    attempts INTEGER NOT NULL, answered_at_ms INTEGER NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE bodies (address INTEGER PRIMARY KEY, packed INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE dictionary (content BLOB NOT NULL);
COMMIT;
"""
BATCH = "CREATE TEMP TABLE batch (id INTEGER PRIMARY KEY, given, email, key, code, message)"
# `:list` is the number of the list, and `:before` that of the last row of the lists before it.
TAKE_IN = (
    # An address that is known already, from this batch or an earlier one, is passed over: the first spelling counts.
    """INSERT INTO addresses(key, email, first_row) SELECT key, email, id FROM batch
    WHERE email IS NOT NULL ORDER BY id ON CONFLICT (key) DO NOTHING""",
    """INSERT INTO rows SELECT batch.id, :list, batch.id - :before, given, addresses.id, code, message FROM batch
    LEFT JOIN addresses ON batch.email IS NOT NULL AND addresses.key = batch.key ORDER BY batch.id""",
    "DELETE FROM batch",
)
ROW_OUTCOMES = """
SELECT lists.name AS input, rows.row, rows.given, addresses.email,
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
"""
ANSWERED = "SELECT count(*) FROM answers WHERE outcome <> 'failed'"
LISTS = "SELECT name, rows, sha256 FROM lists ORDER BY id"
RUN = "SELECT run_id, started_at_ms, subject, command, folder, replaces FROM run"


class ListRow(NamedTuple):
    """One row of a list: the text as it stood, and the address in it or why there is none."""

    given: str
    email: str | None = None
    key: str = ""
    code: str | None = None
    message: str | None = None


class RunRecord(NamedTuple):
    """The run of a journal.

    Attributes:
        run_id: its name.
        started_at_ms: when it began, milliseconds since 1970 UTC.
        subject: what of the settings decides whom it asks about what.
        command: the words that began it and that go on with it; "" if it was begun from Python.
        folder: where that command was given.
        replaces: whether other unfinished runs are to be forgotten once this one is published.
    """

    run_id: str
    started_at_ms: int
    subject: str
    command: str = ""
    folder: str = ""
    replaces: bool = False


def run_record(row: tuple[Any, ...]) -> RunRecord:
    """The run as `RUN` selects it."""
    run = RunRecord(*row)
    return run._replace(replaces=bool(run.replaces))


class StopRecord(NamedTuple):
    """Why a run stopped, and when in milliseconds since 1970 UTC; a killed one could not say."""

    stopped_at_ms: int
    code: str
    reason: str


class ListSummary(NamedTuple):
    """One list as the manifest names it; `sha256` is of its bytes."""

    name: str
    rows: int
    sha256: str


def check_marks(db: sqlite3.Connection, path: Path) -> None:
    """See that a file is a journal of ours.

    Raises:
        StorageError: it is something else, or of another version.
    """
    marks = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
    if marks[0] != _APPLICATION_ID or marks[1] not in _READABLE:
        raise StorageError(f"{path}: this is no journal that this version of lead-export can read.")


def stored_fields(answer: Answer) -> tuple[str, str | None, str | None, str | None, int, int]:
    """What stands in `answers` about an answer, in the order of the columns."""
    a = answer
    return a.outcome.value, a.code, a.message, a.lead_id, a.attempts, a.answered_at_ms

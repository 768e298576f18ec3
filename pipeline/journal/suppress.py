"""Addresses that are not to be asked for leave a journal: their spelling, their cells, and any answer there was."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from pipeline.journal.database import connect, reading, transaction
from pipeline.journal.records import ANSWER_COLUMNS, insert, repacked, stored
from pipeline.journal.replay import JournalAnswers
from pipeline.journal.selection import leave_out
from pipeline.outcomes import KEPT, Answer, Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator
    from pathlib import Path

_PAGE = 2_000
_OF_THEM = "IN (SELECT value FROM json_each(?))"


def suppress(path: Path, is_suppressed: Callable[[str], bool]) -> int:
    """Let the addresses for which `is_suppressed` is true end as `suppressed`; return how many there are.

    Their number stays, so that rows and addresses are still numbered without gaps. The journal must not be written
    meanwhile. What is overwritten is gone from the file and its log when this returns.

    Raises:
        StorageError: the journal cannot be read or written, or is damaged.
    """
    with reading(path), closing(connect(path)) as db:
        return _suppress(db, [number for number, email in _addresses(db) if is_suppressed(email)])


def suppress_answers(path: Path, code: str, is_suppressed: Callable[[Answer], bool]) -> int:
    """The same for addresses whose answer has this code, or one that hides it, by the answer; return how many.

    Raises:
        StorageError: as from `suppress`.
    """
    with reading(path), closing(connect(path)) as db:
        query = f"SELECT address FROM answers WHERE code = ? OR code LIKE '{KEPT}%' ORDER BY address"  # noqa: S608 - a constant
        rows = db.execute(query, (code,)).fetchall()
        numbers = [number for (number,) in rows]
        answers = zip(numbers, JournalAnswers(path, len(numbers)).of_addresses(numbers), strict=True)
        return _suppress(db, [number for number, answer in answers if is_suppressed(answer)])


def _suppress(db: sqlite3.Connection, found: list[int]) -> int:
    if found:
        db.execute("PRAGMA secure_delete = ON").fetchone()
        with transaction(db):
            _overwrite(db, found)
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return len(found)


def _addresses(db: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """The addresses that are not suppressed yet, in order."""
    last = 0
    query = "SELECT id, email FROM addresses WHERE id > ? AND email <> '' ORDER BY id LIMIT ?"
    while page := db.execute(query, (last, _PAGE)).fetchall():
        yield from page
        last = page[-1][0]


def _overwrite(db: sqlite3.Connection, found: list[int]) -> None:
    numbers = json.dumps(found)
    packs = f"SELECT id, bodies FROM packs WHERE id IN (SELECT pack FROM answers WHERE address {_OF_THEM})"  # noqa: S608 - a constant
    for number, bodies in db.execute(packs, (numbers,)).fetchall():
        db.execute("UPDATE packs SET bodies = ? WHERE id = ?", (repacked(bodies, {*found}), number))
    db.execute(f"UPDATE rows SET given = '' WHERE address {_OF_THEM}", (numbers,))  # noqa: S608 - a constant
    # An address is never written as a key is: it has an at sign.
    db.execute(f"UPDATE addresses SET email = '', key = 'suppressed ' || id WHERE id {_OF_THEM}", (numbers,))  # noqa: S608 - a constant
    leave_out(db, found)
    answer = Answer("", Outcome.SUPPRESSED, attempts=0)
    adding = insert("answers", ("address", *ANSWER_COLUMNS), verb="INSERT OR REPLACE")
    db.executemany(adding, [stored(number, answer, None) for number in found])

"""Answers read back from a journal, also by a process other than the one that wrote them."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.journal.database import connect, damage
from pipeline.journal.packing import Packing, is_intact
from pipeline.journal.records import ROW_OUTCOMES
from pipeline.outcomes import Answer, RowOutcome, outcome_called

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

_SELECT = (
    "SELECT id, email, outcome, code, message, lead_id, attempts, answered_at_ms, checksum, packed, body"
    " FROM addresses JOIN answers ON answers.address = id LEFT JOIN bodies ON bodies.address = id"
)


@dataclass(frozen=True, slots=True)
class JournalAnswers:
    """The answers of a journal in which every address has one, numbered from 0 in the order of first appearance.

    Attributes:
        path: the journal.
        count: how many there are.
    """

    path: Path
    count: int

    def slice(self, first: int, last: int) -> Iterator[Answer]:
        """Those from number `first` to the one before `last`.

        Raises:
            StorageError: the journal cannot be read, or is damaged.
        """
        with damage(self.path), closing(connect(self.path)) as db:
            # Addresses are numbered without a gap, from 1.
            yield from read_answers(db, packing_of(db), "WHERE id > ? AND id <= ?", first, last)


@dataclass(frozen=True, slots=True)
class JournalRows:
    """The rows of all lists in a journal, numbered from 0 in the order they were read, with what they ended as.

    Attributes:
        path: the journal.
        count: how many there are.
    """

    path: Path
    count: int

    def slice(self, first: int, last: int) -> Iterator[RowOutcome]:
        """Those from number `first` to the one before `last`; their addresses must have been answered.

        Raises:
            StorageError: the journal cannot be read.
        """
        with damage(self.path), closing(connect(self.path)) as db:
            yield from read_rows(db, "WHERE rows.id > ? AND rows.id <= ?", first, last)


def packing_of(db: sqlite3.Connection) -> Packing:
    """How the bodies of a journal are packed."""
    dictionary = db.execute("SELECT content FROM dictionary").fetchone()
    return Packing(dictionary[0] if dictionary else None)


def read_rows(db: sqlite3.Connection, where: str = "", *values: object) -> Iterator[RowOutcome]:
    """The rows for which the condition `where` holds, in order."""
    return (RowOutcome(*row) for row in db.execute(f"{ROW_OUTCOMES} {where} ORDER BY rows.id", values))


def read_answers(db: sqlite3.Connection, packing: Packing, where: str = "", *values: object) -> Iterator[Answer]:
    """The answers for which the condition `where` holds, in the order of their addresses' first appearance.

    Raises:
        ValueError: one is not what was written, or of an outcome that is not known.
    """
    for number, email, outcome, code, message, lead_id, attempts, at_ms, expected, packed, body in db.execute(
        f"{_SELECT} {where} ORDER BY id", values
    ):
        if not is_intact((number, outcome, code, message, lead_id, attempts, at_ms, packed), body, expected):
            raise ValueError("an answer is not what was written")
        whole = None if body is None else packing.unpack(body, packed=packed)
        yield Answer(email, outcome_called(outcome), code, message, lead_id, attempts, at_ms, whole)

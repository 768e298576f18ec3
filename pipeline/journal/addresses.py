"""The distinct addresses of a journal with what became of them, and their replies, without whatever else an answer has.

Each reader opens a connection of its own, so readers can be pickled and used in several processes at once.
"""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pipeline.journal.database import connect, reading
from pipeline.journal.replay import Bodies
from pipeline.outcomes import Reply

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_ADDRESSES = (
    "SELECT id - 1, key, coalesce(outcome, 'pending'), coalesce(answered_at, 0), id - 1 FROM addresses"
    " LEFT JOIN answers ON address = id"
)
_REPLIES = (
    "SELECT address, pack, email, outcome, answered_at FROM answers JOIN addresses ON id = address"
    " WHERE address IN (SELECT value FROM json_each(?))"
)


class Known(NamedTuple):
    """An address of a run.

    Attributes:
        position: among the addresses of the run, from 0.
        key: what two spellings of the same address have in common.
        outcome: what became of it.
        answered_at_ms: when its outcome was known; 0 if it never was.
        number: of its answer; -1 if it has none.
    """

    position: int
    key: str
    outcome: str
    answered_at_ms: int
    number: int


class Addresses(NamedTuple):
    """Some addresses of a run, column by column: see `Known` for each of them."""

    positions: Sequence[int]
    keys: Sequence[str]
    outcomes: Sequence[str]
    answered_at_ms: Sequence[int]
    numbers: Sequence[int]


class AddressBook:
    """Looks up addresses over an open connection to a database with the tables `addresses` and `answers` of a journal.

    Args:
        db: the connection.
        query: selects the fields of `Known` from `addresses`, whose `id` is the position plus 1.
    """

    def __init__(self, db: sqlite3.Connection, query: str = _ADDRESSES) -> None:
        self._db = db
        self._query = query
        self.count: int = db.execute("SELECT count(*) FROM addresses").fetchone()[0]

    def read(self, first: int, last: int) -> Addresses:
        """The addresses with positions from `first` up to, but not including, `last`."""
        query = f"{self._query} WHERE id > ? AND id <= ? ORDER BY id"
        rows = self._db.execute(query, (first, last)).fetchall()
        return Addresses(*zip(*rows, strict=True)) if rows else Addresses((), (), (), (), ())

    def find(self, key: str) -> Known | None:
        """The address with this key; None if there is none."""
        row = self._db.execute(f"{self._query} WHERE key = ?", (key,)).fetchone()
        return row and Known(*row)


@contextmanager
def address_book(path: Path) -> Iterator[AddressBook]:
    """The addresses of the journal at `path`.

    Raises:
        StorageError: it cannot be read.
    """
    with reading(path), closing(connect(path)) as db:
        yield AddressBook(db)


@dataclass(frozen=True, slots=True)
class JournalReplies:
    """The replies in the journal at `path`, by the positions of their addresses."""

    path: Path

    def take(self, numbers: Sequence[int]) -> dict[int, Reply]:
        """The replies for the addresses with these positions, by position.

        Raises:
            StorageError: the journal cannot be read, or is damaged.
        """
        with reading(self.path), closing(connect(self.path)) as db:
            bodies, held, known = Bodies(db), None, {}
            found: dict[int, Reply] = {}
            wanted = json.dumps([number + 1 for number in numbers])
            for address, pack, email, outcome, answered_at in db.execute(_REPLIES, (wanted,)):
                if pack != held:
                    held, known = pack, bodies.of_pack(pack)
                body = known.get(address)
                if body is None and pack is not None:
                    raise ValueError("a reply is not in its pack")
                found[address - 1] = Reply(email, outcome, answered_at, body)
            return found

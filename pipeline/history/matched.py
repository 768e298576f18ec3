"""What `matching` has found, read back by any process, some thousand addresses at a time."""

from __future__ import annotations

import errno
import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import zstandard

from pipeline.errors import StorageError, storage_advice
from pipeline.outcomes import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_PAIRS = (
    "SELECT new, old, length FROM pairs"
    " WHERE new < ? AND new >= coalesce((SELECT max(new) FROM pairs WHERE new <= ?), 0) ORDER BY new"
)
_DEPARTED = (
    "SELECT old, NULL, length FROM departed"
    " WHERE old < ? AND old >= coalesce((SELECT max(old) FROM departed WHERE old <= ?), 0) ORDER BY old"
)


@dataclass(frozen=True, slots=True)
class Matched:
    """The matched addresses of two nights; picklable.

    Attributes:
        path: the database that `match` has filled.
    """

    path: Path

    def pairs(self, first: int, last: int) -> list[tuple[int, int | None]]:
        """The numbers of the answers now, from `first` up to, but not including, `last`, that must be looked at.

        Each with the number of the answer before; None if the address was not on the list then.
        """
        return list(self._within(_PAIRS, first, last))

    def departed(self, first: int, last: int) -> list[int]:
        """The numbers of the answers before, in that range, whose addresses are not on the list any more."""
        return [number for number, _ in self._within(_DEPARTED, first, last)]

    def moved(self, first: int, last: int) -> dict[int, Reply]:
        """The old replies of addresses that are far from where they were, by the numbers of the answers now."""
        query = "SELECT new, outcome, answered_at, body FROM moved WHERE new >= ? AND new < ?"
        with self._open() as db:
            return {
                new: Reply("", outcome, answered_at, None if body is None else zstandard.decompress(body))
                for new, outcome, answered_at, body in db.execute(query, (first, last))
            }

    def ends(self) -> tuple[int, int]:
        """The numbers after the last answer now, and after the last one before, that must be looked at."""
        with self._open() as db:
            new: int = db.execute("SELECT coalesce(max(new + length), 0) FROM pairs").fetchone()[0]
            old: int = db.execute("SELECT coalesce(max(old + length), 0) FROM departed").fetchone()[0]
        return new, old

    def _within(self, query: str, first: int, last: int) -> Iterator[tuple[int, int | None]]:
        with self._open() as db:
            for start, other, length in db.execute(query, (last, first)):
                for n in range(max(first - start, 0), min(length, last - start)):
                    yield start + n, None if other is None else other + n

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        uri = f"{self.path.absolute().as_uri()}?mode=ro&immutable=1"
        with comparing(self.path), closing(sqlite3.connect(uri, uri=True)) as db:
            yield db


@contextmanager
def comparing(path: Path) -> Iterator[None]:
    """Turn errors of SQLite about the database at `path` into one sentence.

    Raises:
        StorageError: there was one in the block.
    """
    try:
        yield
    except sqlite3.Error as error:
        full = getattr(error, "sqlite_errorname", "").startswith("SQLITE_FULL")
        advice = storage_advice(errno.ENOSPC if full else None)
        raise StorageError(f"{path}: the addresses of two runs cannot be matched ({error}){advice}.") from error


@contextmanager
def matching_database(path: Path) -> Iterator[sqlite3.Connection]:
    """A new database for `match`, which nobody needs after a crash.

    Raises:
        StorageError: it cannot be written.
    """
    with comparing(path), closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "temp_store = MEMORY"):
            db.execute(f"PRAGMA {pragma}").fetchone()
        yield db

"""What a journal holds, read back by the process that writes it or by any other: its summary and its answers.

Each reader opens a connection of its own, so readers can be pickled and used in several processes at once.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from pipeline.errors import StorageError
from pipeline.journal.database import IS_FORGOTTEN, connect, connect_read_only, has_tables, reading, rows_of
from pipeline.journal.records import (
    SELECT_ANSWERS,
    Carried,
    ListSummary,
    RunRecord,
    StopRecord,
    WrittenRecord,
    restored,
    select,
    unpacked,
)

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from pipeline.outcomes import Answer

STRIDE = 1_000
"""Answers are found by number from the nearest of every so many whose addresses are known."""
_CACHED_PACKS = 8
"""Calls end in about the order of their addresses, so neighbours are in few packs, but for those that were retried."""

# How many answers failed, are those of earlier runs, or are forgotten, each counted once; and how many there are.
_COUNT = (
    f"SELECT count(*) FILTER (WHERE outcome = 'failed'),"  # noqa: S608 - names in the code
    f" count(*) FILTER (WHERE carried = {Carried.YES:d} AND NOT {IS_FORGOTTEN} AND outcome <> 'failed'),"
    f" count(*) FILTER (WHERE {IS_FORGOTTEN}), count(*) FROM answers"
)


class JournalSummary(NamedTuple):
    """What a journal is about, and how far its run got.

    Attributes:
        path: the journal.
        run: its run.
        lists: its lists, in the order they were given.
        addresses: distinct addresses in them.
        answered: those for which this run has an answer other than `failed`, or keeps an older one instead.
        failed: those whose last answer was a failure; they are retried when the run is resumed.
        stop: why the run stopped last; None if it never stopped in an orderly way.
        written: when its file was written though rows failed; None if it is unfinished.
        carried: those with an answer of an earlier run, for which this one has not asked, or not yet.
        suppressed: those that are not to be asked for, and those that were erased.
        calls: that its attempts have made; up to `calls.budget.MOST_RESERVED` too many if the last one was killed.
    """

    path: Path
    run: RunRecord
    lists: list[ListSummary]
    addresses: int
    answered: int
    failed: int
    stop: StopRecord | None
    written: WrittenRecord | None = None
    carried: int = 0
    calls: int = 0
    suppressed: int = 0

    @property
    def to_ask(self) -> int:
        """Addresses that the run has yet to ask for."""
        return (self.askable if self.run.selected is None else self.run.selected) - self.answered

    @property
    def askable(self) -> int:
        """Distinct addresses that are not suppressed."""
        return self.addresses - self.suppressed

    @property
    def rows(self) -> int:
        """Rows of all lists together."""
        return sum(entry.rows for entry in self.lists)


def read_summary(path: Path) -> JournalSummary | None:
    """Read the summary of the journal at `path`, without changing it.

    None means that its lists were never completely imported: somebody is importing them right now, or was killed
    while doing so. The latter is certain for whoever holds the folder's lock, who may remove the journal.

    Raises:
        StorageError: it cannot be read, is damaged, or is something else.
    """
    with reading(path), closing(connect_read_only(path)) as db:
        return summarize(db, path) if has_tables(db, path) else None


def summarize(db: sqlite3.Connection, path: Path) -> JournalSummary | None:
    """The same over an open connection.

    Raises:
        ValueError: a record is damaged.
    """

    def count(query: str) -> int:
        number: int = db.execute(query).fetchone()[0]
        return number

    failed, carried, forgotten, answers = db.execute(_COUNT).fetchone()
    answered = answers - failed - carried - forgotten
    run = db.execute(select(RunRecord._fields, "run")).fetchone()
    if run is None:
        if answered or failed:  # what was carried over is still where it came from
            raise StorageError(f"{path}: the journal is damaged (it holds answers, but no run).")
        return None
    stop = db.execute(select(StopRecord._fields, "stops ORDER BY rowid DESC LIMIT 1")).fetchone()
    written = db.execute(select(WrittenRecord._fields, "written")).fetchone()
    lists = db.execute(select(ListSummary._fields, "lists ORDER BY id")).fetchall()
    return JournalSummary(
        path=path,
        run=msgspec.convert(run, RunRecord, strict=False),  # SQLite has integers for booleans
        lists=msgspec.convert(lists, list[ListSummary]),
        addresses=count("SELECT count(*) FROM addresses"),
        answered=answered,
        failed=failed,
        stop=stop and msgspec.convert(stop, StopRecord),
        written=written and msgspec.convert(written, WrittenRecord),
        carried=carried,
        calls=count("SELECT coalesce(max(calls), 0) FROM spent"),
        suppressed=forgotten,
    )


@dataclass(frozen=True, slots=True)
class JournalAnswers:
    """The answers of a journal, numbered from 0 in the order in which the addresses first appear.

    Attributes:
        path: the journal.
        count: how many there are.
        starts: the address of every `STRIDE`-th answer, from the first on; empty if every address has an answer.
    """

    path: Path
    count: int
    starts: tuple[int, ...] = ()

    def __iter__(self) -> Iterator[Answer]:
        """Every answer there is."""
        return self.slice(0, self.count)

    def slice(self, first: int, last: int) -> Iterator[Answer]:
        """The answers with numbers from `first` up to, but not including, `last`.

        Raises:
            StorageError: the journal cannot be read, or is damaged.
        """
        last = min(last, self.count)
        if first >= last:
            return iter(())
        if not self.starts:
            return self._read("addresses.id > ? AND addresses.id <= ? ORDER BY addresses.id", first, last)
        start, skipped = divmod(first, STRIDE)
        limited = "answers.address >= ? ORDER BY answers.address LIMIT ? OFFSET ?"
        return self._read(limited, self.starts[start], last - first, skipped)

    def of_addresses(self, numbers: Iterable[int]) -> Iterator[Answer]:
        """The answers for the addresses with these numbers, in the order of the numbers; see `JournalRows.addresses`.

        Raises:
            StorageError: the journal cannot be read, or is damaged.
        """
        wanted = "addresses.id IN (SELECT value FROM json_each(?)) ORDER BY addresses.id"
        return self._read(wanted, json.dumps([*numbers]))

    def _read(self, condition: str, *values: object) -> Iterator[Answer]:
        query = f"{SELECT_ANSWERS} WHERE {condition}"
        with reading(self.path), closing(connect(self.path)) as db:
            bodies = Bodies(db)
            for row in rows_of(db, query, *values):
                yield restored(row, bodies.of(row))


class Bodies:
    """Bodies of answers, read over an open connection."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._pack = lru_cache(_CACHED_PACKS)(self._read_pack)

    def of(self, row: Mapping[str, Any]) -> bytes | None:
        """The body of the answer in a row of SELECT_ANSWERS, if it has one.

        Raises:
            ValueError: it is not where the row says.
        """
        if row["pack"] is None:
            return None
        body = self._pack(row["pack"]).get(row["address"])
        if body is None:
            raise ValueError("a reply is not in its pack")
        return body

    def of_pack(self, number: int | None) -> dict[int, bytes]:
        """The bodies in the pack with this number by the numbers of their addresses; none for None.

        Raises:
            ValueError: there is no such pack, or it is damaged.
        """
        return {} if number is None else self._pack(number)

    def _read_pack(self, number: int) -> dict[int, bytes]:
        row = self._db.execute("SELECT bodies FROM packs WHERE id = ?", (number,)).fetchone()
        return unpacked(row and row[0])

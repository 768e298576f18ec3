"""Which addresses two nights have in common, and which of these must be looked at: joined by key in one pass.

Lists hardly change from night to night, so the addresses of both are mostly in the same order. They are walked side by
side, and only where that fails is one looked up. What is found goes into a small database, so that memory does not
grow with the lists: runs of consecutive numbers, and the old replies of addresses that have moved far, which could not
be read in the order of the new list without reading the old ones again and again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import zstandard

from pipeline.history.addresses import CHUNK
from pipeline.journal.addresses import Addresses
from pipeline.outcomes import CONCLUSIVE, FORGOTTEN, Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from pipeline.journal.addresses import AddressBook
    from pipeline.outcomes import Reply

_NEAR = 1 / 8
"""The share of a chunk that one of the other list must hold for its old replies to be read in the order of the new."""
_TABLES = """
CREATE TABLE matched (first INTEGER PRIMARY KEY, length INTEGER);
CREATE TABLE pairs (new INTEGER PRIMARY KEY, old INTEGER, length INTEGER);
CREATE TABLE departed (old INTEGER PRIMARY KEY, length INTEGER);
CREATE TABLE moved (new INTEGER, outcome TEXT, answered_at INTEGER, body BLOB);
"""
_FIRST_BLOCK, _STREAK = 32, 2


@dataclass(slots=True)
class Tally:
    """What the answers of two nights say, before any of them is read.

    Attributes:
        compared: addresses on both lists with a usable answer on both sides.
        carried: those of them whose answer is the same one.
        asked_again: found leads that were asked for again, and answered.
        gone: those of them that are not found any more, or deleted.
        unknown: addresses without a usable answer on one side, by its outcome there; not of people who are suppressed
            or were erased.
        left: addresses that are not on the list any more.
        joined: addresses that were not on the list before.
    """

    compared: int = 0
    carried: int = 0
    asked_again: int = 0
    gone: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    left: int = 0
    joined: int = 0


def match(
    old: Iterable[Addresses],
    new: AddressBook,
    replies_of: Callable[[Sequence[int]], Mapping[int, Reply]],
    db: sqlite3.Connection,
    chunk: int = CHUNK,
    forgets: Callable[[str], bool] = lambda _: False,
) -> Tally:
    """Match the addresses of two nights; `db`, an empty database, takes what `pairs` and its other readers read.

    Args:
        old: the addresses before, in the order of the list, some thousand at a time.
        new: the addresses now.
        replies_of: reads replies of the old night by their numbers.
        db: a connection with autocommit.
        chunk: how many addresses are read and compared at a time.
        forgets: whether nothing is to be said about an address, which then does not count as one that has left.

    Raises:
        StorageError: a side cannot be read.
    """
    db.executescript(_TABLES)
    tally, walk, compressor = Tally(), _Walk(new, chunk), zstandard.ZstdCompressor(level=1)
    db.execute("BEGIN")
    for part in old:
        matches = walk.matches(part)
        wanted = _to_compare(part, matches, tally)
        departed = _departed(part, matches, tally, forgets)
        _insert(db, "matched", _runs(sorted(position for position in matches.positions if position >= 0)))
        _insert(db, "pairs", _runs(wanted.values(), wanted.keys()))
        _insert(db, "departed", _runs(departed))
        moved = _moved(matches, wanted, chunk)
        replies = replies_of(list(moved)) if moved else {}
        rows = ((moved[n], each.outcome, each.answered_at_ms, _packed(each, compressor)) for n, each in replies.items())
        _insert(db, "moved", rows)
    for joined in _joined(db, new, tally, chunk):
        _insert(db, "pairs", ((number, None, length) for number, length in _runs(joined)))
    db.execute("CREATE INDEX moved_new ON moved (new)")
    db.execute("COMMIT")
    return tally


class _Walk:
    """Finds the addresses of one list on another, which mostly has them in the same order."""

    def __init__(self, new: AddressBook, chunk: int) -> None:
        self._new = new
        self._chunk = chunk
        self._expected = 0
        self._streak = _STREAK
        self._block = chunk

    def matches(self, old: Addresses) -> Addresses:
        """The matches of addresses, each in its place; one that has none has a position of -1."""
        found = Addresses([], [], [], [], [])
        while (done := len(found.keys)) < len(old.keys):
            if self._streak >= _STREAK and self._expected < self._new.count:
                self._go_on(old.keys[done : done + self._block], found)
            else:
                self._look_up(old.keys[done], found)
        return found

    def _go_on(self, keys: Sequence[str], found: Addresses) -> None:
        """Add the matches of addresses as long as both lists go on in the same way."""
        new = self._new.read(self._expected, self._expected + len(keys))
        same = len(keys)
        if list(keys) != list(new.keys):
            pairs = enumerate(zip(keys, new.keys, strict=False))
            same = next((n for n, (one, other) in pairs if one != other), min(len(keys), len(new.keys)))
        self._expected += same
        if same == len(keys):
            self._block = min(self._chunk, 2 * self._block)
        else:
            self._streak, self._block = 0, min(_FIRST_BLOCK, self._chunk)
        for mine, theirs in zip(found, new, strict=True):
            mine.extend(theirs[:same])  # type: ignore[attr-defined]  # lists, as `matches` made them

    def _look_up(self, key: str, found: Addresses) -> None:
        new = self._new.find(key)
        if new is not None:
            self._streak = self._streak + 1 if new.position == self._expected else 0
            self._expected = new.position + 1
        for mine, value in zip(found, new or (-1, key, "", 0, -1), strict=True):
            mine.append(value)  # type: ignore[attr-defined]  # as above


def _to_compare(old: Addresses, new: Addresses, tally: Tally) -> dict[int, int]:
    """The answers of which a change may come, as those that are the same one need not be read: the new by the old."""
    if old.outcomes == new.outcomes and CONCLUSIVE.issuperset(new.outcomes) and -1 not in new.positions:
        again = np.flatnonzero(np.array(old.answered_at_ms) != np.array(new.answered_at_ms)).tolist()
        asked = [n for n in again if new.outcomes[n] == Outcome.FOUND]
        tally.compared += len(new.positions)
        tally.carried += len(new.positions) - len(again)
        tally.asked_again += len(asked)
        return {old.numbers[n]: new.numbers[n] for n in asked}
    return {old.numbers[n]: new.numbers[n] for n in _one_by_one(old, new, tally)}


def _one_by_one(old: Addresses, new: Addresses, tally: Tally) -> Iterator[int]:
    """The same where outcomes differ, or addresses have no match or no usable answer."""
    for n, (was, is_now, position) in enumerate(zip(old.outcomes, new.outcomes, new.positions, strict=True)):
        if position < 0 or not _is_known(tally, is_now, was):
            continue
        tally.compared += 1
        if was == is_now and old.answered_at_ms[n] == new.answered_at_ms[n]:
            tally.carried += 1
            continue
        if was == Outcome.FOUND:
            tally.asked_again += 1
            tally.gone += is_now != Outcome.FOUND
        elif was == is_now:
            continue
        yield n


def _departed(old: Addresses, new: Addresses, tally: Tally, forgets: Callable[[str], bool]) -> list[int]:
    """The numbers of answers whose addresses have no match, as far as they are known; they are counted."""
    if -1 not in new.positions:
        return []
    places = [n for n, position in enumerate(new.positions) if position < 0 and not forgets(old.keys[n])]
    departed = [old.numbers[n] for n in places if _is_known(tally, old.outcomes[n])]
    tally.left += len(departed)
    return departed


def _is_known(tally: Tally, *outcomes: str) -> bool:
    """Whether all of these are usable answers; the first that is none is counted, but not of forgotten people."""
    unknown = next((outcome for outcome in outcomes if outcome not in CONCLUSIVE), None)
    if unknown is not None and not any(outcome in FORGOTTEN for outcome in outcomes):
        tally.unknown[unknown] += 1
    return unknown is None


def _moved(new: Addresses, wanted: Mapping[int, int], chunk: int) -> Mapping[int, int]:
    """Of the answers that are wanted those that are far from the others of their chunk: the new by the old one."""
    near = Counter((np.array([n for n in new.numbers if n >= 0], np.int64) // chunk).tolist())
    if len(near) <= 1:
        return {}
    return {old: number for old, number in wanted.items() if near[number // chunk] < chunk * _NEAR}


def _joined(db: sqlite3.Connection, new: AddressBook, tally: Tally, chunk: int) -> Iterator[list[int]]:
    """The numbers of the answers of addresses that were not on the list before."""
    end = 0
    for first, length in [*db.execute("SELECT first, length FROM matched ORDER BY first"), (new.count, 0)]:
        for start in range(end, first, chunk):
            part = new.read(start, min(start + chunk, first))
            known = [n for n, name in zip(part.numbers, part.outcomes, strict=True) if _is_known(tally, name)]
            tally.joined += len(known)
            yield known
        end = first + length


def _runs(*columns: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Numbers side by side: those from which all go up by one, and how often they do."""
    rows = np.array(list(map(list, columns)), np.int64)
    if not rows.size:
        return
    starts = np.concatenate([[0], 1 + np.flatnonzero((np.diff(rows) != 1).any(axis=0))])
    lengths = np.diff(np.append(starts, rows.shape[1]))
    yield from zip(*rows[:, starts].tolist(), lengths.tolist(), strict=True)


def _insert(db: sqlite3.Connection, table: str, rows: Iterable[tuple[object, ...]]) -> None:
    columns = {"matched": 2, "pairs": 3, "departed": 2, "moved": 4}[table]
    db.executemany(f"INSERT INTO {table} VALUES (?{', ?' * (columns - 1)})", rows)  # noqa: S608 - names in the code


def _packed(reply: Reply, compressor: zstandard.ZstdCompressor) -> bytes | None:
    return None if reply.body is None else compressor.compress(reply.body)

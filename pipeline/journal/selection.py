"""Which addresses a run asks for, and in which order: chosen once, before it starts, and kept in its journal."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

from pipeline.journal.database import connect, storage, transaction
from pipeline.journal.records import Carried
from pipeline.outcomes import Address

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_PAGE = 2_000


class Choice(NamedTuple):
    """What is due, in milliseconds since 1970 UTC; see `pipeline.history.due`, which makes it and explains it.

    Attributes:
        must_ms: answers given until then are asked for again, however many they are.
        may_ms: of later answers, those given until then, the oldest first, as far as there is room for them.
        ahead_ms: answers given after that have an impossible date and are due just now, as is `must_ms`.
        new_ms: an address without an answer is due as if its answer had been given then.
        share: addresses that there is room for in any case.
        night_ms: how much later the next run starts.
    """

    must_ms: int
    may_ms: int
    ahead_ms: int
    new_ms: int
    share: int
    night_ms: int

    def most(self, due: Mapping[int, int], askable: int) -> int:
        """How many addresses are asked for: all that must be, and enough for no later night to have to ask for more.

        Args:
            due: how many must be asked for at the latest in how many nights; 0 is tonight.
            askable: how many must or may be asked for tonight.
        """
        needed = sofar = 0
        for nights in sorted(due):
            sofar += due[nights]
            needed = max(needed, -(-sofar // (nights + 1)))
        return min(max(self.share, needed), askable)


# An address without an answer, and one whose answer has an impossible date, must be asked for; a suppressed or erased
# one, which has no email any more, must not.
_MUST = "(answered_at IS NULL OR answered_at > :ahead_ms OR answered_at <= min(:must_ms, :may_ms))"
_ANSWERED = (
    "(SELECT * FROM addresses WHERE email <> '') AS addresses LEFT JOIN answers ON answers.address = addresses.id"
)
_IN_NIGHTS = f"CASE WHEN {_MUST} THEN 0 ELSE max(1, (answered_at - :must_ms + :night_ms - 1) / :night_ms) END"
_COUNT = (
    f"SELECT {_IN_NIGHTS}, count(*), count(answered_at), sum({_MUST} OR answered_at <= :may_ms),"  # noqa: S608 - names in the code
    f" coalesce(sum(answered_at > :ahead_ms), 0) FROM {_ANSWERED} GROUP BY 1"
)
_SELECT = (
    f"INSERT INTO due (address) SELECT id FROM {_ANSWERED} WHERE {_MUST} OR answered_at <= :may_ms"  # noqa: S608 - names in the code
    " ORDER BY CASE WHEN answered_at IS NULL THEN :new_ms WHEN answered_at > :ahead_ms THEN :must_ms"
    " ELSE answered_at END, id LIMIT :most"
)
_OPEN = f"(outcome IS NULL OR outcome = 'failed' OR carried = {Carried.YES:d})"
_IN_LIST_ORDER = f"SELECT id, id, email FROM {_ANSWERED} WHERE id > ? AND {_OPEN} ORDER BY id LIMIT {_PAGE}"  # noqa: S608 - names in the code
_AS_DUE = (
    "SELECT due.id, addresses.id, email FROM due JOIN addresses ON addresses.id = due.address"  # noqa: S608 - names in the code
    f" LEFT JOIN answers ON answers.address = due.address WHERE due.id > ? AND email <> '' AND {_OPEN}"
    f" ORDER BY due.id LIMIT {_PAGE}"
)


class Selection(NamedTuple):
    """What was chosen.

    Attributes:
        selected: how many addresses the run asks for; None: all, in the order of the lists, as nothing was carried.
        ahead: answers with an impossible date.
    """

    selected: int | None
    ahead: int = 0


def count_addresses(path: Path) -> int:
    """The distinct addresses in the journal at `path`, whose run need not have started.

    Raises:
        StorageError: the journal cannot be read.
    """
    with storage(path), closing(connect(path)) as db:
        count: int = db.execute("SELECT count(*) FROM addresses").fetchone()[0]
        return count


def select_due(path: Path, choice: Choice) -> Selection:
    """Choose which addresses the journal at `path`, whose run has not started, asks for.

    Raises:
        StorageError: the journal cannot be read or written.
    """
    with storage(path), closing(connect(path)) as db, transaction(db):
        counts = db.execute(_COUNT, choice._asdict()).fetchall()
        if not any(answered for _, _, answered, _, _ in counts):
            return Selection(None)
        askable = sum(row[3] for row in counts)
        most = choice.most({nights: count for nights, count, *_ in counts}, askable)
        db.execute(_SELECT, {**choice._asdict(), "most": most})
        return Selection(most, ahead=sum(row[4] for row in counts))


def leave_out(db: sqlite3.Connection, addresses: Iterable[int]) -> None:
    """Ask no longer for the addresses with these numbers, if they were chosen; the caller has begun a transaction."""
    numbers = json.dumps([*addresses])
    due = db.execute("DELETE FROM due WHERE address IN (SELECT value FROM json_each(?))", (numbers,)).rowcount
    db.execute("UPDATE run SET selected = selected - ?", (due,))


def open_addresses(db: sqlite3.Connection, path: Path) -> Iterator[Address]:
    """Addresses that the run has yet to ask for, or whose last answer was a failure, in the order in which it asks.

    Answers may be appended meanwhile: it reads page by page, as an open cursor would keep SQLite from folding the
    write-ahead log into the file.
    """
    last = 0
    with storage(path):
        selected = db.execute("SELECT selected FROM run").fetchone()
        query = _IN_LIST_ORDER if selected is None or selected[0] is None else _AS_DUE
    while True:
        with storage(path):
            page = db.execute(query, (last,)).fetchall()
        if not page:
            return
        yield from (Address(number, email) for _, number, email in page)
        last = page[-1][0]

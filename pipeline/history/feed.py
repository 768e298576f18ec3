"""The feed of changes, chunk by chunk: both replies of an address flattened by the same code, and compared.

A chunk is built from its number alone, so that any process can build it. Chunks of addresses that are on the list come
first, in its order, and then those of addresses that have left it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from pipeline.errors import MalformedReply
from pipeline.history.addresses import CHUNK
from pipeline.history.compare import Compared, Ignored, Pair, compare
from pipeline.history.items import ADDED, CHANGED, REMOVED, Change
from pipeline.outcomes import Outcome
from pipeline.replies.envelope import parse_envelope
from pipeline.schema import CHANGES, OUTCOMES
from pipeline.tables.flatten import flatten
from pipeline.tables.frames import arrow_column, make_frame, value_column

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pandas as pd

    from pipeline.history.matched import Matched
    from pipeline.outcomes import Reply
    from pipeline.tables.flatten import Frames

_OUTCOME = "outcome"


class Replies(Protocol):
    """The replies of a night: of a journal, or of a published run; picklable."""

    def take(self, numbers: Sequence[int]) -> Mapping[int, Reply]:
        """The replies with these numbers, by number."""


class Rules(Protocol):
    """What becomes of people's data in the feed; picklable."""

    def mask(self, frames: Frames) -> Frames:
        """The tables of leads with the rows that are published; columns that are left out are null."""

    def publish(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of the feed, made of such tables, as they are published."""

    def forgets(self, email: str) -> bool:
        """Whether nothing is to be said about an address."""


class Since(NamedTuple):
    """What is compared: the name of the earlier run, and when both started, in milliseconds since 1970 UTC."""

    run_id: str
    started_at_ms: int
    now_started_at_ms: int


@dataclass(frozen=True, slots=True)
class FeedBatch:
    """A part of the feed.

    Attributes:
        frame: rows of the table `changes`.
        appeared: how often a key is new in `extra`, by `table.key`.
        vanished: how often one is not there any more.
        left_out: by table, replies that leave a collection out which had items before.
        unreadable: addresses with a reply that cannot be read any more.
    """

    frame: pd.DataFrame
    appeared: Counter[str] = field(default_factory=Counter)
    vanished: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0


@dataclass(slots=True)
class FeedCounts:
    """What the parts of a feed add up to.

    Attributes:
        rows: by table and change.
        appeared, vanished, left_out, unreadable: as in `FeedBatch`.
    """

    rows: Counter[tuple[str, str]] = field(default_factory=Counter)
    appeared: Counter[str] = field(default_factory=Counter)
    vanished: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    unreadable: int = 0

    def add(self, batch: FeedBatch) -> None:
        """Add a part."""
        tables, kinds = (map(str, arrow_column(batch.frame, name).to_pylist()) for name in ("table_name", "change"))
        self.rows.update(zip(tables, kinds, strict=True))
        self.appeared.update(batch.appeared)
        self.vanished.update(batch.vanished)
        self.left_out.update(batch.left_out)
        self.unreadable += batch.unreadable


class _Two(NamedTuple):
    """An address with its replies; None where it is not on the list."""

    email: str
    old: Reply | None
    new: Reply | None


@dataclass(frozen=True, slots=True)
class Feed:
    """The feed of changes between two nights; picklable.

    Attributes:
        matched: the addresses of both.
        old: the replies before.
        new: the replies now.
        since: the runs.
        rules: what becomes of people's data.
        timezone: the zone of the API's dates; see `flatten`.
        ignore: patterns of columns that are not compared; see `Ignored`.
        ends: the numbers after the last addresses to look at, on the list and not on it any more.
        chunk: how many addresses a part is about, as `match` was told.
    """

    matched: Matched
    old: Replies
    new: Replies
    since: Since
    rules: Rules
    timezone: str | None
    ignore: tuple[str, ...]
    ends: tuple[int, int]
    chunk: int = CHUNK

    @property
    def count(self) -> int:
        """The number of parts."""
        return sum(map(self._parts, self.ends))

    def build(self, number: int) -> FeedBatch:
        """Build one part; `number` counts from 0.

        Raises:
            StorageError: a side cannot be read.
        """
        on_list = self._parts(self.ends[0])
        first = (number if number < on_list else number - on_list) * self.chunk
        return self._batch(self._on_list(first) if number < on_list else self._departed(first))

    def _parts(self, end: int) -> int:
        return -(-end // self.chunk)

    def _on_list(self, first: int) -> list[_Two]:
        last = first + self.chunk
        pairs = self.matched.pairs(first, last)
        moved = self.matched.moved(first, last)
        near = self.old.take([old for new, old in pairs if old is not None and new not in moved])
        now = self.new.take([new for new, _ in pairs])
        twos: list[_Two] = []
        for number, before in pairs:
            new = now[number]
            old = moved[number] if number in moved else None if before is None else near[before]
            if self.rules.forgets(new.email):
                continue
            if old is None or old.body != new.body or old.outcome != new.outcome:
                twos.append(_Two(new.email, old, new))
        return twos

    def _departed(self, first: int) -> list[_Two]:
        gone = self.old.take(self.matched.departed(first, first + self.chunk))
        left = (reply for _, reply in sorted(gone.items()) if not self.rules.forgets(reply.email))
        return [_Two(reply.email, reply, None) for reply in left]

    def _batch(self, twos: list[_Two]) -> FeedBatch:
        old, before = self._leads([two.old for two in twos])
        new, now = self._leads([two.new for two in twos])
        if old.skipped or new.skipped:
            readable = [two for two in twos if _is_readable(two.old) and _is_readable(two.new)]
            return replace(self._batch(readable), unreadable=len(twos) - len(readable))
        pairs = list(map(Pair, before, now))
        compared = compare(self.rules.mask(old), self.rules.mask(new), pairs, Ignored(self.ignore))
        for two, changes in zip(twos, compared.changes, strict=True):
            changes.extend(_of_outcome(two))
        ids = _first_values(_ids(new, now), _ids(old, before))
        frame = self._frame(twos, ids, compared.changes)
        return FeedBatch(frame, compared.appeared, compared.vanished, _left_out(twos, compared))

    def _leads(self, replies: Sequence[Reply | None]) -> tuple[Frames, list[int | None]]:
        """The tables of the leads in replies, and for each reply the number of its lead, or None."""
        bodies = [_lead_in(reply) for reply in replies]
        numbers = itertools.count()
        found = [None if body is None else next(numbers) for body in bodies]
        return flatten([body for body in bodies if body is not None], timezone=self.timezone), found

    def _frame(self, twos: Sequence[_Two], ids: Sequence[str | None], changes: Sequence[list[Change]]) -> pd.DataFrame:
        rows = [
            (two.email, lead_id, *change, *self._seen(two), self.since.run_id)
            for two, lead_id, of_lead in zip(twos, ids, changes, strict=True)
            for change in of_lead
        ]
        columns = list(zip(*rows, strict=True)) or [()] * len(CHANGES.columns)
        cells = [value_column(values, c.type) for values, c in zip(columns, CHANGES.columns, strict=True)]
        return self.rules.publish(make_frame(CHANGES.names, cells))

    def _seen(self, two: _Two) -> tuple[int, int]:
        """Between which times it happened; an address joins and leaves the list between the starts of the runs."""
        if two.old is None or two.new is None:
            return self.since.started_at_ms, self.since.now_started_at_ms
        return two.old.answered_at_ms, two.new.answered_at_ms


def _lead_in(reply: Reply | None) -> bytes | None:
    """The bytes of a reply that was found to hold a lead; None for any other."""
    return (reply.body or b"") if reply is not None and reply.outcome == Outcome.FOUND else None


def _is_readable(reply: Reply | None) -> bool:
    """Whether this version reads a lead where the one that wrote the reply did, if that did."""
    body = _lead_in(reply)
    return body is None or not flatten([body]).skipped


def _of_outcome(two: _Two) -> Iterator[Change]:
    """What became of the address, if that has changed, or whether it joined or left the list."""
    if two.old is None or two.new is None:
        came = two.new is not None
        outcome = msgspec.json.encode({_OUTCOME: (two.new or two.old).outcome}).decode()  # type: ignore[union-attr]
        yield Change(OUTCOMES.name, ADDED, new=outcome) if came else Change(OUTCOMES.name, REMOVED, old=outcome)
    elif two.old.outcome != two.new.outcome:
        yield Change(OUTCOMES.name, CHANGED, None, _OUTCOME, two.old.outcome, two.new.outcome)


def _ids(frames: Frames, numbers: Sequence[int | None]) -> list[str | None]:
    ids = arrow_column(frames.leads, "id").to_pylist()
    return [None if number is None else ids[number] for number in numbers]


def _first_values(one: Sequence[str | None], other: Sequence[str | None]) -> list[str | None]:
    return [second if first is None else first for first, second in zip(one, other, strict=True)]


def _left_out(twos: Sequence[_Two], compared: Compared) -> Counter[str]:
    """By table, how many replies leave a collection out altogether of which items are therefore removed."""
    found: Counter[str] = Counter()
    for number, table in compared.emptied:
        new = twos[number].new
        if new is not None and new.outcome == Outcome.FOUND and table not in _details(new):
            found[table] += 1
    return found


def _details(reply: Reply) -> Mapping[str, object]:
    try:
        return parse_envelope(reply.body or b"").details or {}
    except MalformedReply:
        return {}

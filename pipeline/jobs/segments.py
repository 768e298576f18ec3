"""Tables piece by piece: of some thousand answers that follow each other, or of some thousand rows of the lists.

Segments know where answers and rows are kept, so that any process can make one; see `workers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline.errors import InternalError
from pipeline.outcomes import Answer, Outcome, RowOutcome
from pipeline.replies.lenient import Drift
from pipeline.schema import LEADS, OUTCOMES, REPLIES
from pipeline.tables.gather import Gathered, gather
from pipeline.tables.records import outcome_table, reply_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Numbered(Protocol[T_co]):
    """Things by number, from 0 to `count`; pickled, another process can read them too."""

    @property
    def count(self) -> int:
        """How many there are."""

    def slice(self, first: int, last: int) -> Iterator[T_co]:
        """Those from number `first` to the one before `last`."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The tables of some answers or rows by name, and how the replies drifted from the documented shape."""

    tables: dict[str, pa.Table]
    drift: Drift = field(default_factory=Drift)


@dataclass(frozen=True, slots=True)
class LeadSegments:
    """The tables of the leads, and of the raw replies.

    Attributes:
        answers: what they are made of.
        size: how many answers make a segment.
        timezone: the zone of the API's dates; see `flatten`.
        replies: whether the table of raw replies is wanted.
    """

    answers: Numbered[Answer]
    size: int
    timezone: str | None
    replies: bool

    @property
    def pieces(self) -> int:
        """How many segments there are."""
        return -(-self.answers.count // self.size)

    def do(self, number: int) -> Segment:
        """Make one.

        Raises:
            InternalError: an answer is missing or gave no row, or a row does not belong to its lead.
            StorageError: the answers cannot be read.
        """
        answers = _read(self.answers, number, self.size)
        found = [answer for answer in answers if answer.outcome is Outcome.FOUND]
        gathered = gather(found, timezone=self.timezone)
        _check(gathered, len(found))
        replies = {REPLIES.name: reply_table(answers)} if self.replies else {}
        return Segment(gathered.tables | replies, gathered.drift)


@dataclass(frozen=True, slots=True)
class OutcomeSegments:
    """The table `outcomes`.

    Attributes:
        rows: what it is made of.
        size: how many of them make a segment.
    """

    rows: Numbered[RowOutcome]
    size: int

    @property
    def pieces(self) -> int:
        """How many segments there are."""
        return -(-self.rows.count // self.size)

    def do(self, number: int) -> Segment:
        """Make one.

        Raises:
            InternalError: a row is missing.
            StorageError: the rows cannot be read.
        """
        return Segment({OUTCOMES.name: outcome_table(_read(self.rows, number, self.size))})


def _read(kept: Numbered[T], number: int, size: int) -> list[T]:
    first = number * size
    last = min(first + size, kept.count)
    things = list(kept.slice(first, last))
    if len(things) != last - first:
        raise InternalError(f"{last - first} records were to be read, and {len(things)} are there; please report this.")
    return things


def _check(gathered: Gathered, leads: int) -> None:
    """See that every answer is a lead, and every other row belongs to one of these leads and has its keys."""
    table = gathered.tables[LEADS.name]
    if len(table) != leads:
        raise InternalError("A reply that counts as found cannot be flattened; please report this.")
    for name, parents in gathered.parents.items():
        rows, keys = gathered.tables[name], table.select(["id", "email"]).take(parents)
        if not rows.select(["lead_id", "email"]).rename_columns(["id", "email"]).equals(keys):
            raise InternalError(f"A row of {name} does not belong to its lead; please report this.")

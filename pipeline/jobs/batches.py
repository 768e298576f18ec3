"""Tables built batch by batch: a few thousand consecutive answers, or rows of the lists, each from its number alone.

So any process can build one; see `workers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline.errors import InternalError
from pipeline.outcomes import FORGOTTEN, Answer, Outcome, RowOutcome
from pipeline.privacy.columns import AS_THEY_ARE, ColumnRules
from pipeline.replies.drift import Drift
from pipeline.schema import LEAD_TABLES, LEADS, OUTCOMES, REPLIES
from pipeline.tables.flatten import Frames, flatten
from pipeline.tables.frames import outcome_frame, reply_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
PLAIN = "outcomes as they are"
"""The name, in a batch, of rows that are kept and not published."""


class Sliceable(Protocol[T_co]):
    """Items numbered from 0 to `count` - 1; pickled, they can be read by another process too."""

    @property
    def count(self) -> int:
        """The number of items."""

    def slice(self, first: int, last: int) -> Iterator[T_co]:
        """Items from number `first` up to, but not including, `last`."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Tables by name, how the replies deviate from the documented shape, and how many answers the tables hold."""

    tables: dict[str, pd.DataFrame]
    drift: Drift = field(default_factory=Drift)
    answers: int = 0


@dataclass(frozen=True, slots=True)
class LeadBatches:
    """Batches of the lead tables, and of the table of raw replies.

    Attributes:
        answers: what they are built from.
        size: answers per batch.
        timezone: the zone of the API's dates; see `flatten`.
        replies: whether to build the table of raw replies.
        rules: what becomes of each column.
    """

    answers: Sliceable[Answer]
    size: int
    timezone: str | None
    replies: bool
    rules: ColumnRules = AS_THEY_ARE

    @property
    def count(self) -> int:
        """The number of batches."""
        return -(-self.answers.count // self.size)

    def build(self, number: int) -> Batch:
        """Build one batch; `number` counts from 0.

        Raises:
            InternalError: an answer is missing or gave no row, or a row does not belong to its lead.
            StorageError: the answers cannot be read.
        """
        read = _read(self.answers, number, self.size)
        answers = [answer for answer in read if answer.outcome not in FORGOTTEN]
        found = [answer for answer in answers if answer.outcome is Outcome.FOUND]
        frames = flatten(found, timezone=self.timezone)
        _check_leads(frames, len(found))
        replies = {REPLIES.name: reply_frame(answers)} if self.replies else {}
        tables = self.rules.transform_all(frames.by_name()) | replies
        return Batch(tables, frames.drift, len(answers))


@dataclass(frozen=True, slots=True)
class OutcomeBatches:
    """Batches of the table `outcomes`.

    Attributes:
        rows: what they are built from.
        size: rows per batch.
        rules: what becomes of each column.
        plain: whether to build the table as it is, too.
    """

    rows: Sliceable[RowOutcome]
    size: int
    rules: ColumnRules = AS_THEY_ARE
    plain: bool = False

    @property
    def count(self) -> int:
        """The number of batches."""
        return -(-self.rows.count // self.size)

    def build(self, number: int) -> Batch:
        """Build one batch; `number` counts from 0.

        Raises:
            InternalError: a row is missing.
            StorageError: the rows cannot be read.
        """
        frame = outcome_frame(_read(self.rows, number, self.size))
        plain = {PLAIN: frame} if self.plain else {}
        return Batch({OUTCOMES.name: self.rules.transform(OUTCOMES.name, frame), **plain})


def _read(items: Sliceable[T], number: int, size: int) -> list[T]:
    first = number * size
    last = min(first + size, items.count)
    read = list(items.slice(first, last))
    if len(read) != last - first:
        raise InternalError(f"Expected {last - first} records but read {len(read)}; please report this.")
    return read


def _check_leads(frames: Frames, leads: int) -> None:
    """Check that every found answer became a lead, and that every other row has the keys of its lead."""
    if len(frames.leads) != leads:
        raise InternalError("A reply that counts as found cannot be flattened; please report this.")
    keys = frames.leads[["id", "email"]].set_axis(["lead_id", "email"], axis="columns")
    for table in LEAD_TABLES:
        if table is LEADS:
            continue
        rows = frames.by_name()[table.name]
        parents = keys.take(frames.parents[table.name]).reset_index(drop=True)
        if not rows[["lead_id", "email"]].equals(parents):
            raise InternalError(f"A row of {table.name} does not belong to its lead; please report this.")

"""How old the answers of a run are: what its manifest says about answers that were carried over, and about limits."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import msgspec

from pipeline.calls.budget import Limit
from pipeline.history.due import NIGHT_MS, TOLERANCE_MS
from pipeline.journal.ages import count_ages
from pipeline.outcomes import ANSWERED, CONCLUSIVE, KEPT, Outcome, iso

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.journal.store import Journal

EndedBy = Literal["done", Limit]


class KnownAnswer(NamedTuple):
    """What the table `outcomes` says about an address; its time is in milliseconds since 1970 UTC, None if unknown."""

    outcome: str
    code: str | None
    answered_at_ms: int | None

    @property
    def is_kept(self) -> bool:
        """Whether it stays from an earlier run because asking again failed."""
        return (self.code or "").startswith(KEPT)


class Freshness(msgspec.Struct, frozen=True, kw_only=True):
    """How old the answers of a run are; ages are taken when the run first started, in nights of 24 hours.

    Attributes:
        asked: addresses that were looked up in this run, over all its attempts.
        carried: addresses that have an older answer and were not looked up.
        refresh_failed: addresses that were looked up without success, and keep an older answer.
        pending: addresses that have no answer yet, because a limit ended the run before their turn.
        overdue: answers older than `max_age_days`; 0 without that setting.
        oldest_answered_at: when the oldest answer was given, ISO 8601 in UTC; None without an answer.
        ages: answers by their age in nights; the keys are numbers, youngest first.
        ended_by: why no more addresses were looked up: there was none left, or a limit.
        deadline: the instant after which no call starts, ISO 8601 in UTC; None without one.
    """

    asked: int
    carried: int
    refresh_failed: int
    pending: int
    overdue: int
    oldest_answered_at: str | None
    ages: dict[str, int]
    ended_by: EndedBy
    deadline: str | None = None

    @classmethod
    def of(cls, journal: Journal, ended_by: EndedBy = "done") -> Self:
        """What is so when the answers in a journal are published.

        Raises:
            StorageError: the journal cannot be read.
        """
        seen = journal.summary()
        run = seen.run
        ages = count_ages(journal.path, as_of_ms=run.started_at_ms, tolerance_ms=TOLERANCE_MS, night_ms=NIGHT_MS)
        too_old = sum(count for nights, count in ages.by_night.items() if nights > run.max_age_days)
        return cls(
            asked=ages.asked,
            carried=ages.carried,
            refresh_failed=ages.kept,
            pending=seen.askable - ages.asked - ages.carried,
            overdue=too_old if run.max_age_days else 0,
            oldest_answered_at=None if ages.oldest_ms is None else iso(ages.oldest_ms),
            ages={str(nights): count for nights, count in ages.by_night.items()},
            ended_by=ended_by,
            deadline=None if run.deadline_ms is None else iso(run.deadline_ms),
        )

    def without(self, gone: Iterable[KnownAnswer], *, started_at: str, oldest_ms: int | None) -> Self:
        """The same without addresses that were erased from a published run.

        An answer whose time is not known counts as one that the run asked for; the ages stay as they are then.

        Args:
            gone: what was known about them.
            started_at: when the run first started, ISO 8601.
            oldest_ms: when the oldest answer that is left was given, milliseconds since 1970 UTC; None if unknown.
        """
        started_ms = round(datetime.fromisoformat(started_at).timestamp() * 1000)
        counts: Counter[str] = Counter()
        ages = Counter({int(nights): count for nights, count in self.ages.items()})
        too_old = self._overdue_nights()
        for one in gone:
            if one.outcome in CONCLUSIVE and one.answered_at_ms is not None:
                ages[max(0, (started_ms - one.answered_at_ms + TOLERANCE_MS) // NIGHT_MS)] -= 1
            counts[_counted_as(one, started_ms)] += 1
            counts["refresh_failed"] += one.is_kept
        left = {nights: count for nights, count in sorted(ages.items()) if count > 0}
        oldest = self.oldest_answered_at if oldest_ms is None else iso(oldest_ms)
        return msgspec.structs.replace(
            self,
            **{name: max(0, getattr(self, name) - count) for name, count in counts.items() if name},
            overdue=sum(count for nights, count in left.items() if nights in too_old),
            oldest_answered_at=oldest if left else None,
            ages={str(nights): count for nights, count in left.items()},
        )

    def _overdue_nights(self) -> set[int]:
        """The ages that are overdue: the highest."""
        nights, left = set(), self.overdue
        for age in sorted(map(int, self.ages), reverse=True):
            if left > 0:
                nights.add(age)
                left -= self.ages[str(age)]
        return nights


def _counted_as(one: KnownAnswer, started_ms: int) -> str:
    """The field of `Freshness` in which an address is counted; "" if in none."""
    if one.outcome == Outcome.PENDING:
        return "pending"
    if one.outcome not in ANSWERED:
        return ""
    is_earlier = one.answered_at_ms is not None and one.answered_at_ms < started_ms
    return "carried" if is_earlier and not one.is_kept else "asked"

"""How old the answers of a run are: what its manifest says about answers that were carried over, and about limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

import msgspec

from pipeline.history.due import NIGHT_MS, TOLERANCE_MS
from pipeline.journal.ages import count_ages
from pipeline.outcomes import iso

if TYPE_CHECKING:
    from pipeline.journal.store import Journal

EndedBy = Literal["done", "deadline", "max_calls"]


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

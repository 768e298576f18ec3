"""The budget of a run, as its settings and its journal have it: until when it may call, and how often."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.calls.budget import Budget
from pipeline.errors import ApiUnavailable, UsageError
from pipeline.history.due import HOUR_MS
from pipeline.jobs.notice import NOTICE
from pipeline.settings.deadline import deadline_at, is_time_of_day
from pipeline.words import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.jobs.freshness import EndedBy
    from pipeline.journal.replay import JournalSummary
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

FAR_H = 18
"""A time of day that is further ahead is hardly the one that was meant: the run has started too late for today's."""
SAME_NIGHT_H = 4
"""Hours for which a run whose deadline is over is finished by the next command, without a call: a machine or a service
that is started again must not begin another night in the morning. After that a new run takes over its answers."""
SAME_RUN_H = 12
"""The same for a run that has made all its calls, from its start."""


def is_limited(settings: Settings) -> bool:
    """Whether the time or the calls of a run are limited."""
    return settings.deadline is not None or settings.max_calls > 0


def carries_over(settings: Settings) -> bool:
    """Whether a new run uses answers of published ones: up to `max_age_days`, or any if it may not ask for all."""
    return settings.max_age_days > 0 or is_limited(settings)


def deadline_of(settings: Settings, moment_ms: int) -> int | None:
    """When a run that starts at a moment must end its calls, both in milliseconds since 1970 UTC; None is never.

    Raises:
        UsageError: that is over.
    """
    if settings.deadline is None:
        return None
    deadline = deadline_at(settings.deadline, _utc(moment_ms))
    deadline_ms = round(deadline.timestamp() * 1000)
    if deadline_ms <= moment_ms:
        raise UsageError(f"--deadline: {_shown(deadline_ms)} is over; name a later one, or a time of day, as 06:00.")
    return deadline_ms


def deadline_of_new(settings: Settings, moment_ms: int) -> int | None:
    """The same for a run that starts now, which is told of it: loudly if it has probably started too late.

    Raises:
        UsageError: as `deadline_of`.
    """
    deadline_ms = deadline_of(settings, moment_ms)
    if settings.deadline is None or deadline_ms is None:
        return None
    left_ms = deadline_ms - moment_ms
    if is_time_of_day(settings.deadline) and left_ms > FAR_H * HOUR_MS:
        logger.warning(
            "Today's deadline, %s, is over: the run may call until %s, for %s; --max-calls would end it earlier.",
            settings.deadline,
            _shown(deadline_ms),
            duration(left_ms / 1000),
            extra=NOTICE,
        )
    else:
        logger.info("The deadline is %s, in %s.", _shown(deadline_ms), duration(left_ms / 1000))
    return deadline_ms


def deadline_of_resumed(run: JournalSummary, settings: Settings, moment_ms: int) -> int | None:
    """The deadline of a run that is resumed now: the one it has, wherever its settings would put it today.

    Raises:
        UsageError: it has none, and that of the settings is over.
    """
    deadline_ms = run.run.deadline_ms
    if deadline_ms is None:
        return deadline_of_new(settings, moment_ms)
    at = _shown(deadline_ms)
    if deadline_ms <= moment_ms:
        text = "The deadline of the run %s, %s, is over: no more calls are made, and what was answered is published."
        logger.warning(text, run.run.run_id, at, extra=NOTICE)
    else:
        logger.info("The deadline of the run %s is still %s.", run.run.run_id, at)
    return deadline_ms


def is_over(run: JournalSummary, settings: Settings, moment_ms: int) -> bool:
    """Whether the budget of an unfinished run was used up in another night, so that it is not resumed."""
    deadline_ms = run.run.deadline_ms
    if deadline_ms is not None and moment_ms - deadline_ms > SAME_NIGHT_H * HOUR_MS:
        return True
    is_spent = 0 < settings.max_calls <= run.calls
    return is_spent and moment_ms - run.run.started_at_ms > SAME_RUN_H * HOUR_MS


def budget_is_over(run: JournalSummary) -> str:
    """Why a run is not resumed whose budget was used up in another night."""
    deadline_ms = run.run.deadline_ms
    return "it made all its calls" if deadline_ms is None else f"its deadline was {_shown(deadline_ms)}"


def budget_of(journal: Journal, settings: Settings, clock: Callable[[], int]) -> Budget:
    """What the run of a journal may still spend."""
    seen = journal.summary()
    deadline_ms = seen.run.deadline_ms
    return Budget(
        None if deadline_ms is None else deadline_ms / 1000,
        max_calls=settings.max_calls,
        spent=seen.calls,
        record=journal.record_calls,
        wall=lambda: clock() / 1000,
    )


def ended_by(journal: Journal, budget: Budget) -> EndedBy:
    """What has ended the calls of a run: `done` if nobody was left to ask.

    Raises:
        ApiUnavailable: the budget is used up, and nothing was answered: there is nothing new to publish.
    """
    if budget.ended_by is None or next(journal.pending(), None) is None:
        return "done"
    seen = journal.summary()
    if not seen.answered and not seen.failed:
        what = "The deadline has come" if budget.ended_by == "deadline" else "All calls that max_calls allows are made"
        raise ApiUnavailable(f"{what}, and {'no call was answered' if budget.spent else 'none had been made'}.")
    return budget.ended_by


def _utc(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


def _shown(ms: int) -> str:
    return f"{_utc(ms):%Y-%m-%d %H:%M} UTC"

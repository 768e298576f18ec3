"""Unfinished runs, when a command begins: which one it resumes, and what becomes of the others.

A run is resumed by the same lists, byte for byte and by the same column, looked up in the same API for the same App,
within `resume_within_h`. Otherwise a new one begins, and what an unfinished run of the same account has answered is
taken over: it took time. One of another account is never abandoned silently, and never mixed with this one: a run
against the sandbox is not resumed as a real one, nor the other way round.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, NamedTuple

from pipeline.errors import StorageError, UsageError
from pipeline.history.due import HOUR_MS
from pipeline.jobs.budget import budget_is_over, carries_over, is_over
from pipeline.jobs.gone import is_accepted
from pipeline.jobs.kept_answers import is_too_old
from pipeline.jobs.notice import NOTICE
from pipeline.journal.database import remove_journal
from pipeline.journal.replay import JournalSummary, read_summary
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.files.state import StateFolder
    from pipeline.jobs.request import Request
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
_RECENT_H = 12
"""Hours after which a run that is resumed is no longer of the same night."""
REMEDY = "Repair or move it, or start over with --new."


class Unfinished(NamedTuple):
    """The unfinished runs of a folder, newest first, and the files that cannot be read as journals."""

    known: list[JournalSummary]
    unreadable: list[tuple[Path, StorageError]]


def read_journals(folder: StateFolder) -> Unfinished:
    """Look at all journals of a folder, whose lock must be held.

    What a killed import has left is removed: nobody else is importing lists.
    """
    known, unreadable = [], []
    for path in folder.journals():
        try:
            summary = read_summary(path)
        except StorageError as error:
            unreadable.append((path, error))
            continue
        if summary is None:
            remove_journal(path)
        else:
            known.append(summary)
    return Unfinished(sorted(known, key=lambda run: run.run.started_at_ms, reverse=True), unreadable)


def to_resume(
    runs: Sequence[JournalSummary], request: Request, settings: Settings, now_ms: int
) -> JournalSummary | None:
    """The run that a command takes up, of those in a folder; None if it begins a new one."""
    fitting = (run for run in runs if request.takes_up(run) and not is_too_old(run))
    return next((run for run in fitting if not is_of_another_night(run, settings, now_ms)), None)


def is_of_another_night(run: JournalSummary, settings: Settings, now_ms: int) -> bool:
    """Whether an unfinished run was started too long ago to be resumed, or was to end on an earlier day.

    Answers kept by `enrich` have another limit, and a run that only waits for somebody to accept it has none.
    """
    if run.stop is not None and is_accepted(run.stop.code, settings):
        return False
    return not run.written and (hours_ago(run, now_ms) > settings.resume_within_h or is_over(run, settings, now_ms))


def why_of_another_night(run: JournalSummary, settings: Settings, now_ms: int) -> str:
    """Why such a run is not resumed, as a part of a sentence."""
    if hours_ago(run, now_ms) <= settings.resume_within_h:
        return budget_is_over(run)
    return f"it was started {age(run, now_ms)} ago, which is more than resume_within_h ({settings.resume_within_h:g})"


def hours_ago(run: JournalSummary, now_ms: int) -> float:
    """Hours since a run was started."""
    return (now_ms - run.run.started_at_ms) / HOUR_MS


def tell_age(run: JournalSummary, now_ms: int) -> None:
    """Log that a run is resumed: as a warning if its answers may be those of another day."""
    what = "Asking again for what failed in the run" if run.written else "Resuming the unfinished run"
    if hours_ago(run, now_ms) < _RECENT_H or not run.answered:
        logger.info("%s %s.", what, run.run.run_id)
        return
    logger.warning(
        "%s %s, which was started %s ago: %s of its answers are kept as they are."
        " To ask for every address again, start over with --new.",
        what,
        run.run.run_id,
        age(run, now_ms),
        f"{run.answered:,}",
        extra=NOTICE,
    )


def age(run: JournalSummary, now_ms: int) -> str:
    """How long ago a run was started, in words."""
    hours = hours_ago(run, now_ms)
    return f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours"


def adopted_runs(
    folder: StateFolder, unfinished: Unfinished, request: Request, settings: Settings, now_ms: int
) -> list[JournalSummary]:
    """The unfinished runs that a new one takes over, each said in a notice; those that stand in its way are refused.

    A named run may start next to the others; one without a name would be mistaken for them when it is resumed.

    Raises:
        UsageError: one of another account stands in the way, and is not to be replaced.
        StorageError: so does a file that cannot be read.
    """
    _move_unreadable(folder, unfinished, request, settings)
    if not request.resume:
        return []
    runs = [run for run in unfinished.known if not run.written]
    in_the_way = [run for run in runs if request.run_id in (None, run.run.run_id)]
    if not is_replacing(request, settings) and (refused := refusal(in_the_way, request)):
        raise UsageError(refused)
    for run in runs:
        if run not in in_the_way:
            text = "The unfinished run %s (%s) is left as it is; its own command resumes it."
            logger.warning(text, run.run.run_id, counted(run.answered, "answer"), extra=NOTICE)
    for run in in_the_way:
        if not run.answered:
            remove_journal(run.path)  # nothing is lost
    adopted = [run for run in in_the_way if run.answered and request.is_for_account_of(run)]
    for run in adopted:
        _tell_adopted(run, request, settings, now_ms)
    return adopted


def _move_unreadable(folder: StateFolder, unfinished: Unfinished, request: Request, settings: Settings) -> None:
    """Put files aside that cannot be read, if they are to be replaced, and refuse to start if they stand in the way."""
    for path, error in unfinished.unreadable:
        if is_replacing(request, settings):
            logger.warning("%s It was renamed to %s.", error, folder.set_aside(path).name, extra=NOTICE)
        elif request.run_id in (None, folder.run_id(path)):
            raise StorageError(f"{error} {REMEDY}")


def is_replacing(request: Request, settings: Settings) -> bool:
    """Whether a new run is to replace every unfinished one."""
    return not request.resume or settings.unfinished == "replace"


def refusal(in_the_way: Sequence[JournalSummary], request: Request) -> str | None:
    """Why a command cannot start while these runs are unfinished, and what to do; None if it can."""
    foreign = [run for run in in_the_way if run.answered and not request.is_for_account_of(run)]
    if not foreign:
        return None
    run = foreign[0]
    answers = f"{run.answered:,} of {counted(run.askable, 'address')} answered"
    more = f", and {len(foreign) - 1} more" if len(foreign) > 1 else ""
    resume = f"resume it with {run.run.command!r} and its original lists" if run.run.command else "resume it"
    return (
        f"The unfinished run {run.run.run_id} ({answers}{more}) was started for a different account:"
        f" {'; '.join(request.differences(run))}. Either {resume}, or start over with --new, which deletes it"
        " once the new run is published."
    )


def _tell_adopted(run: JournalSummary, request: Request, settings: Settings, now_ms: int) -> None:
    """Say that a run is not resumed, why, and what becomes of it."""
    again = ""
    if differences := "; ".join(request.differences(run)):
        why = differences
    else:
        why = why_of_another_night(run, settings, now_ms)
        again = " and asks again for what is due" if carries_over(settings) else " and asks again for older ones"
    logger.warning(
        "The unfinished run %s is not resumed: %s. A new run takes over its %s%s; once published, it removes %s.",
        run.run.run_id,
        why,
        counted(run.answered, "answer"),
        again,
        run.run.run_id,
        extra=NOTICE,
    )

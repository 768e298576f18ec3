"""The life of a run: new or resumed; one attempt at it after the other; then its journal goes.

Which unfinished run a command resumes, and which a new run takes over, is in `unfinished`; what is left to do for runs
that are published already, in `finished`.
"""

from __future__ import annotations

import itertools
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import StopRun, StorageError, UsageError
from pipeline.files.state import make_way
from pipeline.jobs.budget import carries_over, deadline_of_new, deadline_of_resumed
from pipeline.jobs.earlier import Earlier, newest_answers
from pipeline.jobs.import_lists import import_lists
from pipeline.jobs.kept_answers import remove_kept
from pipeline.jobs.manifest import ManifestBuilder
from pipeline.jobs.odd_rows import find_odd_rows
from pipeline.jobs.unfinished import REMEDY, adopted_runs, is_replacing, read_journals, tell_age, to_resume
from pipeline.journal.records import RunRecord
from pipeline.journal.store import Journal
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.files.folder import OutputFolder
    from pipeline.files.state import StateFolder
    from pipeline.jobs.fetch import Observer
    from pipeline.jobs.request import Request
    from pipeline.jobs.unfinished import Unfinished
    from pipeline.journal.replay import JournalSummary
    from pipeline.settings import Settings


def open_run(
    folder: StateFolder,
    lists: Sequence[EmailList],
    settings: Settings,
    request: Request,
    *,
    output: OutputFolder | None = None,
    clock: Callable[[], int] = now_ms,
    prepare: Callable[[Journal], None] = lambda _: None,
) -> Journal:
    """Open the journal of the unfinished run that `request` matches, or create one; the folder's lock must be held.

    A new one holds what earlier runs know of its addresses, as far as the settings want that; see `earlier`.

    Args:
        folder: where journals are.
        lists: what a new run imports.
        settings: how old answers may be, and whether a new run replaces unfinished ones.
        request: which run the command wants.
        output: where runs are published; None if the job writes a file.
        clock: gives the time, milliseconds since 1970 UTC.
        prepare: is done with the journal before anything else, once it has its lists.

    Raises:
        UsageError: a list cannot be read, the name is taken, or there is an unfinished run of a different account.
        StorageError: a journal is damaged, or cannot be read or written, or there are no answers to carry over.
    """
    found, moment_ms = read_journals(folder), clock()
    same = to_resume(found.known, request, settings, moment_ms)
    if same is not None:
        tell_age(same, moment_ms)
        journal = _open(same.path)
        deadline_ms = deadline_of_resumed(same, settings, moment_ms) if output else None
        journal.resume(request.names, command=request.command, folder=request.folder, deadline_ms=deadline_ms)
        prepare(journal)
    else:
        journal = _new_run(folder, lists, settings, request, found, output, moment_ms, prepare)
    return journal


def _new_run(
    folder: StateFolder,
    lists: Sequence[EmailList],
    settings: Settings,
    request: Request,
    found: Unfinished,
    output: OutputFolder | None,
    moment_ms: int,
    prepare: Callable[[Journal], None],
) -> Journal:
    """A run that starts now, next to those that were found in its folder."""
    deadline_ms = deadline_of_new(settings, moment_ms) if output else None
    adopted = adopted_runs(folder, found, request, settings, moment_ms)
    run_id = _free_name(folder, request.run_id, output, moment_ms, [seen.path for seen in adopted])
    adopted = [_out_of_the_way(folder, seen, run_id) for seen in adopted]
    run = RunRecord(
        run_id,
        moment_ms,
        request.subject,
        request.command,
        request.folder,
        is_replacing(request, settings),
        settings.max_age_days if output else 0,
        deadline_ms=deadline_ms,
    )
    earlier = _earlier(found.known, adopted, request, settings, output)

    def take_over(journal: Journal, run: RunRecord) -> RunRecord:
        prepare(journal)
        return earlier.take_over(journal, run)

    journal = import_lists(lists, folder.journal(run_id), run, take_over)
    remove_kept(found.known)  # only now: a list that cannot be read costs nobody an answer
    return journal


def _earlier(
    known: Sequence[JournalSummary],
    adopted: Sequence[JournalSummary],
    request: Request,
    settings: Settings,
    output: OutputFolder | None,
) -> Earlier:
    """What a new run takes over: with --new nothing, and without `max_age_days` no more than it must not lose."""
    if not request.resume:
        return Earlier(settings)
    if output is None:
        unlimited = {"max_age_days": 0, "deadline": None, "max_calls": 0}
        return Earlier(settings.model_copy(update=unlimited), adopted)
    if not carries_over(settings):
        return Earlier(settings, adopted)
    others = [run for run in known if run not in adopted and request.is_for_account_of(run)]
    return Earlier(settings, adopted, others, newest_answers(output, settings))


@contextmanager
def recorded_attempt(
    journal: Journal, settings: Settings, observer: Observer, clock: Callable[[], int] = now_ms
) -> Iterator[ManifestBuilder]:
    """Collect what the manifest of this attempt says; if the block stops, record why in the journal.

    Raises:
        StopRun: as in the block; `manifest` on it says what was done.
    """
    builder = ManifestBuilder.start(journal, settings, clock)
    observer.named(builder.run.run_id)
    try:
        builder = builder.with_odd_rows(find_odd_rows(journal))
        yield builder
    except StopRun as error:
        with suppress(StorageError):
            error.manifest = builder.stopped(journal.count_rows(), journal.rows().codes(), str(error))
            journal.stopped(error.code, str(error))
        raise
    except KeyboardInterrupt:
        with suppress(StorageError):
            journal.stopped("interrupted", "Stopped by a signal while no call was in flight.")
        raise


def _open(path: Path) -> Journal:
    try:
        return Journal.open(path)
    except StorageError as error:
        raise StorageError(f"{error} {REMEDY}") from error


def name_is_published(run_id: str, owner: Path) -> str:
    """Why no run of that name can start."""
    return f"--run-id {run_id}: already published in {owner}; choose another name."


def _free_name(
    folder: StateFolder, wanted: str | None, output: OutputFolder | None, moment_ms: int, giving_way: Sequence[Path]
) -> str:
    """A name that no published or unfinished run has, but for those whose journals are `giving_way`."""

    def is_published(name: str) -> bool:
        return output is not None and output.is_published(name)

    if wanted is None:
        return next(name for name in _times(moment_ms) if not is_published(name) and not folder.journal(name).exists())
    if is_published(wanted):
        raise UsageError(name_is_published(wanted, folder.owner))
    if (journal := folder.journal(wanted)).exists() and journal not in giving_way:
        raise UsageError(f"--run-id {wanted}: an unfinished run has this name; choose another.")
    return wanted


def _out_of_the_way(folder: StateFolder, adopted: JournalSummary, run_id: str) -> JournalSummary:
    """The same run, under another file name if a new run is called like it."""
    if adopted.path != folder.journal(run_id):
        return adopted
    _open(adopted.path).close()  # which folds what a kill has left in the log into the file
    return adopted._replace(path=make_way(folder, adopted.path))


def _times(moment_ms: int) -> Iterator[str]:
    stamp = datetime.fromtimestamp(moment_ms / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
    return (stamp if n == 1 else f"{stamp}-{n}" for n in itertools.count(1))

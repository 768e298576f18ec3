"""The life of a run: new, resumed or already published; one attempt at it after the other; then its journal goes.

An unfinished run is recognised by its content: the same lists, byte for byte and by the same column, looked up in the
same API for the same App. A run against the sandbox is never resumed as a real one, nor the other way round. An
unfinished run for a different list is never abandoned silently, because its answers took time.
"""

from __future__ import annotations

import itertools
import logging
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pipeline.errors import StopRun, StorageError, UsageError
from pipeline.files.folder import read_manifest
from pipeline.jobs.import_lists import import_lists
from pipeline.jobs.kept_answers import is_too_old, remove_kept
from pipeline.jobs.manifest import Manifest, ManifestBuilder
from pipeline.jobs.notice import NOTICE
from pipeline.jobs.odd_rows import find_odd_rows
from pipeline.journal.database import remove_journal
from pipeline.journal.records import RunRecord
from pipeline.journal.replay import JournalSummary, read_summary
from pipeline.journal.store import Journal
from pipeline.outcomes import iso, now_ms
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.files.folder import OutputFolder
    from pipeline.files.state import StateFolder
    from pipeline.jobs.fetch import Observer
    from pipeline.jobs.request import Request
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
_REMEDY = "Repair or move it, or start over with --new."
_RECENT_H = 12
"""Hours after which a run that is resumed is no longer of the same night."""


def finish_published(folder: OutputFolder, request: Request) -> Manifest | None:
    """Tidy up after runs whose process ended right after it published them, before it could remove their journals.

    Returns the manifest of the one that `request` asks for by name, if there is one: nothing is left to do for it. A
    command that names no run is not done with that: it may be that of the next night, which must not be skipped.

    Raises:
        StorageError: `latest` cannot be switched to such a run, or its journal cannot be removed.
    """
    finished = None
    for path in folder.state.journals():
        run_id = folder.state.run_id(path)
        manifest = read_manifest(folder.run(run_id))
        if manifest is None:
            continue
        done = _summary_of(path, manifest)
        if done is not None:
            is_asked_for = request.run_id == run_id and request.takes_up(done)
            if is_asked_for:
                finished = Manifest.from_dict(manifest, folder.run(run_id))
            _tidy_up(folder, done, str(manifest["finished_at"]), is_asked_for=is_asked_for)
    return finished


def _summary_of(journal: Path, manifest: dict[str, Any]) -> JournalSummary | None:
    """The summary of a journal if it is that of the published run, and not of another with its name."""
    with suppress(StorageError):
        done = read_summary(journal)
        if done and manifest.get("started_at") == iso(done.run.started_at_ms):
            return done
    return None


def _tidy_up(folder: OutputFolder, done: JournalSummary, finished_at: str, *, is_asked_for: bool) -> None:
    run_id = done.run.run_id
    if folder.is_newest(finished_at):
        folder.switch_latest_to(run_id)
    _remove_replaced(folder.state, done.run)
    remove_journal(done.path)
    logger.warning(
        "The run %s was published on %s UTC, but ended before it had tidied up. That is done now; %s.",
        run_id,
        finished_at[:16].replace("T", " "),
        "it is the one that was asked for, so no call is made" if is_asked_for else "this run asks for every address",
        extra=NOTICE,
    )


def open_run(
    folder: StateFolder,
    lists: Sequence[EmailList],
    settings: Settings,
    request: Request,
    *,
    is_published: Callable[[str], bool] = lambda _: False,
) -> Journal:
    """Open the journal of the unfinished run that `request` matches, or create one; the folder's lock must be held.

    Args:
        folder: where journals are.
        lists: what a new run imports.
        settings: whether a new run replaces unfinished ones.
        request: which run the command wants.
        is_published: whether a run of that name is published already.

    Raises:
        UsageError: a list cannot be read, the name is taken, or there is an unfinished run for a different list.
        StorageError: a journal is damaged, or cannot be read or written.
    """
    known, unreadable = _read_journals(folder)
    same = next((run for run in known if request.takes_up(run) and not is_too_old(run)), None)
    if same is not None:
        _tell_age(same)
        journal = _open(same.path)
        journal.resume(request.names, command=request.command, folder=request.folder)
        return journal
    replaces = not request.resume or settings.unfinished == "replace"
    unfinished = [run for run in known if not run.written]
    _resolve_unfinished(folder, request, unfinished, unreadable, replaces=replaces)
    run_id = _free_name(folder, request.run_id, is_published)
    run = RunRecord(run_id, now_ms(), request.subject, request.command, request.folder, replaces)
    journal = import_lists(lists, folder.journal(run_id), run)
    remove_kept(known)  # only now: a list that cannot be read costs nobody an answer
    return journal


@contextmanager
def recorded_attempt(journal: Journal, settings: Settings, observer: Observer) -> Iterator[ManifestBuilder]:
    """Collect what the manifest of this attempt says; if the block stops, record why in the journal.

    Raises:
        StopRun: as in the block; `manifest` on it says what was done.
    """
    builder = ManifestBuilder.start(journal, settings)
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


def remove_journals(folder: StateFolder, published: Journal) -> None:
    """Remove the journal of a published run, and those of the runs that it replaces.

    If that fails the next run does it; this one is published all the same.
    """
    try:
        run = published.summary().run
        published.close()
        _remove_replaced(folder, run)
        remove_journal(published.path)
    except StorageError as error:
        logger.warning("%s", error)


def _tell_age(run: JournalSummary) -> None:
    """Log that a run is resumed: as a warning if its answers may be those of another day."""
    what = "Asking again for what failed in the run" if run.written else "Resuming the unfinished run"
    hours = (now_ms() - run.run.started_at_ms) / 3_600_000
    if hours < _RECENT_H or not run.answered:
        logger.info("%s %s.", what, run.run.run_id)
        return
    logger.warning(
        "%s %s, which was started %s ago: %s of its answers are kept as they are."
        " To ask for every address again, start over with --new.",
        what,
        run.run.run_id,
        f"{hours / 24:.0f} days" if hours >= 48 else f"{hours:.0f} hours",
        f"{run.answered:,}",
        extra=NOTICE,
    )


def _open(path: Path) -> Journal:
    try:
        return Journal.open(path)
    except StorageError as error:
        raise StorageError(f"{error} {_REMEDY}") from error


def _read_journals(folder: StateFolder) -> tuple[list[JournalSummary], list[tuple[Path, StorageError]]]:
    """The unfinished runs, newest first, and the files that cannot be read as journals.

    What a killed import has left is removed: the lock is held, so nobody is importing lists.
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
    return sorted(known, key=lambda run: run.run.started_at_ms, reverse=True), unreadable


def _resolve_unfinished(
    folder: StateFolder,
    request: Request,
    known: Sequence[JournalSummary],
    unreadable: Sequence[tuple[Path, StorageError]],
    *,
    replaces: bool,
) -> None:
    """Decide about unfinished runs before another one starts: replace them, leave them, or refuse to start.

    A named run may start next to the others; one without a name would be mistaken for them when it is resumed.
    """
    if replaces:
        for path, error in unreadable:
            logger.warning("%s It was renamed to %s.", error, folder.set_aside(path).name, extra=NOTICE)
        return
    for path, error in unreadable:
        if request.run_id in (None, folder.run_id(path)):
            raise StorageError(f"{error} {_REMEDY}")
    conflicting = [run for run in known if request.run_id in (None, run.run.run_id)]
    for run in conflicting:
        if not run.answered:
            remove_journal(run.path)  # nothing is lost
    if answered := [run for run in conflicting if run.answered]:
        raise UsageError(refusal(answered[0], request, others=len(answered) - 1))
    for run in known:
        if run in conflicting:
            continue
        logger.warning(
            "The unfinished run %s (%s) is left as it is; its own command resumes it.",
            run.run.run_id,
            counted(run.answered, "answer"),
            extra=NOTICE,
        )


def refusal(run: JournalSummary, request: Request, *, others: int) -> str:
    """Why a command cannot start while that run is unfinished, and what to do."""
    answers = f"{run.answered:,} of {counted(run.addresses, 'address')} answered"
    more = f", and {others} more" if others else ""
    resume = f"resume it with {run.run.command!r} and its original lists" if run.run.command else "resume it"
    return (
        f"The unfinished run {run.run.run_id} ({answers}{more}) was started for a different list or account:"
        f" {'; '.join(request.differences(run))}. Either {resume}, or start over with --new, which deletes it"
        " once the new run is published."
    )


def name_is_published(run_id: str, owner: Path) -> str:
    """Why no run of that name can start."""
    return f"--run-id {run_id}: already published in {owner}; choose another name."


def _remove_replaced(folder: StateFolder, run: RunRecord) -> None:
    """Remove the journals of unfinished runs that a published run replaces: those that started before it."""
    for path in folder.journals() if run.replaces else ():
        with suppress(StorageError):
            seen = read_summary(path)
            if seen and seen.run.run_id != run.run_id and seen.run.started_at_ms <= run.started_at_ms:
                text = "The unfinished run %s (%s) was deleted: %s, which replaces it, is published."
                logger.warning(text, seen.run.run_id, counted(seen.answered, "answer"), run.run_id, extra=NOTICE)
                remove_journal(path)


def _free_name(folder: StateFolder, wanted: str | None, is_published: Callable[[str], bool]) -> str:
    """A name that no published or unfinished run has."""
    if wanted is None:
        return next(name for name in _times() if not is_published(name) and not folder.journal(name).exists())
    if is_published(wanted):
        raise UsageError(name_is_published(wanted, folder.owner))
    if folder.journal(wanted).exists():
        raise UsageError(f"--run-id {wanted}: an unfinished run has this name; choose another.")
    return wanted


def _times() -> Iterator[str]:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return (stamp if n == 1 else f"{stamp}-{n}" for n in itertools.count(1))

"""Which run this is: a new one, one that goes on, or one that is published already.

An unfinished run is known again by what it was about: the same lists, byte for byte and by the same column, asked of
the same API for the same App. A rehearsal never goes on as a real run, nor the other way round. An unfinished run that
is about something else is never left behind without a word: its answers were paid for.
"""

from __future__ import annotations

import itertools
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.errors import StorageError, UsageError
from pipeline.files.folder import read_manifest
from pipeline.jobs.intake import take_in
from pipeline.journal.glance import Glance, glance
from pipeline.journal.records import RunRecord
from pipeline.journal.store import Journal
from pipeline.outcomes import iso, now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.files.folder import OutputFolder
    from pipeline.files.state import StateFolder
    from pipeline.jobs.report import Manifest
    from pipeline.jobs.request import Request
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
_WAYS_OUT = "Put it right or elsewhere, or begin anew with --new."


def finish_published(folder: OutputFolder, request: Request) -> Manifest | None:
    """See to runs that were published by a process that ended right then: their journals are still there.

    Returns the manifest of the one that `request` is about, if there is one: it has nothing left to do.
    """
    finished = None
    for path in folder.journals():
        run_id = folder.run_id(path)
        manifest = read_manifest(folder.run(run_id))
        if manifest is None:
            continue
        with suppress(StorageError):
            done = glance(path)
            if manifest.get("started_at") == iso(done.run.started_at_ms):  # and no other run of the same name
                folder.point_latest_to(run_id)
                finished = manifest if request.takes_up(done) else finished
                _forget_replaced(folder, done.run)
                Journal.remove_file(path)
    return finished


def open_run(folder: StateFolder, lists: Sequence[EmailList], settings: Settings, request: Request) -> Journal:
    """The journal of an unfinished run about the same, or a new one; the folder's lock must be held.

    Raises:
        UsageError: a list cannot be read, the name is taken, or an unfinished run is about something else.
        StorageError: a journal is damaged, or cannot be read or written.
    """
    known, unreadable = _look_at_journals(folder)
    same = next((run for run in known if request.takes_up(run)), None)
    if same is not None:
        logger.info("taking up the unfinished run %s", same.run.run_id)
        journal = _opened(same.path)
        journal.rename_lists(request.names)
        journal.resumed()
        return journal
    replaces = not request.resume or settings.unfinished == "replace"
    _settle(folder, request, known, unreadable, replaces=replaces)
    run_id = _free_name(folder, request.run_id)
    run = RunRecord(run_id, now_ms(), request.subject, request.command, request.folder, replaces)
    journal = take_in(lists, folder.incoming(), run)
    journal.close()
    journal.rename(folder.journal(run_id))
    return Journal(folder.journal(run_id))


def tidy_up(folder: StateFolder, published: Journal) -> None:
    """Remove the journal of a published run, and those of the runs that it replaces.

    Should it fail, the next run tidies up, and this one is published all the same.
    """
    try:
        run = published.run()
        published.close()
        _forget_replaced(folder, run)
        published.remove()
    except StorageError as error:
        logger.warning("%s", error)


def _opened(path: Path) -> Journal:
    try:
        return Journal(path)
    except StorageError as error:
        raise StorageError(f"{error} {_WAYS_OUT}") from error


def _look_at_journals(folder: StateFolder) -> tuple[list[Glance], list[tuple[Path, StorageError]]]:
    """The unfinished runs, newest first, and what lies among them that is no journal or a damaged one."""
    known, unreadable = [], []
    for path in folder.journals():
        try:
            known.append(glance(path))
        except StorageError as error:
            unreadable.append((path, error))
    return sorted(known, key=lambda run: run.run.started_at_ms, reverse=True), unreadable


def _settle(
    folder: StateFolder,
    request: Request,
    known: Sequence[Glance],
    unreadable: Sequence[tuple[Path, StorageError]],
    *,
    replaces: bool,
) -> None:
    """See what is to become of unfinished runs before another one begins: replace them, leave them, or refuse.

    A run with a name of its own begins beside the others; one without a name would be taken for theirs.
    """
    if replaces:
        for path, error in unreadable:
            logger.warning("%s It is kept as %s.", error, folder.set_aside(path).name)
        return
    for path, error in unreadable:
        if request.run_id in (None, folder.run_id(path)):
            raise StorageError(f"{error} {_WAYS_OUT}")
    in_the_way = [run for run in known if request.run_id in (None, run.run.run_id)]
    for run in in_the_way:
        if not run.answered:
            Journal.remove_file(run.path)  # nothing was paid for
    if paid := [run for run in in_the_way if run.answered]:
        raise UsageError(refusal(paid[0], request, others=len(paid) - 1))
    for run in known:
        if run in in_the_way:
            continue
        logger.warning("The unfinished run %s (%d answers) waits for its own command.", run.run.run_id, run.answered)


def refusal(run: Glance, request: Request, *, others: int) -> str:
    """Why a command cannot begin while that run is unfinished, and what to do."""
    answers = f"{run.answered:,} of {run.addresses:,} addresses answered"
    more = f", and {others} more" if others else ""
    its_own = f"{run.run.command!r}, with its lists as they were," if run.run.command else "Its own command"
    return (
        f"The unfinished run {run.run.run_id} ({answers}{more}) is about something else:"
        f" {'; '.join(request.differences(run))}. {its_own} goes on with it;"
        " --new begins anew, and once that is published forgets it."
    )


def _forget_replaced(folder: StateFolder, run: RunRecord) -> None:
    """Remove the journals of unfinished runs that a published run replaces: those that began before it."""
    for path in folder.journals() if run.replaces else ():
        with suppress(StorageError):
            seen = glance(path)
            if seen.run.run_id != run.run_id and seen.run.started_at_ms <= run.started_at_ms:
                text = "The unfinished run %s (%d answers) is forgotten: %s, begun to replace it, is published."
                logger.warning(text, seen.run.run_id, seen.answered, run.run_id)
                Journal.remove_file(path)


def _free_name(folder: StateFolder, wanted: str | None) -> str:
    """A name for the run that no published and no unfinished one has."""
    if wanted is None:
        return next(name for name in _times() if not folder.is_taken(name) and not folder.journal(name).exists())
    if folder.is_taken(wanted):
        raise UsageError(f"--run-id {wanted}: this run is already published in {folder.owner}; choose another.")
    if folder.journal(wanted).exists():
        raise UsageError(f"--run-id {wanted}: an unfinished run has this name; give the new one another.")
    return wanted


def _times() -> Iterator[str]:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return (stamp if n == 1 else f"{stamp}-{n}" for n in itertools.count(1))

"""What is left to do for runs that are published: `latest`, and the journals that nobody needs any more."""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from pipeline.errors import StorageError
from pipeline.files.folder import read_manifest
from pipeline.jobs.manifest import Manifest
from pipeline.jobs.notice import NOTICE
from pipeline.journal.adopted import AdoptedRun, adopted_by
from pipeline.journal.database import remove_journal
from pipeline.journal.replay import JournalSummary, read_summary
from pipeline.outcomes import iso
from pipeline.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.files.folder import OutputFolder
    from pipeline.files.state import StateFolder
    from pipeline.jobs.request import Request
    from pipeline.journal.records import RunRecord
    from pipeline.journal.store import Journal

logger = logging.getLogger(__name__)


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


def remove_journals(folder: StateFolder, published: Journal) -> None:
    """Remove the journal of a published run, and those of the runs that it replaces or has taken over.

    If that fails the next run does it; this one is published all the same.
    """
    try:
        run = published.summary().run
        published.close()
        _remove_earlier(folder, run, adopted_by(published.path))
        remove_journal(published.path)
    except StorageError as error:
        logger.warning("%s", error)


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
    _remove_earlier(folder.state, done.run, adopted_by(done.path))
    remove_journal(done.path)
    logger.warning(
        "The run %s was published on %s UTC, but ended before it had tidied up. That is done now; %s.",
        run_id,
        finished_at[:16].replace("T", " "),
        "it is the one that was asked for, so no call is made" if is_asked_for else "this run asks as usual",
        extra=NOTICE,
    )


def _remove_earlier(folder: StateFolder, run: RunRecord, adopted: set[AdoptedRun]) -> None:
    """Remove the journals of unfinished runs that a published run has taken over.

    If it replaces all, those that it has not go as well, but for those that started after it.
    """
    for path in folder.journals() if run.replaces or adopted else ():
        with suppress(StorageError):
            seen = read_summary(path)
            if seen is None or AdoptedRun(run.run_id, run.started_at_ms) == _name(seen.run):
                continue
            if _name(seen.run) in adopted:
                logger.info("removed the unfinished run %s, whose answers %s has", seen.run.run_id, run.run_id)
                remove_journal(path)
            elif run.replaces and seen.run.run_id != run.run_id and seen.run.started_at_ms <= run.started_at_ms:
                text = "The unfinished run %s (%s) was deleted: %s, which replaces it, is published."
                logger.warning(text, seen.run.run_id, counted(seen.answered, "answer"), run.run_id, extra=NOTICE)
                remove_journal(path)


def _name(run: RunRecord) -> AdoptedRun:
    return AdoptedRun(run.run_id, run.started_at_ms)

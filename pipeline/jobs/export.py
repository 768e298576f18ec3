"""The nightly job: lists in, a published run out."""

from __future__ import annotations

import itertools
import logging
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipeline.emails.reader import EmailList
from pipeline.errors import StopRun, StorageError, UsageError
from pipeline.files.folder import OutputFolder
from pipeline.jobs.asking import ask_all
from pipeline.jobs.intake import find_unfinished, take_in
from pipeline.jobs.observer import Observer
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.report import Manifest, Report
from pipeline.journal import Journal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def export(
    settings: Settings,
    lists: Sequence[Path],
    out: Path,
    *,
    run_id: str | None = None,
    resume: bool = True,
    observer: Observer | None = None,
) -> Manifest:
    """Ask for every address of the lists and publish all tables under `out`; return the manifest.

    A stopped run over the same lists is taken up again, unless `resume` is false: what it had asked is not asked again.

    Raises:
        UsageError: settings, lists or `out` are not usable; nothing was called.
        StopRun: the run had to stop; `report` on it holds the manifest of what was done, and the answers are kept.
    """
    observer = observer or Observer()
    settings.require_credentials()
    sources = [EmailList(path, settings.email_column) for path in lists]
    for source in sources:
        source.check()
    folder = OutputFolder(out)
    folder.prepare()
    with folder.lock(), _open_journal(folder, sources, run_id, resume=resume) as journal:
        report = Report(journal, settings)
        try:
            observer.listed(**report.progress())
            ask_all(settings, journal, observer, report.calls)
            observer.publishing()
            manifest = _publish(folder, report, settings)
        except StopRun as error:
            error.report = report.stopped(str(error))
            raise
    observer.published(folder.run(manifest["run_id"]))
    journal.remove()
    return manifest


def _publish(folder: OutputFolder, report: Report, settings: Settings) -> Manifest:
    run_id = report.run_id
    with folder.staging(run_id) as staging:
        manifest = report.published(write_tables(report.journal, settings, staging))
        place = folder.publish(staging, run_id, manifest)
    logger.info("published %s", place)
    return manifest


def _open_journal(folder: OutputFolder, lists: Sequence[EmailList], wanted: str | None, *, resume: bool) -> Journal:
    """The journal of a stopped run over the same lists, or a new one."""
    run_id = _run_id(folder, wanted)
    # One name for whatever is being taken in, so that a killed run's leftover is written over by the next.
    path, incoming = folder.journal(run_id), folder.incoming("new")
    new = take_in(lists, incoming, run_id)
    with new:
        candidates = [path for path in _journals(folder) if resume and wanted in (None, path.stem)]
        unfinished = find_unfinished(candidates, new)
    if unfinished is not None:
        new.remove()
        logger.info("taking up the stopped run %s", unfinished.stem)
        return Journal(unfinished)
    if path.exists():
        new.remove()
        raise UsageError(f"--run-id {run_id}: another stopped run has this name; choose another.")
    incoming.rename(path)
    return Journal(path)


def _journals(folder: OutputFolder) -> list[Path]:
    """Journals of unfinished runs; one whose run is there already was left by a kill at the very end, and goes."""
    unfinished = []
    for path in folder.journals():
        if folder.run(path.stem).exists():
            with suppress(StorageError):
                left = Journal(path)
                left.close()
                left.remove()
        else:
            unfinished.append(path)
    return unfinished


def _run_id(folder: OutputFolder, wanted: str | None) -> str:
    """A name for the run that no other run in the folder has."""
    if wanted is None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        names = (stamp if n == 1 else f"{stamp}-{n}" for n in itertools.count(1))
        return next(name for name in names if not folder.run(name).exists() and not folder.journal(name).exists())
    if not _RUN_ID.fullmatch(wanted):
        raise UsageError(f"--run-id {wanted!r}: use up to 64 letters, digits, dots, dashes and underscores.")
    if folder.run(wanted).exists():
        raise UsageError(f"--run-id {wanted}: this run is already published in {folder.run(wanted)}.")
    return wanted

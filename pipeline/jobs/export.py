"""The nightly job: lists in, a published run out."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.emails.reader import EmailList, Reading
from pipeline.errors import StopRun, StorageError
from pipeline.files.folder import OutputFolder
from pipeline.jobs.asking import ask_all
from pipeline.jobs.observer import Observer
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.report import Manifest, Report
from pipeline.jobs.runs import open_run, tidy_up

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


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

    A stopped run about the same is taken up again, unless `resume` is false: what it had asked is not asked again.

    Raises:
        UsageError: settings, lists or `out` are not usable; nothing was called.
        StopRun: the run had to stop; `report` on it holds the manifest of what was done, and the answers are kept.
    """
    observer = observer or Observer()
    settings.require_credentials()
    sources = _sources(lists, settings)
    for source in sources:
        source.check()
    folder = OutputFolder(out)
    folder.prepare()
    with folder.lock(), open_run(folder, sources, settings, wanted=run_id, resume=resume) as journal:
        report = Report(journal, settings)
        try:
            observer.listed(**report.progress())
            ask_all(settings, journal, observer, report.calls)
            observer.publishing()
            manifest = _publish(folder, report, settings)
        except StopRun as error:
            with suppress(StorageError):
                error.report = report.stopped(str(error))
            raise
        tidy_up(folder, journal, replaced=not resume)
    observer.published(folder.run(manifest["run_id"]))
    return manifest


def _sources(paths: Sequence[Path], settings: Settings) -> list[EmailList]:
    """The lists by their files' names; those of the same name by their paths, so that they can be told apart."""
    names = Counter(path.name for path in dict.fromkeys(paths))
    reading = Reading(settings.email_column, settings.encoding, settings.delimiter)
    return [EmailList(path, reading, str(path) if names[path.name] > 1 else None) for path in paths]


def _publish(folder: OutputFolder, report: Report, settings: Settings) -> Manifest:
    run_id = report.run_id
    with folder.staging(run_id) as staging:
        manifest = report.published(write_tables(report.journal, settings, staging))
        place = folder.publish(staging, run_id, manifest)
    logger.info("published %s", place)
    return manifest

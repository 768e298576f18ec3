"""The nightly job: lists in, a published run out."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.files.folder import OutputFolder
from pipeline.jobs.conduct import conduct
from pipeline.jobs.intake import sources
from pipeline.jobs.observer import Observer
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.request import Request
from pipeline.jobs.runs import finish_published, open_run, tidy_up

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest, ManifestBuilder
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def export(
    settings: Settings,
    lists: Sequence[Path],
    out: Path,
    *,
    run_id: str | None = None,
    resume: bool = True,
    command: str = "",
    observer: Observer | None = None,
) -> Manifest:
    """Ask for every address of the lists and publish all tables under `out`; return the manifest.

    An unfinished run about the same is taken up again, unless `resume` is false: what it had asked is not asked again.
    `command` is what a person would type to go on with this run; messages and `status` show it.

    Raises:
        UsageError: settings, lists or `out` are not usable, or an unfinished run there is about something else;
            nothing was called.
        StopRun: the run had to stop; `manifest` on it says what was done, and the answers are kept.
    """
    observer = observer or Observer()
    settings.require_credentials()
    chosen = sources(lists, settings)
    for source in chosen:
        source.check()
    folder = OutputFolder(out)
    folder.prepare()
    with folder.lock():
        folder.clear_leftovers()
        try:
            request = Request.of(folder, chosen, settings, run_id=run_id, resume=resume, command=command)
            manifest = finish_published(folder, request)
            if manifest is None:
                with open_run(folder, chosen, settings, request) as journal:
                    manifest = _run(folder, journal, settings, observer)
        finally:
            folder.clear_spools()
    observer.published(folder.run(manifest.run_id))
    return manifest


def _run(folder: OutputFolder, journal: Journal, settings: Settings, observer: Observer) -> Manifest:
    """From an open journal to a published run."""
    manifest = conduct(
        folder, journal, settings, observer, lambda builder: _publish(folder, journal, settings, builder)
    )
    tidy_up(folder, journal)
    if settings.keep_runs:
        for removed in folder.keep_newest(settings.keep_runs):
            logger.info("removed the older run %s", removed)
    return manifest


def _publish(folder: OutputFolder, journal: Journal, settings: Settings, builder: ManifestBuilder) -> Manifest:
    run_id = builder.run.run_id
    with folder.staging(run_id) as staging:
        manifest = builder.published(write_tables(journal, settings, staging))
        place = folder.publish(staging, run_id, manifest.to_dict())
    logger.info("published %s", place)
    return manifest

"""Tables again, from the replies that a published run kept: another format, a new column, a mended rule; no call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.files.parquet import described
from pipeline.files.published import PublishedRun
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.report import files_of, status_of, tally
from pipeline.settings import SHAPE, Settings
from pipeline.tables.records import REPLY_SCHEMA
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pipeline.jobs.report import Manifest

logger = logging.getLogger(__name__)


def _as_it_was(shape: Mapping[str, object]) -> Settings:
    return Settings.model_validate(shape)


def rebuild(run: Path, out: Path, load: Callable[[Mapping[str, object]], Settings] = _as_it_was) -> Manifest:
    """Publish the run in the folder `run` once more, under its name, in `out`; return the manifest.

    `load` makes settings of those of `SHAPE` that the run was published with; without it, things stay as they were.
    What the manifest says about the calls is taken over. With the same code and settings every file, the manifest too,
    is the same to the last byte.

    Raises:
        UsageError: `run` is no published run with its replies, or `out` cannot take it.
        StorageError: something cannot be read or written, or is damaged.
        FolderBusy: a run is publishing there.
    """
    kept = PublishedRun(run)
    before = kept.manifest["settings"]
    settings = load({key: before[key] for key in SHAPE if before.get(key) is not None})
    folder = OutputFolder(out)
    folder.prepare()
    run_id = str(kept.manifest["run_id"])
    with folder.lock():
        folder.clear_leftovers()
        if folder.run(run_id).exists():
            raise UsageError(f"{folder.run(run_id)}: this run is there already; name another --out.")
        if folder.journal(run_id).exists():
            raise UsageError(f"{out}: an unfinished run there has the name {run_id}; name another --out.")
        with folder.staging(run_id) as staging:
            replies = kept.copy_replies(staging, described(REPLY_SCHEMA)) if settings.keep_replies else None
            published = write_tables(kept, settings, staging, replies=replies)
            manifest = {
                **kept.manifest,
                "status": status_of(published.rows),
                "tool": {**kept.manifest.get("tool", {}), "version": __version__},
                "rows": tally(published.rows),
                "settings": {**kept.manifest["settings"], **settings.shape()},
                **files_of(published),
            }
            place = folder.publish(staging, run_id, manifest, newest=_is_newest(folder, manifest))
    logger.info("published %s", place)
    return manifest


def _is_newest(folder: OutputFolder, manifest: Manifest) -> bool:
    """Whether no run that finished later is `latest` there."""
    latest = read_manifest(folder.latest)
    return latest is None or str(latest["finished_at"]) <= str(manifest["finished_at"])

"""The feed that a run has published: taken over as it is, and verified.

It is made of replies of two runs, of which one may be gone: what it says cannot be had again.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.latest import RUN_PREFIX
from pipeline.files.output_format import FileInfo
from pipeline.files.published import PublishedRun
from pipeline.files.published import open_table as read_table
from pipeline.files.state import StateFolder
from pipeline.jobs.comparing import NoFeed, compared_runs
from pipeline.jobs.table_files import feed_formats, open_table
from pipeline.schema import CHANGES
from pipeline.tables.frames import empty_frame, make_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from pipeline.history.feed import FeedBatch
    from pipeline.jobs.feed_rules import FeedRules
    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.manifest_files import PublishedFile
    from pipeline.jobs.table_files import Parts
    from pipeline.jobs.verification import Findings
    from pipeline.settings import Settings

FILE = f"{CHANGES.name}.parquet"
_BATCH_ROWS = 20_000


def copied_changes(run: Path, manifest: Manifest, settings: Settings, folder: Path) -> list[FileInfo]:
    """Copy the feed of the run in the folder `run` into another, byte for byte; other formats are made of it.

    There is none of runs that earlier versions have published.

    Raises:
        StorageError: it is not what the manifest describes, or cannot be read or written.
    """
    described = _described(manifest)
    if described is None:
        return []
    source, copy = run / FILE, folder / FILE
    with durable.storage_errors(source):
        intact = durable.sha256(source) == described.sha256
    if not intact:
        raise StorageError(f"{source}: differs from what the manifest describes (changed or damaged).")
    with durable.storage_errors(copy), source.open("rb") as original, durable.create(copy) as target:
        shutil.copyfileobj(original, target, 1 << 20)
    infos = [FileInfo.of(copy, described.rows)]
    if others := [name for name in feed_formats(settings) if name != "parquet"]:
        with open_table(folder, CHANGES.name, empty_frame(CHANGES), settings, *others) as file:
            for frame in _frames(source):
                file.write(frame)
        infos += file.files()
    order = [f"{CHANGES.name}.{name}" for name in feed_formats(settings)]
    return sorted(infos, key=lambda info: order.index(info.name))


def _described(manifest: Manifest) -> PublishedFile | None:
    return next((file for file in manifest.files() if file.name == FILE), None)


def _frames(path: Path) -> Iterator[pd.DataFrame]:
    with read_table(path) as file:
        for batch in file.iter_batches(_BATCH_ROWS, columns=list(CHANGES.names)):
            yield make_frame(CHANGES.names, [batch.column(name) for name in CHANGES.names])


@contextmanager
def feed_again(
    run: Path, manifest: Manifest, settings: Settings, rules: FeedRules, findings: Findings
) -> Iterator[Parts[FeedBatch] | None]:
    """The feed of a run made again, to be compared with what it published; None, and a note, if that is not possible.

    Raises:
        StorageError: there is no room for what that takes, or a file cannot be read.
    """
    if manifest.changes is None or manifest.changes.since_run is None:
        yield None if manifest.changes is None else NoFeed()
        return
    since = manifest.changes.since_run
    before = _intact(run.resolve().parent / f"{RUN_PREFIX}{since}")
    is_without_some = manifest.rows.suppressed or manifest.changes.forgotten
    if before is None or is_without_some:
        why = f"that needs the replies of the run {since}, too" if before is None else "people are suppressed in it"
        findings.notes.append(f"{run / FILE}: was not made again, as {why}; only its checksum and rows were verified.")
        yield None
        return
    place = StateFolder.in_folder(run.resolve().parent).path
    with compared_runs(before, PublishedRun(run), settings, place, rules) as comparison:
        yield comparison.feed


def _intact(run: Path) -> PublishedRun | None:
    try:
        return PublishedRun(run)
    except (UsageError, StorageError):
        return None

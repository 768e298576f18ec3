"""Where a report goes: into the folder of a run that is about to be published, or anywhere later on."""

from __future__ import annotations

import hashlib
import logging
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pipeline.errors import LeadExportError, UsageError
from pipeline.files import durable
from pipeline.files.latest import run_at
from pipeline.files.published import published_manifest
from pipeline.files.state import StateFolder
from pipeline.filesystem import sync
from pipeline.jobs.manifest import Manifest
from pipeline.jobs.manifest_files import ReportFile
from pipeline.jobs.report.facts import Facts
from pipeline.jobs.report.page import render

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger(__name__)

REPORT = "report.html"
"""Its name in the folder of a run."""


def add_report(manifest: Manifest, folder: Path, state: Path) -> Manifest:
    """Write the report of a run into its `folder`, before it is published; return the manifest with the file in it.

    Whatever goes wrong is one warning, and the run goes without a report: it is complete all the same.

    Args:
        manifest: that of the run.
        folder: where the run's files are.
        state: the hidden folder with the history of attempts.
    """
    path = folder / REPORT
    try:
        file = _create(path, render(manifest, Facts.of(manifest, folder, state)))
    except Exception as error:  # noqa: BLE001 - a page with pictures must not cost a night's run
        with suppress(OSError):
            path.unlink(missing_ok=True)
        logger.warning("There is no %s for this run: %s.", REPORT, _why(error))
        return manifest
    return msgspec.structs.replace(manifest, report=file)


def report(run: Path, out: Path, *, force: bool = False) -> ReportFile:
    """Write the report of the published run in the folder `run` to the file `out`; return what was written.

    Raises:
        UsageError: `run` is not a published run, or `out` cannot be written or exists and `force` is false.
        StorageError: the manifest is damaged, or the disk is full or failing.
    """
    run = run_at(run)
    manifest = Manifest.from_dict(published_manifest(run), run)
    if out.is_dir():
        raise UsageError(f"{out}: is a folder; name a file.")
    if not out.absolute().parent.is_dir():
        raise UsageError(f"{out}: there is no folder {out.absolute().parent}; create it, or name another --out.")
    if out.exists() and not force:
        raise UsageError(f"{out}: already exists; add --force to replace it, or name another --out.")
    # `latest` is a link; the history lies beside the run that it points to.
    state = StateFolder.in_folder(run.resolve().parent).path
    html = render(manifest, Facts.of(manifest, run, state))
    staged = out.with_name(f".{out.name}.{secrets.token_hex(4)}.partial")
    with durable.storage_errors(out):
        try:
            file = _create(staged, html)
            durable.move(staged, out, replace=force)
        finally:
            staged.unlink(missing_ok=True)
    return msgspec.structs.replace(file, name=out.name)


def _create(path: Path, html: bytes) -> ReportFile:
    with durable.create(path) as file:
        file.write(html)
    sync(path)
    return ReportFile(path.name, len(html), hashlib.sha256(html).hexdigest())


def _why(error: Exception) -> str:
    """The reason without a value that was being worked on, which may be lead data."""
    if isinstance(error, LeadExportError):
        return str(error).removesuffix(".")
    return error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__

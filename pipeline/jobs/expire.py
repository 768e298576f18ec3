"""Removes what the retention settings say is too old: after each run, and whenever somebody asks for it."""

from __future__ import annotations

import json
import logging
import shutil
from typing import TYPE_CHECKING, Any

from pipeline.errors import StopRun, StorageError, UsageError
from pipeline.files import durable
from pipeline.files.folder import MANIFEST, OutputFolder, read_manifest
from pipeline.files.latest import RUN_PREFIX
from pipeline.files.modes import take_over_mode
from pipeline.files.private import remove_private
from pipeline.files.state import SUFFIX, StateFolder
from pipeline.filesystem import sync
from pipeline.jobs.purge_replacement import discard_replacement
from pipeline.jobs.retention import REPLIES_FILE, Expired, besides_changes, expired
from pipeline.journal.database import remove_journal
from pipeline.outcomes import iso
from pipeline.schema import CHANGES, REPLIES
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def expire(settings: Settings, out: Path, now_ms: int, *, dry_run: bool = False) -> Expired:
    """Remove what the retention settings say is too old in the folder `out`; return what it was.

    With `dry_run`, only say what it would be.

    Raises:
        UsageError: the folder does not exist.
        StorageError: something cannot be removed; the rest is removed all the same.
        FolderBusy: another process holds the folder.
    """
    if not out.is_dir():
        raise UsageError(f"{out}: no such folder; name the --out of a run.")
    folder = OutputFolder(out)
    if dry_run:
        return expired(folder, settings, now_ms)
    with folder.locked():
        found = expired(folder, settings, now_ms)
        if problems := list(_remove(folder, found, now_ms)):
            more = f" So do {counted(len(problems) - 1, 'other')}." if problems[1:] else ""
            raise StorageError(f"{problems[0]}{more}")
    return found


def expire_after_run(folder: OutputFolder, settings: Settings, now_ms: int) -> None:
    """The same after a run, whose process holds the folder: what cannot be removed is a warning."""
    for problem in _remove(folder, expired(folder, settings, now_ms), now_ms):
        logger.warning("%s", problem)


def _remove(folder: OutputFolder, found: Expired, now_ms: int) -> Iterator[str]:
    """Remove all of it; yield a sentence for each thing that cannot be removed."""
    for run_id in found.runs:
        yield from _tried(folder.run(run_id), lambda path: _remove_run(folder, path))
    for run_id in found.replies:
        yield from _tried(folder.run(run_id), lambda path: _remove_replies(folder, path, now_ms))
    for run_id in found.tables:
        yield from _tried(folder.run(run_id), lambda path: _reduce_to_changes(folder, path, now_ms))
    for name in found.unfinished:
        yield from _tried(folder.root / name, lambda path: _remove_unfinished(folder, path))


def finish_removals(folder: OutputFolder) -> None:
    """Remove what the manifests of runs say was removed, where that was interrupted; the lock must be held.

    Raises:
        StorageError: something cannot be removed.
    """
    for run in folder.runs():
        manifest = read_manifest(run) or {}
        with durable.storage_errors(run):
            if manifest.get("tables_removed_at"):
                _remove_besides_changes(folder, run, manifest)
            if manifest.get("replies_removed_at"):
                _remove_replies_file(folder, run, manifest)


def _tried(path: Path, remove: Callable[[Path], None]) -> Iterator[str]:
    try:
        remove(path)
    except OSError as error:
        yield f"{path}: cannot be removed ({error.strerror})."
    except StopRun as error:
        yield str(error)


def _remove_run(folder: OutputFolder, run: Path) -> None:
    """Let a run disappear in one step."""
    shutil.rmtree(run.rename(folder.state.path / f"{run.name}.removed"))
    run_id = run.name.removeprefix(RUN_PREFIX)
    remove_private(folder.state.path, run_id)
    discard_replacement(folder, run_id)
    logger.info("removed the older run %s", run.name)


def _remove_replies(folder: OutputFolder, run: Path, now_ms: int) -> None:
    """Let the manifest say that the replies are gone, then remove them; if that was interrupted, do the rest."""
    manifest = read_manifest(run)
    if manifest is None:
        return
    if not manifest.get("replies_removed_at"):
        tables = {name: table for name, table in manifest["tables"].items() if name != REPLIES.name}
        left = {key: value for key, value in manifest.items() if key != "private"}
        _replace_manifest(folder, run, {**left, "tables": tables, "replies_removed_at": iso(now_ms)})
    _remove_replies_file(folder, run, manifest)
    logger.info("removed the replies of the run %s", run.name)


def _remove_replies_file(folder: OutputFolder, run: Path, manifest: dict[str, Any]) -> None:
    (run / REPLIES_FILE).unlink(missing_ok=True)
    _remove_beside(folder, run, manifest)


def _remove_beside(folder: OutputFolder, run: Path, manifest: dict[str, Any]) -> None:
    """Remove what a run does not publish, and what a purge that was killed would replace it by."""
    remove_private(folder.state.path, str(manifest["run_id"]))
    discard_replacement(folder, str(manifest["run_id"]))
    sync(run)


def _reduce_to_changes(folder: OutputFolder, run: Path, now_ms: int) -> None:
    """The same of everything but the manifest and the changes."""
    manifest = read_manifest(run)
    if manifest is None:
        return
    if not manifest.get("tables_removed_at"):
        tables = {name: table for name, table in manifest["tables"].items() if name == CHANGES.name}
        left = {key: value for key, value in manifest.items() if key not in ("report", "private")}
        _replace_manifest(folder, run, {**left, "tables": tables, "tables_removed_at": iso(now_ms)})
    _remove_besides_changes(folder, run, manifest)
    logger.info("removed all but the changes of the run %s", run.name)


def _remove_besides_changes(folder: OutputFolder, run: Path, manifest: dict[str, Any]) -> None:
    for path in besides_changes(run, manifest):
        path.unlink(missing_ok=True)
    _remove_beside(folder, run, manifest)


def _replace_manifest(folder: OutputFolder, run: Path, manifest: dict[str, Any]) -> None:
    staged = folder.state.partial(f"{run.name}-{MANIFEST}")
    with durable.create(staged) as file:
        file.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
    take_over_mode(staged, run / MANIFEST)
    sync(staged)
    staged.replace(run / MANIFEST)
    sync(run)


def _remove_unfinished(folder: OutputFolder, path: Path) -> None:
    if path.parent == folder.state.path:
        remove_journal(path)
    else:
        state = StateFolder.of_file(path.parent.with_name(path.parent.name[1 : -len(SUFFIX)]))
        with state.locked_while_needed():
            remove_journal(path)
    logger.warning("%s: nobody has resumed it; its answers were too old and were removed.", path)

"""What lies in an output folder: published runs, and unfinished ones with how far they got; nothing is changed."""

from __future__ import annotations

import shlex
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import StorageError, UsageError
from pipeline.files import private
from pipeline.files.folder import OutputFolder, read_manifest
from pipeline.files.state import SUFFIX, StateFolder
from pipeline.journal.summary import read_summary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.journal.summary import JournalSummary

Status = dict[str, Any]


def status(out: Path) -> Status:
    """Everything that is known about the runs in `out`, oldest first, as plain values.

    Raises:
        UsageError: there is no such folder.
    """
    with private.storage(out):
        there = out.is_dir()
    if not there:
        raise UsageError(f"{out}: there is no such folder; name the --out of a run.")
    folder = OutputFolder(out)
    latest = folder.latest.resolve().name if folder.latest.is_symlink() else None
    published = [_published(place, latest=place.name == latest) for place in folder.runs()]
    unfinished = [
        run
        for state in (folder, *_beside_files(out))
        for path in state.journals()
        if not state.is_taken(state.run_id(path)) and (run := _unfinished(state, path))
    ]
    return {
        "folder": str(out),
        "holder": folder.holder(),
        "published": sorted(published, key=lambda run: (run["finished_at"] or "", run["run_id"])),
        "unfinished": sorted(unfinished, key=lambda run: (run["started_at"] or "", run["run_id"])),
    }


def _published(place: Path, *, latest: bool) -> Status:
    manifest = read_manifest(place) or {}
    return {
        "run_id": place.name.partition("=")[2],
        "status": manifest.get("status", "damaged: the manifest cannot be read"),
        "started_at": manifest.get("started_at"),
        "finished_at": manifest.get("finished_at"),
        "rows": manifest.get("rows", {}),
        "bytes": _size(place.glob("*")),
        "latest": latest,
    }


def _beside_files(out: Path) -> list[StateFolder]:
    """Where jobs are unfinished that write a single file in this folder."""
    return [StateFolder.beside(out / place.name[1 : -len(SUFFIX)]) for place in sorted(out.glob(f".?*{SUFFIX}"))]


def _unfinished(folder: StateFolder, path: Path) -> Status | None:
    """The run of a journal; None while its lists are being imported."""
    bytes_ = _size(path.with_name(path.name + suffix) for suffix in ("", "-wal", "-shm"))
    try:
        seen = read_summary(path)
    except StorageError as error:
        nothing = dict.fromkeys(("started_at", "addresses", "answered", "failed", "stopped_at", "command"))
        return {"run_id": folder.run_id(path), **nothing, "reason": str(error), "bytes": bytes_, "file": None}
    if seen is None:
        return None
    return {
        "run_id": seen.run.run_id,
        "started_at": _time(seen.run.started_at_ms),
        "addresses": seen.addresses,
        "answered": seen.answered,
        "failed": seen.failed,
        "stopped_at": _time(seen.stop.stopped_at_ms) if seen.stop else None,
        "reason": seen.stop.reason if seen.stop else None,
        "command": _command(seen),
        "bytes": bytes_,
        "file": None if isinstance(folder, OutputFolder) else folder.owner.name,
    }


def _size(paths: Iterable[Path]) -> int:
    """Bytes of all files; one that goes away meanwhile has none."""
    size = 0
    for path in paths:
        with suppress(FileNotFoundError):
            size += path.stat().st_size
    return size


def _command(seen: JournalSummary) -> str | None:
    """What goes on with the run, from wherever one stands now."""
    if not seen.run.command:
        return None
    elsewhere = seen.run.folder and Path(seen.run.folder) != Path.cwd()
    return f"cd {shlex.quote(seen.run.folder)} && {seen.run.command}" if elsewhere else seen.run.command


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")

"""What is to be removed by now: old runs, the raw replies of others, and answers that nobody has come back for.

Ages are counted from instants that manifests and journals record: a file that was copied or restored looks new.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import StorageError
from pipeline.files.folder import MANIFEST, read_manifest
from pipeline.files.latest import RUN_PREFIX
from pipeline.files.private import private_folder
from pipeline.jobs.kept_answers import state_folders_of_files
from pipeline.journal.replay import read_summary
from pipeline.outcomes import iso
from pipeline.schema import CHANGES, REPLIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.files.folder import OutputFolder
    from pipeline.files.state import StateFolder
    from pipeline.settings import Settings

REPLIES_FILE = f"{REPLIES.name}.parquet"
_DAY_MS = 86_400_000


class Expired(msgspec.Struct, frozen=True):
    """What is to be removed, or was.

    Attributes:
        runs: names of published runs, the newest first.
        replies: names of published runs whose raw replies go, and whose tables stay.
        unfinished: files in the hidden folders, relative to the output folder: journals of runs that nobody resumed,
            and others that could not be read.
        tables: names of published runs of which only the manifest and the changes stay.
    """

    runs: list[str]
    replies: list[str]
    unfinished: list[str]
    tables: list[str] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be removed."""
        return not (self.runs or self.replies or self.unfinished or self.tables)


def expired(folder: OutputFolder, settings: Settings, now_ms: int, *, new_runs: int = 0) -> Expired:
    """What the settings say is to be removed from an output folder; nothing is changed.

    Args:
        folder: the output folder; the run that is `latest` stays, however old it is.
        settings: how long to keep what.
        now_ms: the present, in milliseconds since 1970 UTC.
        new_runs: runs to be published before that, which count as kept.
    """
    runs = _runs(folder)
    latest = folder.latest.run()
    kept_from = iso(now_ms - int(settings.keep_days * _DAY_MS)) if settings.keep_days else ""
    within = max(0, settings.keep_runs - new_runs) if settings.keep_runs else len(runs)
    going = [
        (path, manifest, number < within + settings.keep_changes and _finished_at(manifest) >= kept_from)
        for number, (path, manifest) in enumerate(runs)
        if (path != latest or new_runs) and (number >= within or _finished_at(manifest) < kept_from)
    ]
    reduced = {path for path, manifest, stays in going if stays and CHANGES.name in manifest["tables"]}
    gone = {path for path, _, _ in going}
    left = [(path, manifest) for path, manifest in runs if path not in gone]
    return Expired(
        [_name(path) for path, _, _ in going if path not in reduced],
        [_name(path) for path, manifest in left if _replies_go(path, manifest, settings, now_ms)],
        [str(path.relative_to(folder.root)) for path in _unfinished(folder, settings, now_ms)],
        [_name(path) for path, manifest, _ in going if path in reduced and _is_whole(path, manifest)],
    )


def besides_changes(run: Path, manifest: dict[str, Any]) -> Iterator[Path]:
    """The files of a run but for its manifest and its changes; folders in it are not those of lead-export."""
    kept = {MANIFEST, *(str(file["name"]) for file in manifest["tables"][CHANGES.name]["files"])}
    return (path for path in sorted(run.iterdir()) if path.name not in kept and not _is_folder(path))


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_whole(run: Path, manifest: dict[str, Any]) -> bool:
    """Whether there is more of a run than its manifest and its changes."""
    return any(besides_changes(run, manifest)) or private_folder(run, str(manifest["run_id"])).exists()


def _runs(folder: OutputFolder) -> list[tuple[Path, dict[str, Any]]]:
    """The published runs, the one that finished last first; folders without a readable manifest are left alone."""
    runs = [(path, manifest) for path in folder.runs() if (manifest := read_manifest(path)) is not None]
    return sorted(runs, key=lambda run: (_finished_at(run[1]), run[0].name), reverse=True)


def _finished_at(manifest: dict[str, Any]) -> str:
    return str(manifest["finished_at"])


def _name(run: Path) -> str:
    return run.name.removeprefix(RUN_PREFIX)


def _replies_go(run: Path, manifest: dict[str, Any], settings: Settings, now_ms: int) -> bool:
    """Whether the raw replies of a run are there, and too old; or left over from a removal that was interrupted."""
    if not (run / REPLIES_FILE).exists() and not private_folder(run, str(manifest["run_id"])).exists():
        return False
    if manifest.get("replies_removed_at"):
        return True
    days = settings.keep_replies_days
    return bool(days) and _finished_at(manifest) < iso(now_ms - int(days * _DAY_MS))


def _unfinished(folder: OutputFolder, settings: Settings, now_ms: int) -> Iterator[Path]:
    if settings.keep_unfinished_days:
        before_ms = now_ms - int(settings.keep_unfinished_days * _DAY_MS)
        for state in (folder.state, *state_folders_of_files(folder.root)):
            yield from (path for path in state.journals() if _is_left(folder, state, path, before_ms))
            yield from (path for path in state.unreadable() if path.stat().st_mtime_ns // 1_000_000 < before_ms)


def _is_left(folder: OutputFolder, state: StateFolder, journal: Path, before_ms: int) -> bool:
    """Whether a journal is that of a run which was begun before that, and is neither finished nor published."""
    if state is folder.state and folder.is_published(state.run_id(journal)):
        return False  # the next run tidies up
    with suppress(StorageError):
        seen = read_summary(journal)
        return seen is not None and seen.run.started_at_ms < before_ms
    return journal.stat().st_mtime_ns // 1_000_000 < before_ms  # there is nothing in it that could be asked

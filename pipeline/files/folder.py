"""The output folder: where everything lies, and how a run appears in it whole or not at all.

DIR/run=ID/            a published run
DIR/latest             symbolic link to the newest one
DIR/.lead-export/      ID.journal of unfinished runs, ID.staging while one is being written
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.errors import STORAGE_TROUBLE, StorageError, UsageError
from pipeline.files import lock, private

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

logger = logging.getLogger(__name__)
MANIFEST = "manifest.json"
_PREFIX = "run="
_JOURNAL = ".journal"


class OutputFolder:
    """The one place that knows paths below the folder a user named with `--out`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.latest = root / "latest"
        self._state = root / ".lead-export"
        self._lock = self._state / "lock"

    def prepare(self) -> None:
        """Make the folder if need be and see that it can be written.

        Raises:
            UsageError: it cannot be a folder of runs: its name is wrong, or something else is called `latest`.
            StorageError: it cannot be written: the disk is full, or it is for reading only.
        """
        probe = self._state / f"probe-{os.getpid()}"
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._state.mkdir(mode=0o700, exist_ok=True)
            private.create(probe).close()
            probe.unlink()
        except OSError as error:
            if error.errno in STORAGE_TROUBLE:
                raise StorageError.of(error, self.root) from error
            raise UsageError(f"{self.root}: cannot be written to ({error.strerror}); name another --out.") from error
        ours = self.latest.is_symlink() and self.latest.readlink().name.startswith(_PREFIX)
        if not ours and os.path.lexists(self.latest):
            raise UsageError(f"{self.latest}: is in the way of the link to the newest run; name another --out.")

    def lock(self) -> AbstractContextManager[None]:
        """Hold the folder for one run; see `lock.held`."""
        return lock.held(self._lock, self.root)

    def holder(self) -> str | None:
        """The process that holds the folder, and since when; None if none does."""
        return lock.holder(self._lock)

    def free_bytes(self) -> int:
        """Bytes that may still be written here."""
        with private.storage(self.root):
            return shutil.disk_usage(self.root).free

    # Unfinished runs.

    def journal(self, run_id: str) -> Path:
        """The journal of the run while it is unfinished."""
        return self._state / f"{run_id}{_JOURNAL}"

    def journals(self) -> list[Path]:
        """The journals of all unfinished runs, oldest name first."""
        return sorted(self._state.glob(f"*{_JOURNAL}"))

    def run_id(self, journal: Path) -> str:
        """The name of the run that has this journal."""
        return journal.name.removesuffix(_JOURNAL)

    def set_aside(self, journal: Path) -> Path:
        """Have a journal that cannot be read out of the way of further runs, and return where it is now."""
        aside = journal.with_name(f"{journal.name}.unreadable")
        with private.storage(journal):
            journal.replace(aside)
        return aside

    def incoming(self) -> Path:
        """A journal that is still taking in its lists; one name, so that the next run writes over a killed one's."""
        return self._state / "new.incoming"

    def spool(self, number: int) -> Path:
        """Where a list is kept for the time of a run that can be read only once, such as standard input."""
        return self._state / f"list-{number}.spool"

    def clear_leftovers(self) -> None:
        """Remove what killed runs have left half done; the folder's lock must be held."""
        for pattern in ("*.staging", "*.removed"):
            for path in self._state.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)
        for path in self._state.glob("*.link"):
            path.unlink(missing_ok=True)
        self.clear_spools()

    def clear_spools(self) -> None:
        """Remove the copies of lists that could be read only once."""
        for path in self._state.glob("*.spool"):
            path.unlink(missing_ok=True)

    # Published runs.

    def run(self, run_id: str) -> Path:
        """Where the run is once it is published."""
        return self.root / f"{_PREFIX}{run_id}"

    def runs(self) -> list[Path]:
        """All published runs, oldest name first."""
        return sorted(path for path in self.root.glob(f"{_PREFIX}*") if path.is_dir())

    @contextmanager
    def staging(self, run_id: str) -> Iterator[Path]:
        """A new folder to write a run into; whatever is left of it at the end is removed.

        Raises:
            StorageError: an error of the operating system in the block.
        """
        path = self._state / f"{run_id}.staging"
        with private.storage(path):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(mode=0o700)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def publish(self, staging: Path, run_id: str, manifest: Mapping[str, object]) -> Path:
        """Write the manifest, put the staged run in its place and point `latest` to it; return the place.

        Once the run is in its place it is published, whatever happens after that.

        Raises:
            StorageError: the run could not be put in its place; nothing is published.
        """
        with private.create(staging / MANIFEST) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
        private.sync(staging / MANIFEST)
        private.sync(staging)
        place = self.run(run_id)
        staging.rename(place)
        self.point_latest_to(run_id)
        return place

    def point_latest_to(self, run_id: str) -> None:
        """Switch `latest` to a published run; if that fails an error is logged, and `latest` stays as it is.

        A link cannot be changed, but a new one can take the old one's place in one step.
        """
        place = self.run(run_id)
        link = self._state / f"{place.name}.link"
        try:
            private.sync(self.root)
            link.unlink(missing_ok=True)
            link.symlink_to(place.name, target_is_directory=True)
            link.replace(self.latest)
            private.sync(self.root)
        except OSError as error:
            logger.error(  # noqa: TRY400 - a traceback is for developers, this is for whoever reads the log
                "%s is published, but %s could not be switched to it (%s).", place, self.latest, error.strerror
            )

    def keep_newest(self, count: int) -> list[str]:
        """Remove all published runs but the `count` that finished last and the one that is `latest`.

        Runs go out of sight in one step each. What has no manifest of ours is not touched. Returns the names of those
        that were removed; one that cannot be removed is named in a warning and stays.
        """
        finished = {path: str(manifest["finished_at"]) for path in self.runs() if (manifest := read_manifest(path))}
        newest_first = sorted(finished, key=lambda path: (finished[path], path.name), reverse=True)
        removed = []
        for path in newest_first[count:]:
            if self.latest.is_symlink() and self.latest.readlink().name == path.name:
                continue
            try:
                hidden = path.rename(self._state / f"{path.name}.removed")
                shutil.rmtree(hidden)
            except OSError as error:
                logger.warning("%s: cannot be removed (%s).", path, error.strerror)
            else:
                removed.append(path.name.removeprefix(_PREFIX))
        return removed


def read_manifest(run: Path) -> dict[str, Any] | None:
    """The manifest of a published run; None if there is none that can be read."""
    try:
        manifest = json.loads((run / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    known = isinstance(manifest, dict) and {"manifest_version", "run_id", "finished_at", "rows", "tables"} <= set(
        manifest
    )
    return manifest if known else None

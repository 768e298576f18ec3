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

from pipeline.errors import UsageError
from pipeline.files import private
from pipeline.files.state import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)
MANIFEST = "manifest.json"
_PREFIX = "run="


class OutputFolder(StateFolder):
    """The one place that knows paths below the folder a user named with `--out`."""

    def __init__(self, root: Path) -> None:
        super().__init__(StateFolder.below(root).place, root)
        self.root = root
        self.latest = root / "latest"

    def try_out(self, *, latest: bool) -> int:
        """See that files can be made in the folder, which must be there, and leave none; return the bytes free.

        With `latest` also that nothing is in the way of the link to the newest run.

        Raises:
            UsageError: it is no folder, or something else is called `latest`.
            StorageError: it cannot be written.
        """
        probe = StateFolder(self.root, self.root)
        probe.prepare()
        if latest:
            self._check_latest()
        return probe.free_bytes()

    def prepare(self) -> None:
        """Make the folder if need be and see that it can be written.

        Raises:
            UsageError: it cannot be a folder of runs: its name is wrong, or something else is called `latest`.
            StorageError: it cannot be written: the disk is full, or it is for reading only.
        """
        super().prepare()
        self._check_latest()

    def _check_latest(self) -> None:
        ours = self.latest.is_symlink() and self.latest.readlink().name.startswith(_PREFIX)
        if not ours and os.path.lexists(self.latest):
            raise UsageError(f"{self.latest}: is in the way of the link to the newest run; name another --out.")

    def run(self, run_id: str) -> Path:
        """Where the run is once it is published."""
        return self.root / f"{_PREFIX}{run_id}"

    def is_taken(self, run_id: str) -> bool:
        """Whether a run of this name is published already."""
        return self.run(run_id).exists()

    def runs(self) -> list[Path]:
        """All published runs, oldest name first."""
        return sorted(path for path in self.root.glob(f"{_PREFIX}*") if path.is_dir())

    @contextmanager
    def staging(self, run_id: str) -> Iterator[Path]:
        """A new folder to write a run into; whatever is left of it at the end is removed.

        Raises:
            StorageError: an error of the operating system in the block.
        """
        path = self.place / f"{run_id}.staging"
        with private.storage(path):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(mode=0o700)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def publish(self, staging: Path, run_id: str, manifest: Mapping[str, object], *, newest: bool = True) -> Path:
        """Write the manifest, put the staged run in its place and, as the newest, point `latest` to it.

        Returns the place.

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
        if newest:
            self.point_latest_to(run_id)
        return place

    def point_latest_to(self, run_id: str) -> None:
        """Switch `latest` to a published run; if that fails an error is logged, and `latest` stays as it is.

        A link cannot be changed, but a new one can take the old one's place in one step.
        """
        place = self.run(run_id)
        link = self.place / f"{place.name}.link"
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
                hidden = path.rename(self.place / f"{path.name}.removed")
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

"""The output folder: what is where, and how a run appears in it complete or not at all.

DIR/run=ID/            a published run
DIR/latest             symbolic link to the newest one
DIR/.lead-export/      ID.journal of unfinished runs, ID.staging while a run is being written
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.state import StateFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

logger = logging.getLogger(__name__)
MANIFEST = "manifest.json"
_PREFIX = "run="


class OutputFolder:
    """The one place that knows paths in the folder that the user named with `--out`.

    Attributes:
        root: that folder.
        latest: the link to the newest run.
        state: the hidden folder of unfinished runs.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.latest = root / "latest"
        self.state = StateFolder.in_folder(root)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Prepare the folder and hold it for one run; see `StateFolder.locked`.

        Raises:
            UsageError: it cannot hold runs: its name is wrong, or something else is called `latest`.
            StorageError: it cannot be written: the disk is full, or it is read-only.
            FolderBusy: another process holds it.
        """
        self.state.check_writable()
        self.check_latest()
        with self.state.locked():
            yield

    def check_latest(self) -> None:
        """Check that `latest` can be made, or is, the link to the newest run.

        Raises:
            UsageError: something else has this name.
        """
        is_link = self.latest.is_symlink() and self.latest.readlink().name.startswith(_PREFIX)
        if not is_link and os.path.lexists(self.latest):
            raise UsageError(f"{self.latest}: exists and is not the link to the newest run; name another --out.")

    def run(self, run_id: str) -> Path:
        """Where the run is once it is published."""
        return self.root / f"{_PREFIX}{run_id}"

    def is_published(self, run_id: str) -> bool:
        """Whether there is a published run of this name."""
        return self.run(run_id).exists()

    def runs(self) -> list[Path]:
        """All published runs, oldest name first."""
        return sorted(path for path in self.root.glob(f"{_PREFIX}*") if path.is_dir())

    @contextmanager
    def staging(self, run_id: str) -> Iterator[Path]:
        """A new folder to write a run into; it is removed at the end unless it was published.

        Raises:
            StorageError: an error of the operating system in the block.
        """
        path = self.state.staging(run_id)
        with durable.storage_errors(path):
            shutil.rmtree(path, ignore_errors=True)
            path.mkdir(mode=0o700)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def publish(self, staging: Path, run_id: str, manifest: Mapping[str, object], *, newest: bool = True) -> Path:
        """Write the manifest, move the staged run into place and, if it is the newest, point `latest` to it.

        Once the run has been moved it is published, whatever happens after that.

        Returns:
            The run's folder.

        Raises:
            StorageError: the run could not be moved; nothing is published.
        """
        with durable.create(staging / MANIFEST) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
        durable.sync(staging / MANIFEST)
        durable.sync(staging)
        path = self.run(run_id)
        staging.rename(path)
        if newest:
            self.point_latest_to(run_id)
        return path

    def point_latest_to(self, run_id: str) -> None:
        """Switch `latest` to a published run in one step; if that fails, it stays as it is and an error is logged."""
        path = self.run(run_id)
        link = self.state.path / f"{path.name}.link"
        try:
            durable.sync(self.root)
            link.unlink(missing_ok=True)
            link.symlink_to(path.name, target_is_directory=True)
            link.replace(self.latest)
            durable.sync(self.root)
        except OSError as error:
            logger.error(  # noqa: TRY400 - a traceback is for developers, this is for whoever reads the log
                "%s is published, but %s could not be switched to it (%s).", path, self.latest, error.strerror
            )

    def remove_old_runs(self, keep: int) -> None:
        """Remove all published runs but the `keep` that finished last, and `latest`; 0 keeps all.

        Each disappears in one step. Folders without a manifest are left alone; a run that cannot be removed is named
        in a warning and stays.
        """
        finished = {path: str(manifest["finished_at"]) for path in self.runs() if (manifest := read_manifest(path))}
        newest_first = sorted(finished, key=lambda path: (finished[path], path.name), reverse=True)
        for path in newest_first[keep:] if keep else ():
            if self.latest.is_symlink() and self.latest.readlink().name == path.name:
                continue
            try:
                shutil.rmtree(path.rename(self.state.path / f"{path.name}.removed"))
            except OSError as error:
                logger.warning("%s: cannot be removed (%s).", path, error.strerror)
            else:
                logger.info("removed the older run %s", path.name.removeprefix(_PREFIX))


def read_manifest(run: Path) -> dict[str, Any] | None:
    """The manifest of a published run as plain values; None if there is none that can be read."""
    try:
        manifest = json.loads((run / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    required = {"manifest_version", "run_id", "finished_at", "rows", "tables"}
    return manifest if isinstance(manifest, dict) and required <= manifest.keys() else None

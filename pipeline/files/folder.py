"""The output folder: what is where, and how a run appears in it complete or not at all.

DIR/run=ID/            a published run
DIR/latest             symbolic link to the newest one; latest.json names it where there are no links
DIR/.lead-export/      ID.journal of unfinished runs, ID.staging while a run is being written, private/ID
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.exchange import recover
from pipeline.files.latest import RUN_PREFIX, Latest
from pipeline.files.modes import OWNER_ONLY, Modes
from pipeline.files.private import move_private, remove_orphans
from pipeline.files.state import StateFolder
from pipeline.filesystem import sync

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

logger = logging.getLogger(__name__)
MANIFEST = "manifest.json"


class OutputFolder:
    """The one place that knows paths in the folder that the user named with `--out`.

    Args:
        root: that folder.
        modes: who may read what is published.

    Attributes:
        root: that folder.
        latest: what names the newest run.
        state: the hidden folder of unfinished runs.
    """

    def __init__(self, root: Path, modes: Modes = OWNER_ONLY) -> None:
        self.root = root
        self.state = StateFolder.in_folder(root)
        self.latest = Latest(root, self.state.path, modes)
        self._modes = modes

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Prepare the folder and hold it for one run; see `StateFolder.locked`.

        Raises:
            UsageError: it cannot hold runs: its name is wrong, it is in a published run, something else is called
                `latest`, or its state is on another disk.
            StorageError: it cannot be written: the disk is full or read-only, or has no locks.
            FolderBusy: another process holds it.
        """
        self.check_place()
        is_new = not self.root.exists()
        self.state.check_writable()
        if is_new:
            with durable.storage_errors(self.root):
                self._modes.grant_folder(self.root)
        self.check_publishable()
        with self.state.held():
            with durable.storage_errors(self.root):
                recover(self.state.path, self.root)
            remove_orphans(self.state.path, lambda name: self.is_published(name) or self.state.journal(name).exists())
            with durable.storage_errors(self.root):
                has_links = self.latest.can_be_link()
            if not has_links:
                logger.warning("%s: there are no symbolic links on this disk; %s", self.root, self.instead_of_link())
            yield

    def check_place(self) -> None:
        """Check that the folder, which need not exist, is no published run and is not in one, as `DIR/latest` is.

        Raises:
            UsageError: it is.
        """
        with durable.storage_errors(self.root):
            real = Path(os.path.realpath(self.root))  # `Path.resolve` raises RuntimeError up to Python 3.12
        run = next((folder for folder in (real, *real.parents) if read_manifest(folder) is not None), None)
        if run is not None:
            raise UsageError(f"{self.root}: is or lies in the published run {run}; name {run.parent} or another --out.")

    def check_publishable(self) -> None:
        """Check, for a folder that exists, that runs can be moved into it and `latest` can be switched to them.

        Raises:
            UsageError: something else is called `latest`, or the state is on another disk.
            StorageError: the folder itself is not writable, though the state is.
        """
        self.latest.check()
        with durable.storage_errors(self.root):
            state = self.state.path if self.state.path.exists() else self.root
            on_one_disk = self.root.stat().st_dev == state.stat().st_dev
            if not os.access(self.root, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.root))
        if not on_one_disk:
            raise UsageError(
                f"{self.state.path}: is on another disk than {self.root}, and runs are moved from one to the other in"
                " one step; let it be a folder in there."
            )

    def instead_of_link(self) -> str:
        """What there is on a disk without symbolic links, to append to a message."""
        return f"{self.latest.file} names the newest run instead of {self.latest.link}."

    def run(self, run_id: str) -> Path:
        """Where the run is once it is published."""
        return self.root / f"{RUN_PREFIX}{run_id}"

    def is_published(self, run_id: str) -> bool:
        """Whether there is a published run of this name."""
        return self.run(run_id).exists()

    def runs(self) -> list[Path]:
        """All published runs, oldest name first."""
        return sorted(path for path in self.root.glob(f"{RUN_PREFIX}*") if path.is_dir())

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
            self._hand_on_group(path)
            try:
                yield path
            finally:
                shutil.rmtree(path, ignore_errors=True)

    def _hand_on_group(self, path: Path) -> None:
        """Give a new folder, and so all files in it, the group of an output folder that has the set-group-ID bit.

        The system does so by itself unless the state folder is older than the bit.
        """
        root, made = self.root.stat(), path.stat()
        if root.st_mode & stat.S_ISGID and root.st_gid != made.st_gid:
            with suppress(OSError):  # not a member of that group
                os.chown(path, -1, root.st_gid)
                path.chmod(0o2700)

    def publish(self, staging: Path, run_id: str, manifest: Mapping[str, object]) -> Path:
        """Write the manifest and move the staged run into place; return its folder.

        What it does not publish, see `files.private`, is moved right before that.

        Raises:
            StorageError: it could not be moved; nothing is published.
        """
        with durable.create(staging / MANIFEST) as file:
            file.write(json.dumps(manifest, ensure_ascii=False, indent=2).encode() + b"\n")
        sync(staging / MANIFEST)
        move_private(staging, self.state.path, run_id)
        self._modes.grant(staging)
        sync(staging)
        path = self.run(run_id)
        staging.rename(path)
        return path

    def switch_latest_to(self, run_id: str) -> None:
        """Make a published run the newest in one step; it is on the disk when this returns.

        Raises:
            StorageError: `latest` stays as it is; the run is published all the same.
        """
        path = self.run(run_id)
        try:
            self.latest.switch_to(path)
        except OSError as error:
            raise StorageError(
                f"{path} is published and complete, but {self.latest.link} could not be switched to it"
                f" ({error.strerror}); read the run's own folder, and make {self.root} writable: the next run makes"
                " up for it."
            ) from error

    def is_newest(self, finished_at: str) -> bool:
        """Whether no run that finished later is `latest`."""
        run = self.latest.run()
        manifest = read_manifest(run) if run else None
        return manifest is None or str(manifest["finished_at"]) <= finished_at


def read_manifest(run: Path) -> dict[str, Any] | None:
    """The manifest of a published run as plain values; None if there is none that can be read."""
    try:
        manifest = json.loads((run / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    required = {"manifest_version", "run_id", "finished_at", "rows", "tables"}
    return manifest if isinstance(manifest, dict) and required <= manifest.keys() else None

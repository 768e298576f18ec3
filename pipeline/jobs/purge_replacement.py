"""A run that takes the place of another one, with what it does not publish, whatever interrupts that.

Everything is written and synced first, in `.lead-export/ID.purging`. From then on it is only moved: the published run
in one step, and then its private files. A process that is killed in between leaves a run whose tables are whole; the
same command moves the rest, unless the run is no longer the one that was to be replaced.
"""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.files import durable
from pipeline.files.exchange import exchange, system_swap
from pipeline.files.folder import read_manifest
from pipeline.files.private import PRIVATE, private_folder
from pipeline.filesystem import sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.files.folder import OutputFolder

SUFFIX = ".purging"


class Replacement:
    """The replacement of one run.

    Attributes:
        run: the folder with the new run, until it is in its place.
        private: the folder with what that does not publish; there need not be one.
        private_place: where that goes.
    """

    def __init__(self, folder: OutputFolder, place: Path) -> None:
        run_id = place.name.partition("=")[2]
        self._folder, self._place = folder, place
        self._scratch = folder.state.path / f"{run_id}{SUFFIX}"
        self.run, self.private = self._scratch / "run", self._scratch / "private"
        self.private_place = private_folder(place, run_id)

    @contextmanager
    def staging(self) -> Iterator[Path]:
        """The empty folder that the new run is written into; it goes if the block fails.

        Raises:
            StorageError: an error of the operating system in the block.
        """
        with durable.storage_errors(self._scratch):
            shutil.rmtree(self._scratch, ignore_errors=True)
            self._scratch.mkdir(mode=0o700)
            self.run.mkdir(mode=0o700)
            try:
                yield self.run
            except BaseException:
                shutil.rmtree(self._scratch, ignore_errors=True)
                raise

    @property
    def is_written(self) -> bool:
        """Whether there is something to be moved into place, or to be removed after that."""
        return self._scratch.is_dir()

    def split(self) -> None:
        """Move what is not published out of the new run, and sync both.

        Raises:
            OSError: it cannot be done.
        """
        if (self.run / PRIVATE).is_dir():
            (self.run / PRIVATE).rename(self.private)
            for file in self.private.iterdir():
                sync(file)
            sync(self.private)
        for path in (self.run, self._scratch, self._folder.state.path):
            sync(path)

    def apply(self) -> None:
        """Move everything into place, whatever part of it an earlier attempt has moved, and remove what was there.

        Raises:
            StorageError: something cannot be moved; the same can be tried again.
        """
        with durable.storage_errors(self._place):
            if self._is_newer(self.run):
                exchange(self.run, self._place, system_swap())
                sync(self._folder.root)
            if self.private.is_dir():
                self._move_private()
            sync(self._folder.state.path)
            shutil.rmtree(self._scratch)

    def _is_newer(self, other: Path) -> bool:
        """Whether a folder holds the new run still: it was purged once more than the one in its place."""
        made, there = read_manifest(other), read_manifest(self._place)
        return made is not None and int(made.get("generation", 0)) > int((there or {}).get("generation", 0))

    def _move_private(self) -> None:
        self.private_place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in sorted(self.private.iterdir()):
            file.replace(self.private_place / file.name)
        sync(self.private_place)


def discard_replacement(folder: OutputFolder, run_id: str) -> None:
    """Remove what a purge that was killed has written to replace a run which was removed, or reduced, since.

    Raises:
        OSError: it cannot be removed.
    """
    with suppress(FileNotFoundError):
        shutil.rmtree(folder.state.path / f"{run_id}{SUFFIX}")


def take_over_access(new: Path, old: Path) -> None:
    """Let those read the files of a new run, and its folder, who could read the old ones."""
    for path in (*(one for one in new.iterdir() if one.name != PRIVATE), new):
        before = old if path == new else old / path.name
        with suppress(OSError):
            wanted = before.stat()
            with suppress(OSError):
                os.chown(path, wanted.st_uid, wanted.st_gid)
            path.chmod(stat.S_IMODE(wanted.st_mode))

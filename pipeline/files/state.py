"""The hidden folder of a job: journals of unfinished runs, the lock, and files that exist only while it runs."""

from __future__ import annotations

import itertools
import secrets
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.errors import STORAGE_TROUBLE, StorageError, UsageError
from pipeline.files import durable
from pipeline.files.building import STAGING, remove_unfinished
from pipeline.files.locks import hold_lock, lock_holder
from pipeline.filesystem import sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SUFFIX = ".lead-export"
"""The folder's name, or the end of it."""
_JOURNAL = ".journal"
_UNREADABLE = ".unreadable"


class StateFolder:
    """A hidden folder next to what a job writes.

    Args:
        path: the folder itself.
        owner: what the user named on the command line; messages name it.
    """

    def __init__(self, path: Path, owner: Path) -> None:
        self.path = path
        self.owner = owner
        self._lock = path / "lock"

    @classmethod
    def in_folder(cls, root: Path) -> StateFolder:
        """The one of a folder that runs are published in."""
        return StateFolder(root / SUFFIX, root)

    @classmethod
    def of_file(cls, file: Path) -> StateFolder:
        """The one of a single file that a job writes."""
        return StateFolder(file.with_name(f".{file.name}{SUFFIX}"), file)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create the folder if need be, hold its lock, and remove what killed jobs have left half done.

        Raises:
            UsageError: its name cannot be that of a folder.
            StorageError: it cannot be written: the disk is full or read-only, or has no locks.
            FolderBusy: another process holds the lock.
        """
        self.check_writable()
        with self.held():
            yield

    @contextmanager
    def held(self) -> Iterator[None]:
        """The same for a folder that is known to be there and writable.

        Raises:
            StorageError: the disk has no locks.
            FolderBusy: another process holds the lock.
        """
        with hold_lock(self._lock, self.owner):
            self._remove_leftovers()
            yield

    @contextmanager
    def locked_while_needed(self) -> Iterator[None]:
        """As `locked`, for a folder that goes with the block, however that ends, unless something is kept in it.

        Raises:
            UsageError, StorageError, FolderBusy: as from `locked`.
        """
        try:
            with self.locked():
                try:
                    yield
                finally:
                    self._remove_lock_alone()
        finally:
            with suppress(OSError):
                self.path.rmdir()

    def check_writable(self) -> int:
        """Create the folder and its parents if need be, and write a file to the disk; return the free bytes.

        Raises:
            UsageError: its name cannot be that of a folder.
            StorageError: it cannot be written: the disk is full, read-only or failing.
        """
        probe = self.path / f"probe-{secrets.token_hex(4)}"
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.path.mkdir(mode=0o700, exist_ok=True)
            try:
                with durable.create(probe) as file:
                    file.write(b"x")
                sync(probe)
            finally:
                probe.unlink(missing_ok=True)
            sync(self.path)
        except OSError as error:
            if error.errno in STORAGE_TROUBLE:
                where = "" if self.owner.is_dir() else f" in the folder {self._nearest_folder()}"
                raise StorageError.of(OSError(error.errno, f"{error.strerror}{where}"), self.owner) from error
            raise UsageError(f"{self.owner}: {self._obstacle(error)}; name another --out.") from error
        return self.free_bytes()

    def _obstacle(self, error: OSError) -> str:
        """What is in the way of this folder: perhaps a file where it, or one that it is in, should be."""
        file = next((path for path in (self.path, *self.path.parents) if path.exists() and not path.is_dir()), None)
        return f"{file} is a file, not a folder" if file else f"cannot be written to ({error.strerror})"

    def _nearest_folder(self) -> Path:
        """The folder that this one is in or, if that does not exist either, would be created in."""
        return next((folder for folder in self.path.parents if folder.is_dir()), self.path.parent)

    def holder(self) -> str | None:
        """The process that holds the lock, and since when; None if no process does."""
        return lock_holder(self._lock)

    def free_bytes(self) -> int:
        """Bytes that may still be written here."""
        with durable.storage_errors(self.path):
            return shutil.disk_usage(self.path).free

    def journal(self, run_id: str) -> Path:
        """The journal of the run while its lists are being imported, and while it is unfinished."""
        return self.path / f"{run_id}{_JOURNAL}"

    def journals(self) -> list[Path]:
        """All journals, oldest name first; a killed import leaves one that does not belong to an unfinished run."""
        return sorted(self.path.glob(f"*{_JOURNAL}"))

    def unreadable(self) -> list[Path]:
        """Journals that `set_aside` has renamed, without SQLite's files next to them."""
        return sorted(path for path in self.path.glob(f"*{_JOURNAL}{_UNREADABLE}*") if path.suffix[1:].isalnum())

    def run_id(self, journal: Path) -> str:
        """The name of the run that a journal belongs to."""
        return journal.name.removesuffix(_JOURNAL)

    def set_aside(self, journal: Path) -> Path:
        """Rename an unreadable journal, with SQLite's files next to it, which may hold answers; return its new path."""
        names = (f"{journal.name}{_UNREADABLE}{n or ''}" for n in itertools.count())
        renamed = next(path for name in names if not (path := journal.with_name(name)).exists())
        with durable.storage_errors(journal):
            journal.replace(renamed)
            for suffix in ("-wal", "-shm", "-journal"):
                with suppress(FileNotFoundError):
                    journal.with_name(journal.name + suffix).replace(renamed.with_name(renamed.name + suffix))
        return renamed

    def partial(self, name: str) -> Path:
        """Where a file of that name is written before it is moved into place."""
        return self.path / f"{name}.partial"

    def staging(self, run_id: str) -> Path:
        """The folder in which a run is written before it is moved into place."""
        return self.path / f"{run_id}{STAGING}"

    def _remove_lock_alone(self) -> None:
        """Delete the lock if the folder holds nothing else; this process must hold it."""
        with suppress(OSError):
            if [path.name for path in self.path.iterdir()] == [self._lock.name]:
                self._lock.unlink()

    def _remove_leftovers(self) -> None:
        remove_unfinished(self.path)
        for path in self.path.glob("*.removed"):
            shutil.rmtree(path, ignore_errors=True)
        for pattern in ("*.link", "*.partial"):
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)


def make_way(folder: StateFolder, journal: Path) -> Path:
    """Rename the journal of a run whose name another run takes, and which nobody has open; return its new path.

    Raises:
        StorageError: it cannot be renamed.
    """
    names = (f"{folder.run_id(journal)}.earlier{n or ''}" for n in itertools.count())
    renamed = next(path for name in names if not (path := folder.journal(name)).exists())
    with durable.storage_errors(journal):
        return journal.replace(renamed)

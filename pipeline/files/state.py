"""Where unfinished runs live: their journals, the lock, and what only lasts for the time of a run."""

from __future__ import annotations

import itertools
import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.errors import STORAGE_TROUBLE, StorageError, UsageError
from pipeline.files import lock, private

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path

SUFFIX = ".lead-export"
"""How the folder is called, or how its name ends."""
_JOURNAL = ".journal"


class StateFolder:
    """A hidden folder beside what a job writes.

    Args:
        place: the folder itself.
        owner: what the user named on the command line; messages name it.
    """

    def __init__(self, place: Path, owner: Path) -> None:
        self.place = place
        self.owner = owner
        self._lock = place / "lock"

    @classmethod
    def below(cls, root: Path) -> StateFolder:
        """That of a folder that runs are published in."""
        return StateFolder(root / SUFFIX, root)

    @classmethod
    def beside(cls, file: Path) -> StateFolder:
        """That of a single file that a job writes."""
        return StateFolder(file.with_name(f".{file.name}{SUFFIX}"), file)

    def prepare(self) -> None:
        """Make the folder, and those above it, if need be, and see that it can be written.

        Raises:
            UsageError: it can be no folder: the name is wrong.
            StorageError: it cannot be written: the disk is full, or it is for reading only.
        """
        probe = self.place / f"probe-{os.getpid()}"
        try:
            self.place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.place.mkdir(mode=0o700, exist_ok=True)
            with private.create(probe) as file:
                file.write(b"x")
            probe.unlink()
        except OSError as error:
            if error.errno in STORAGE_TROUBLE:
                raise StorageError.of(OSError(error.errno, error.strerror), self.owner) from error
            raise UsageError(f"{self.owner}: cannot be written to ({error.strerror}); name another --out.") from error

    def lock(self) -> AbstractContextManager[None]:
        """Hold the folder for one run; see `lock.held`."""
        return lock.held(self._lock, self.owner)

    def holder(self) -> str | None:
        """The process that holds the folder, and since when; None if none does."""
        return lock.holder(self._lock)

    def free_bytes(self) -> int:
        """Bytes that may still be written here."""
        with private.storage(self.place):
            return shutil.disk_usage(self.place).free

    def journal(self, run_id: str) -> Path:
        """The journal of the run while it is unfinished."""
        return self.place / f"{run_id}{_JOURNAL}"

    def journals(self) -> list[Path]:
        """The journals of all unfinished runs, oldest name first."""
        return sorted(self.place.glob(f"*{_JOURNAL}"))

    def run_id(self, journal: Path) -> str:
        """The name of the run that has this journal."""
        return journal.name.removesuffix(_JOURNAL)

    def set_aside(self, journal: Path) -> Path:
        """Have a journal that cannot be read out of the way of further runs, and return where it is now.

        What SQLite keeps beside it may hold answers, and goes with it.
        """
        names = (f"{journal.name}.unreadable{n or ''}" for n in itertools.count())
        aside = next(place for name in names if not (place := journal.with_name(name)).exists())
        with private.storage(journal):
            journal.replace(aside)
            for suffix in ("-wal", "-shm"):
                with suppress(FileNotFoundError):
                    journal.with_name(journal.name + suffix).replace(aside.with_name(aside.name + suffix))
        return aside

    def incoming(self) -> Path:
        """A journal that is still taking in its lists; one name, so that the next run writes over a killed one's."""
        return self.place / "new.incoming"

    def is_taken(self, run_id: str) -> bool:  # noqa: ARG002 - whoever keeps finished runs knows better
        """Whether a run of this name is finished already."""
        return False

    def partial(self, name: str) -> Path:
        """Where a file of this name is written before it takes its place."""
        return self.place / f"{name}.partial"

    def remove(self) -> None:
        """Delete the folder if nothing is left in it but the lock, which must be held."""
        with suppress(OSError):
            if [path.name for path in self.place.iterdir()] == [self._lock.name]:
                self._lock.unlink()
                self.place.rmdir()

    def clear_leftovers(self) -> None:
        """Remove what killed runs have left half done; the folder's lock must be held."""
        for pattern in ("*.staging", "*.removed"):
            for path in self.place.glob(pattern):
                shutil.rmtree(path, ignore_errors=True)
        for pattern in ("*.link", "*.partial"):
            for path in self.place.glob(pattern):
                path.unlink(missing_ok=True)

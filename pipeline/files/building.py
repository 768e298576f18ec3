"""One of many runs that are written in a folder at once: who writes it, and what is left if that is killed.

The folder's own lock is held by the process that hands the runs out. A worker may outlive that process, or be taken for
dead, so each run that is being written has a lock beside it, too.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.files.locks import hold_lock_after, lock_holder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STAGING = ".staging"
"""The end of the name of a folder in which a run is written."""
_LOCK = ".lock"


@contextmanager
def building(staging: Path, run: Path, *, patience_s: float) -> Iterator[None]:
    """Hold a run while it is written.

    Args:
        staging: the folder in which it is written.
        run: where it will be; messages name it.
        patience_s: seconds to wait for another process that is writing it.

    Raises:
        FolderBusy: another process is still writing it.
        StorageError: the lock cannot be made, or this file system has no locks.
    """
    lock = staging.with_suffix(_LOCK)
    with hold_lock_after(lock, run, patience_s=patience_s):
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove what killed processes have left of runs in a hidden folder, whose lock this process must hold."""
    for staging in folder.glob(f"*{STAGING}"):
        if lock_holder(staging.with_suffix(_LOCK)) is None:
            shutil.rmtree(staging, ignore_errors=True)
    for lock in folder.glob(f"*{_LOCK}"):
        if lock_holder(lock) is None:
            lock.unlink(missing_ok=True)

"""A folder for large files that are needed for a moment, where there is room for them."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StorageError
from pipeline.files import durable

if TYPE_CHECKING:
    from collections.abc import Iterator

_SUFFIX = ".scratch"
_LOCK = "lock"
_NEW_S = 60.0
"""Seconds in which a folder may still be without the lock of the process that makes it."""


@contextmanager
def scratch_folder(preferred: Path, needed_bytes: int) -> Iterator[Path]:
    """An empty folder with room for that many bytes: inside `preferred`, or among the system's temporary files.

    It is removed at the end, and so are those that killed processes have left. No lock of a run is needed.

    Raises:
        StorageError: there is no room in either, or an error of the operating system in the block.
    """
    parent = _with_room([preferred, Path(tempfile.gettempdir())], needed_bytes)
    remove_abandoned(parent)
    folder = parent / f"{secrets.token_hex(4)}{_SUFFIX}"
    with durable.storage_errors(folder):
        folder.mkdir(mode=0o700)
        try:
            with durable.create(folder / _LOCK) as lock:
                with suppress(OSError):  # a file system without locks: what a killed process leaves stays there
                    fcntl.flock(lock, fcntl.LOCK_EX)
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _with_room(places: list[Path], needed_bytes: int) -> Path:
    usable = [place for place in places if place.is_dir() and os.access(place, os.W_OK | os.X_OK)]
    for place in usable:
        with durable.storage_errors(place):
            if shutil.disk_usage(place).free >= needed_bytes:
                return place
    raise StorageError(
        f"{needed_bytes / 1e6:,.1f} MB are needed for a moment, and neither {' nor '.join(map(str, places))} has them;"
        " free some space, or set TMPDIR to a folder on another disk."
    )


def remove_abandoned(parent: Path, *, new_s: float = _NEW_S) -> None:
    """Remove the folders of processes that are gone: nobody holds their lock, and they are `new_s` seconds old."""
    for folder in parent.glob(f"*{_SUFFIX}"):
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < new_s:
                continue
            with (folder / _LOCK).open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)

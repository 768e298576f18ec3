"""One run at a time in an output folder: a lock of the operating system, which ends with its process."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from pipeline.errors import FolderBusy
from pipeline.files import durable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_TRIES = 5
_PAUSE_S = 0.05
"""A few short tries, because `holder` takes the lock for a moment as well."""


@contextmanager
def held(path: Path, folder: Path) -> Iterator[None]:
    """Hold the lock file at `path` for a run in `folder`.

    Raises:
        FolderBusy: another process holds it; the message says which, and since when.
        StorageError: the file cannot be opened.
    """
    with durable.storage_errors(path):
        file = os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "rb+", buffering=0)
    with file:
        # A holder may delete the file when it is done; a lock on what was deleted keeps nobody away.
        if not _taken(file, fcntl.LOCK_EX) or not _is_at(path, file):
            who = file.read().decode(errors="replace").strip() or "another run"
            raise FolderBusy(f"{folder}: {who} holds this folder; wait for it or name another --out.")
        with durable.storage_errors(path):
            file.truncate(0)
            file.write(f"process {os.getpid()}, running since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC,".encode())
        yield


def holder(path: Path) -> str | None:
    """Which process holds the lock file at `path`, and since when; None if none does."""
    try:
        with path.open("rb") as file:
            return None if _taken(file, fcntl.LOCK_SH, tries=1) else file.read().decode(errors="replace").rstrip(", ")
    except OSError:
        return None


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _taken(file: IO[bytes], kind: int, *, tries: int = _TRIES) -> bool:
    for left in reversed(range(tries)):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                time.sleep(_PAUSE_S)
        else:
            return True
    return False

"""Locks on files, which end with the process that holds them, however that ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from pipeline.errors import FolderBusy, StorageError
from pipeline.files import durable
from pipeline.filesystem import USE_LOCAL_DISK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LOCK_TRIES = 5
_LOCK_PAUSE_S = 0.05
"""A few short tries, because `lock_holder` takes the lock for a moment as well."""
_NO_LOCKS = frozenset((errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL))
"""What `flock` gives on NFS without its lock service, on Lustre and on FUSE."""


@contextmanager
def hold_lock(path: Path, owner: Path) -> Iterator[None]:
    """Hold the lock file at `path` for a job that writes `owner`; the lock ends with the process, however that ends.

    Raises:
        FolderBusy: another process holds it; the message says which, and since when.
        StorageError: the file cannot be opened, or this file system has no locks.
    """
    with durable.storage_errors(path):
        file = os.fdopen(os.open(path, os.O_CREAT | os.O_RDWR, 0o600), "rb+", buffering=0)
    with file:
        try:
            taken = _take(file, fcntl.LOCK_EX)
        except OSError as error:
            raise _refused_lock(error, path, owner) from error
        # A holder may delete the file when it is done; a lock on a deleted file excludes nobody.
        if not taken or not _is_at(path, file):
            who = file.read().decode(errors="replace").strip() or "another run"
            raise FolderBusy(f"{owner}: {who} holds this folder; wait for it or name another --out.")
        with durable.storage_errors(path):
            file.truncate(0)
            file.write(f"process {os.getpid()}, running since {datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC,".encode())
        yield


@contextmanager
def hold_lock_after(path: Path, owner: Path, *, patience_s: float) -> Iterator[None]:
    """The same, but wait that many seconds for another process.

    Raises:
        FolderBusy, StorageError: as from `hold_lock`.
    """
    deadline_s = time.monotonic() + patience_s
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(hold_lock(path, owner))
            except FolderBusy:
                if time.monotonic() >= deadline_s:
                    raise
            else:
                break
        yield


def _refused_lock(error: OSError, path: Path, owner: Path) -> StorageError:
    if error.errno not in _NO_LOCKS:
        return StorageError.of(error, path)
    return StorageError(
        f"{owner}: this file system does not lock files ({error.strerror}), and without a lock two runs could"
        f" overwrite each other's answers; {USE_LOCAL_DISK}."
    )


def lock_holder(path: Path) -> str | None:
    """Which process holds the lock file at `path`, and since when; None if none does."""
    try:
        with path.open("rb") as file:
            return None if _take(file, fcntl.LOCK_SH, tries=1) else file.read().decode(errors="replace").rstrip(", ")
    except OSError:
        return None


def _is_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _take(file: IO[bytes], kind: int, *, tries: int = _LOCK_TRIES) -> bool:
    for left in reversed(range(tries)):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if left:
                time.sleep(_LOCK_PAUSE_S)
        else:
            return True
    return False

"""Files for the owner's eyes only, and errors of storage that say where they happened."""

from __future__ import annotations

import errno
import hashlib
import os
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from pipeline.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def create(path: Path) -> IO[bytes]:
    """Open a new file for writing that nobody else may read."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def put(staged: Path, place: Path, *, replace: bool) -> None:
    """Give a finished file its place in one step.

    Raises:
        FileExistsError: something is there already, and `replace` is false; both stay as they are.
    """
    if replace:
        staged.replace(place)
        return
    try:
        place.hardlink_to(staged)
    except FileExistsError:
        raise
    except OSError:  # a disk without hard links
        if place.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(place)) from None
        staged.replace(place)
    else:
        staged.unlink()


def sync(path: Path) -> None:
    """Have a file, or the entries of a folder, on the disk and not just in memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def storage(path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one sentence with the path.

    Raises:
        StorageError: whatever went wrong in the block.
    """
    try:
        yield
    except OSError as error:
        raise StorageError.of(error, path) from error

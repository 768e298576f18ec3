"""Files that survive a power cut and that only their owner can read, and errors that say where they happened."""

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
    """Open a new file for writing that only the owner can read."""
    return os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")


def move(staged: Path, path: Path, *, replace: bool) -> None:
    """Move a finished file to `path` in one step.

    Raises:
        FileExistsError: `path` exists, and `replace` is false; both files stay as they are.
    """
    if replace:
        staged.replace(path)
        return
    try:
        path.hardlink_to(staged)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        if path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        staged.replace(path)
    else:
        staged.unlink()


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an error of the operating system in the block into one sentence that names the path.

    Raises:
        StorageError: there was one.
    """
    try:
        yield
    except OSError as error:
        raise StorageError.of(error, path) from error

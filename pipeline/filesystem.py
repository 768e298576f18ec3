"""What differs between file systems, and between those who use them: flushing, home and current folders, privacy.

Local disks do all that a journal and a published run need. Network shares, FUSE, memory cards and mounts of containers
each lack something; what can be done without is done without, and for the rest there is one sentence with the remedy.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

USE_LOCAL_DISK = "use a folder on a local disk and copy published runs from there, or mount this one with locks"
"""What to do where the file system lacks what a journal cannot be written without."""

_NO_FOLDER_SYNC = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EBADF))
"""What `fsync` of a folder gives where only files can be flushed, as on SMB; databases tolerate the same."""


def sync(path: Path) -> bool:
    """Flush a file, or the entries of a folder, to the disk.

    Returns:
        False if `path` is a folder whose entries this file system cannot be told to flush: it does so when it likes.

    Raises:
        OSError: what was written may be lost.
    """
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in _NO_FOLDER_SYNC and stat.S_ISDIR(os.fstat(descriptor).st_mode):
            return False
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)
    return True


def expand_home(path: str) -> str:
    """The path with a leading `~` replaced by the home folder, as a shell does it, but for `--out=~/x`.

    Raises:
        ValueError: the home folder is not known.
    """
    expanded = os.path.expanduser(path)  # noqa: PTH111 - pathlib refuses `~x`, which may be a file, if nobody is called x
    if expanded == path and (path == "~" or path.startswith("~/")):
        raise ValueError("the home folder is not known; write the path in full")
    return expanded


def current_folder() -> Path | None:
    """The folder that relative paths start from; None if it was deleted, which absolute paths need not care about."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return None


def why_not_private(path: Path) -> str | None:
    """What to do about a file that others may read, to append to a message; None if it is as private as can be.

    A secret that a container gets is often readable for a group and lies on a read-only mount or belongs to somebody
    else: whoever reads it cannot change that, and so it is accepted. One that everybody can read never is.
    """
    status = path.stat()
    if not status.st_mode & 0o077:
        return None
    is_read_only = bool(os.statvfs(path).f_flag & os.ST_RDONLY)
    if not is_read_only and os.geteuid() in (0, status.st_uid):
        return "run chmod 600 on it"
    if not status.st_mode & 0o037:
        return None
    return "mount it with mode 0440 (defaultMode in Kubernetes)" if is_read_only else "its owner may chmod it to 440"

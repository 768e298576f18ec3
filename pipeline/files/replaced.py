"""A file that is replaced stays what it was to others: behind the same link, with the same mode, owner and group."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path


def behind_links(path: Path) -> Path:
    """The file that `path` is or, if it is a symbolic link, leads to; there may be none.

    Raises:
        OSError: the link leads to itself.
    """
    if not path.is_symlink():
        return path
    real = Path(os.path.realpath(path))  # `Path.resolve` raises RuntimeError up to Python 3.12
    if real.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return real


def take_over_access(new: Path, old: Path) -> None:
    """Give a new file the owner, group and permissions of the old one that it will replace; without one, do nothing.

    Only root can give a file away, and others only to their own groups. Where the group cannot be kept, the permissions
    of the group are not either: they were meant for other people.

    Raises:
        OSError: the permissions cannot be read or changed.
    """
    try:
        wanted = old.stat()
    except FileNotFoundError:
        return
    with suppress(OSError):
        os.chown(new, wanted.st_uid, -1)
    with suppress(OSError):
        os.chown(new, -1, wanted.st_gid)
    mode = stat.S_IMODE(wanted.st_mode) & 0o777
    new.chmod(mode if new.stat().st_gid == wanted.st_gid else mode & ~0o070)

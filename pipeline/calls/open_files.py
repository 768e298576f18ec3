"""The limit of open files: whether a job has room, for how many connections, and the error if there is none left.

That error comes from this process or this machine. It must not be taken for an API that is down.
"""

from __future__ import annotations

import errno
import logging
import resource
from pathlib import Path

from pipeline.errors import OutOfFiles, StorageError

logger = logging.getLogger(__name__)

RESERVED = 12
"""Open files left for the journal, looking up names, and whatever libraries need."""
FILES_OF_A_JOB = 14
"""What a job opens besides the tables that it writes: the lock, the journal for reading and for writing with the files
beside it, the event loop, one connection. Measured were 10; the rest is for looking up names and for libraries."""
ASSUMED_OPEN = 32
"""Open files where the system does not tell how many there are."""
_LIMITED = "this process may open no more than {:,} files (ulimit -n)"


def check_room(tables: int) -> None:
    """Check that this process may open all files of a job that writes that many `tables` at a time.

    Otherwise it would find out after its calls, when it opens the last of them.

    Raises:
        StorageError: it may not.
    """
    limit, needed = _limit(), FILES_OF_A_JOB + tables
    if limit is not None and limit - _open_now() < needed:
        text = f"{_LIMITED.format(limit)}, which is not enough: this job needs {needed} besides those that are open"
        raise StorageError(f"{text}; raise that limit, then run the same command again.")


def at_most(connections: int) -> int:
    """As many `connections` as this process may open at a time, but at least one; fewer are worth a warning."""
    limit = _limit()
    if limit is None or (room := limit - _open_now() - RESERVED) >= connections:
        return connections
    room = max(1, room)
    logger.warning("At most %d connections at a time instead of %d: %s.", room, connections, _LIMITED.format(limit))
    return room


def out_of_files(error: BaseException | None) -> OutOfFiles | None:
    """What to raise if no connection could be opened because of such a limit; None if that was not the reason."""
    match error.errno if isinstance(error, OSError) else None:
        case errno.EMFILE:
            return OutOfFiles(f"no connection could be opened: {_LIMITED.format(_limit() or 0)}")
        case errno.ENFILE:
            return OutOfFiles("no connection could be opened: this machine has too many open files")
        case _:
            return None


def _limit() -> int | None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def _open_now() -> int:
    try:
        return sum(1 for _ in Path("/dev/fd").iterdir())
    except OSError:
        return ASSUMED_OPEN

"""The limit of open files, which connections count against: how many there is room for, and the error if there is none.

That error comes from this process or this machine. It must not be taken for an API that is down.
"""

from __future__ import annotations

import errno
import logging
import resource
from pathlib import Path

from pipeline.errors import OutOfFiles

logger = logging.getLogger(__name__)

RESERVED = 12
"""Open files left for the journal, looking up names, and whatever libraries need."""
ASSUMED_OPEN = 32
"""Open files where the system does not tell how many there are."""
_LIMITED = "this process may open no more than {:,} files (ulimit -n)"


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

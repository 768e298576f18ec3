"""One pace for all processes of a user on this machine that use the same App, without a server.

A small file in the user's state folder, named by a hash of the App id, holds when the next call may start. Whoever
wants to call takes that time under a lock of the operating system, which dies with its process, and moves it on by an
interval. Every process holds one place in the queue at most, so equal jobs get equal shares, and one that is killed
leaves behind a single unused interval.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import struct
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.calls.spacing import interval_s, slack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

_RECORD = struct.Struct("<8sdddd")
_MAGIC = b"leadpac1"
_LOCK_TRIES = 50
_LOCK_PAUSE_S = 0.002
_FAR_S = 120.0
"""A time further off than this was left by another boot of the machine, or is damage."""
_STALE_S = 2.0


class _State(NamedTuple):
    """What the file holds; times are CLOCK_MONOTONIC, which all processes of one boot share.

    `interval_s` is that of the fastest process, which asked last at `fastest_at`.
    """

    next_start: float = 0.0
    interval_s: float = 0.0
    fastest_at: float = 0.0
    closed_until: float = 0.0


class Standing(NamedTuple):
    """How the queue stands.

    Attributes:
        busy: whether some process has asked for a start within the last two seconds.
        ahead_s: seconds until a call that queues now could start.
        closed_s: seconds for which the gate is closed, because the API refused a call as one too many.
    """

    busy: bool
    ahead_s: float
    closed_s: float


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for state that is not worth a backup (XDG Base Directory Specification)."""
    home = environ.get("XDG_STATE_HOME", "")
    try:
        return (Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "state") / "lead-export"
    except RuntimeError:  # a user without a home, as in a container; its own temporary folder does as well
        return Path(tempfile.gettempdir()) / f"lead-export-{os.getuid()}"


class SharedPace:
    """The queue of all processes for one App's calls.

    When the file cannot be used (a read-only or full state folder) every call may start at once, as far as this class
    is concerned, and a warning says so once.

    Args:
        app_hash: whose calls share the pace.
        rate_per_s: calls that this process would start a second if it were alone.
        folder: where the file is.
        clock: CLOCK_MONOTONIC in seconds.
    """

    def __init__(
        self, app_hash: str, rate_per_s: float, *, folder: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = folder / f"pace-{app_hash}"
        self._interval_s = interval_s(rate_per_s)
        self._clock = clock
        self._slack_s = self._interval_s * slack(rate_per_s)
        self._file: int | None = None
        self._usable = True
        self._warned = False

    async def take(self) -> tuple[float, float]:
        """Queue for the next start; return that time, and how many seconds are left until then."""
        state = await self._update(self._moved_on)
        now = self._clock()
        start = now if state is None else state.next_start - state.interval_s
        return start, max(0.0, start - now)

    async def begin(self, start: float) -> bool:
        """Take note that a call begins now that was to start at `start`; False if the gate was closed meanwhile.

        A process that woke too late moves the queue on by as much; the calls behind it would come too close otherwise.
        """

        def late(now: float, state: _State) -> _State:
            return state._replace(next_start=state.next_start + max(0.0, now - start - self._slack_s))

        state = await self._update(late)
        return state is None or state.closed_until <= self._clock()

    async def close_gate(self, pause_s: float) -> None:
        """Let no process start a call for `pause_s` seconds."""
        await self._update(lambda now, state: state._replace(closed_until=max(state.closed_until, now + pause_s)))

    async def standing(self) -> Standing | None:
        """How the queue stands; None if it cannot be shared."""
        state = await self._update(lambda _, state: state)
        if state is None:
            return None
        now = self._clock()
        return Standing(
            busy=now - state.fastest_at <= _STALE_S,
            ahead_s=max(0.0, state.next_start - now),
            closed_s=max(0.0, state.closed_until - now),
        )

    def _moved_on(self, now: float, state: _State) -> _State:
        # The queue moves at the pace of the fastest; whoever asks for less than the others keeps to that by itself.
        if self._interval_s <= state.interval_s or now - state.fastest_at > _STALE_S:
            state = state._replace(interval_s=self._interval_s, fastest_at=now)
        start = max(now - self._slack_s, state.next_start, state.closed_until)
        return state._replace(next_start=start + state.interval_s)

    async def _update(self, change: Callable[[float, _State], _State]) -> _State | None:
        """Change the file's state under its lock; return the new one, or None if there is no file to share."""
        if not self._usable:
            return None
        try:
            descriptor = self._open()
            if not await self._lock(descriptor):
                return None
            try:
                state = change(self._clock(), self._read(descriptor))
                os.pwrite(descriptor, _RECORD.pack(_MAGIC, *state), 0)
                return state
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError as error:
            self._usable = False
            self._warn(error.strerror or str(error))
            return None

    def _open(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Not through a link: the folder may be one where others can leave things.
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        return self._file

    async def _lock(self, descriptor: int) -> bool:
        # The lock is held for microseconds. A few short tries, because a process that was stopped while it held the
        # lock must not stop this one, and a blocking call would.
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(_LOCK_PAUSE_S)
            else:
                return True
        self._warn("another process does not let go of the lock")
        return False

    def _warn(self, reason: str) -> None:
        if not self._warned:
            self._warned = True
            logger.warning("%s: %s. Calls of other processes with the same App may come on top.", self._path, reason)

    def _read(self, descriptor: int) -> _State:
        record = os.pread(descriptor, _RECORD.size, 0)
        if len(record) != _RECORD.size:
            return _State()
        magic, *values = _RECORD.unpack(record)
        state = _State(*values)
        horizon = self._clock() + _FAR_S
        sane = all(time < horizon for time in (state.next_start, state.fastest_at, state.closed_until))
        return state if magic == _MAGIC and sane and 0 <= state.interval_s < _FAR_S else _State()

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

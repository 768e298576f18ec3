"""One pace for all processes of a user on this machine that use the same App, without a server.

A small file in the user's state folder, named by a hash of the App id, holds the time at which the next call may start.
A process that wants to call takes that time under a lock of the operating system, which ends with its process, and
moves it on by one interval. Each process holds at most one place in the queue, so equal jobs get equal shares, and a
process that is killed leaves a single unused interval behind.
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

from pipeline.calls.rate import interval_s, slack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

_RECORD = struct.Struct("<8sdddd")
_MAGIC = b"leadpac1"
_LOCK_TRIES = 50
_LOCK_PAUSE_S = 0.002
_FAR_S = 120.0
"""A time further ahead than this was left by an earlier boot of the machine, or is damaged."""
_STALE_S = 2.0
"""Seconds after which a process that has not called is taken to have ended."""


class _State(NamedTuple):
    """The file's content; times are CLOCK_MONOTONIC, which all processes of one boot share.

    `interval_s` is that of the fastest process, which last took a turn at `fastest_at`.
    """

    next_start: float = 0.0
    interval_s: float = 0.0
    fastest_at: float = 0.0
    closed_until: float = 0.0


class Turn(NamedTuple):
    """A place in the queue: when its call may start, and by how much that may be late without delaying the others."""

    start: float
    slack_s: float


class QueueState(NamedTuple):
    """The state of the queue.

    Attributes:
        busy: whether a process has taken a turn within the last two seconds.
        closed_s: seconds for which the gate is closed, because the API answered a call with 429.
    """

    busy: bool
    closed_s: float


def state_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The user's folder for state that is not worth a backup (XDG Base Directory Specification)."""
    home = environ.get("XDG_STATE_HOME", "")
    try:
        return (Path(home) if Path(home).is_absolute() else Path.home() / ".local" / "state") / "lead-export"
    except RuntimeError:  # a user without a home folder, as in a container
        return Path(tempfile.gettempdir()) / f"lead-export-{os.getuid()}"


class SharedPace:
    """The queue of all processes that call with one App.

    If the file cannot be used (the state folder is read-only or full), this class lets every call start at once and
    logs one warning.

    Args:
        app_hash: identifies the App.
        folder: the folder that holds the file.
        clock: CLOCK_MONOTONIC in seconds.
    """

    def __init__(self, app_hash: str, *, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = folder / f"pace-{app_hash}"
        self._clock = clock
        self._file: int | None = None
        self._is_usable = True
        self._has_warned = False

    async def wait_for_turn(self, rate_per_s: float) -> None:
        """Return when a call may start at `rate_per_s`, the rate in force in this process."""
        while True:
            turn = await self.take_turn(rate_per_s)
            await asyncio.sleep(max(0.0, turn.start - self._clock()))
            if await self.begin(turn):
                return

    async def take_turn(self, rate_per_s: float) -> Turn:
        """Queue for the next start."""
        interval, slack_s = interval_s(rate_per_s), interval_s(rate_per_s) * slack(rate_per_s)

        def move_on(now: float, state: _State) -> _State:
            # The queue moves at the pace of the fastest process; slower ones have a limiter of their own.
            if interval <= state.interval_s or now - state.fastest_at > _STALE_S:
                state = state._replace(interval_s=interval, fastest_at=now)
            start = max(now - slack_s, state.next_start, state.closed_until)
            return state._replace(next_start=start + state.interval_s)

        state = await self._update(move_on)
        return Turn(self._clock() if state is None else state.next_start - state.interval_s, slack_s)

    async def begin(self, turn: Turn) -> bool:
        """Record that the call of `turn` starts now; return False if the gate has been closed meanwhile.

        A process that woke up late moves the queue on by the delay, or the calls behind it would come too close.
        """

        def make_up(now: float, state: _State) -> _State:
            return state._replace(next_start=state.next_start + max(0.0, now - turn.start - turn.slack_s))

        state = await self._update(make_up)
        return state is None or state.closed_until <= self._clock()

    async def close_gate(self, pause_s: float) -> None:
        """Let no process start a call for `pause_s` seconds."""
        await self._update(lambda now, state: state._replace(closed_until=max(state.closed_until, now + pause_s)))

    async def state(self) -> QueueState | None:
        """The state of the queue; None if it cannot be shared."""
        state = await self._update(lambda _, state: state)
        if state is None:
            return None
        now = self._clock()
        return QueueState(busy=now - state.fastest_at <= _STALE_S, closed_s=max(0.0, state.closed_until - now))

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    async def _update(self, change: Callable[[float, _State], _State]) -> _State | None:
        """Change the file's state under its lock; return the new state, or None if there is no file to share."""
        if not self._is_usable:
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
            self._is_usable = False
            self._warn(error.strerror or str(error))
            return None

    def _open(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Links are not followed: others may be able to create files in the folder.
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        return self._file

    async def _lock(self, descriptor: int) -> bool:
        # The lock is held for microseconds. A few short tries instead of a blocking call, because a process that was
        # suspended while it held the lock must not stop this one.
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(_LOCK_PAUSE_S)
            else:
                return True
        self._warn("another process is holding the lock")
        return False

    def _warn(self, reason: str) -> None:
        if not self._has_warned:
            self._has_warned = True
            logger.warning("%s: %s; the rate limit is not shared, and may be exceeded", self._path, reason)

    def _read(self, descriptor: int) -> _State:
        record = os.pread(descriptor, _RECORD.size, 0)
        if len(record) != _RECORD.size:
            return _State()
        magic, *values = _RECORD.unpack(record)
        state = _State(*values)
        horizon = self._clock() + _FAR_S
        is_sane = all(time < horizon for time in (state.next_start, state.fastest_at, state.closed_until))
        return state if magic == _MAGIC and is_sane and 0 <= state.interval_s < _FAR_S else _State()

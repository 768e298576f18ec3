"""One pace for all processes of a user on this machine that use the same App, without a server.

A small file in the user's state folder holds the time at which the next call may start. Its name is made of a hash of
the App id and of the boot of the machine, because the clocks of two boots, or of two machines that share a home folder,
have nothing in common; machines therefore do not share the pace.
A process that wants to call takes that time under a lock of the operating system, which ends with its process, and
moves it on by one interval. Each process holds at most one place in the queue, so equal jobs get equal shares, and a
process that is killed leaves a single unused interval behind.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import logging
import os
import platform
import struct
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pipeline.calls.rate import interval_s, slack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

logger = logging.getLogger(__name__)

_RECORD = struct.Struct("<8sddddd")
_MAGIC = b"leadpac2"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_LOCK_TRIES = 50
_LOCK_PAUSE_S = 0.002
_FAR_S = 120.0
"""A turn that comes later than this, after the gate has opened, is a damaged record."""
_LONGEST_CLOSED_S = 86_400.0
"""The longest time for which the gate can be closed; it is the longest patience that can be set."""
_UNUSED_S = 7 * 86_400.0
"""Seconds after which a file that nobody writes any more belongs to an earlier boot."""
_STALE_S = 2.0
"""Seconds after which a process that has not called is taken to have ended."""


class _State(NamedTuple):
    """The file's content; times are CLOCK_MONOTONIC, which all processes of one boot share.

    `interval_s` is that of the fastest process, which last took a turn at `fastest_at`. A record that was written later
    than now is from another boot.
    """

    next_start: float = 0.0
    interval_s: float = 0.0
    fastest_at: float = 0.0
    closed_until: float = 0.0
    written_at: float = 0.0


class Turn(NamedTuple):
    """A place in the queue.

    Attributes:
        start: when its call may start.
        slack_s: seconds by which that may be late without delaying the others.
        closed_s: seconds for which the gate keeps it waiting; 0 if the gate is open.
    """

    start: float
    slack_s: float
    closed_s: float = 0.0


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


def boot_of(machine: str, boot_id: Path = _BOOT_ID) -> str:
    """A short name for the present boot of this machine; where the system has no id for that, for the machine.

    Args:
        machine: the name of the machine in the network.
        boot_id: the file in which Linux has the id.
    """
    try:
        boot = boot_id.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError):
        boot = ""
    return hashlib.sha256((boot or machine).encode(errors="replace")).hexdigest()[:12]


class SharedPace:
    """The queue of all processes that call with one App.

    If the file cannot be used (the state folder is read-only or full), this class lets every call start at once and
    logs one warning.

    Args:
        app_hash: identifies the App.
        folder: the folder that holds the file.
        clock: CLOCK_MONOTONIC in seconds.
        boot: names the boot that the clock belongs to; by default the present one of this machine.
    """

    def __init__(
        self, app_hash: str, *, folder: Path, clock: Callable[[], float] = time.monotonic, boot: str | None = None
    ) -> None:
        self._path = folder / f"pace-{app_hash}-{boot_of(platform.node()) if boot is None else boot}"
        self._clock = clock
        self._file: int | None = None
        self._is_usable = True
        self._has_warned = False

    async def take_turn(self, rate_per_s: float) -> Turn:
        """Queue for the next start at `rate_per_s`, the rate in force in this process."""
        interval, slack_s = interval_s(rate_per_s), interval_s(rate_per_s) * slack(rate_per_s)

        def move_on(now: float, state: _State) -> _State:
            # The queue moves at the pace of the fastest process; slower ones have a limiter of their own.
            if interval <= state.interval_s or now - state.fastest_at > _STALE_S:
                state = state._replace(interval_s=interval, fastest_at=now)
            start = max(now - slack_s, state.next_start, state.closed_until)
            return state._replace(next_start=start + state.interval_s)

        state, now = await self._update(move_on), self._clock()
        if state is None:
            return Turn(now, slack_s)
        return Turn(state.next_start - state.interval_s, slack_s, max(0.0, state.closed_until - now))

    async def wait_for(self, turn: Turn) -> None:
        """Return when the call of `turn` may start."""
        await asyncio.sleep(max(0.0, turn.start - self._clock()))

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
        pause_s = min(pause_s, _LONGEST_CLOSED_S)
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
                now = self._clock()
                state = change(now, self._read(descriptor, now))._replace(written_at=now)
                os.pwrite(descriptor, _RECORD.pack(_MAGIC, *state), 0)
                return state
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError as error:
            self._is_usable = False
            self._warn(f"{error.strerror or error} (set state_folder to a folder that can be written)")
            return None

    def _open(self) -> int:
        if self._file is None:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Links are not followed: others may be able to create files in the folder.
            self._file = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            self._remove_unused()
        return self._file

    def _remove_unused(self) -> None:
        """Remove the files of earlier boots; other machines that share the folder write theirs as long as they call."""
        app, _, _ = self._path.name.rpartition("-")
        for path in self._path.parent.glob(f"{app}-*"):
            with suppress(OSError):
                if path != self._path and time.time() - path.lstat().st_mtime > _UNUSED_S:
                    path.unlink()

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

    def _read(self, descriptor: int, now: float) -> _State:
        record = os.pread(descriptor, _RECORD.size, 0)
        if len(record) != _RECORD.size:
            return _State()
        magic, *values = _RECORD.unpack(record)
        state = _State(*values)
        opens = max(now, state.closed_until)
        is_sane = state.written_at <= now and state.fastest_at <= now and state.next_start < opens + _FAR_S
        is_sane = is_sane and opens <= now + _LONGEST_CLOSED_S and 0 <= state.interval_s < _FAR_S
        return state if magic == _MAGIC and is_sane else _State()

"""The event loop's time, by which calls are paced and timed; tests run on loops whose time is their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LoopClock:
    """Tells the time of the running loop, in seconds; for objects that live in one loop at a time.

    Asking asyncio each time which loop that is costs a system call before Python 3.12, and a call is timed a dozen
    times on its way. So the first loop is asked for good, closed or not: those of a process tell the same time.
    """

    __slots__ = ("_loop", "_time")

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._time: Callable[[], float] | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it lives in: the one that ran first, or after that is closed the one that runs now."""
        if self._loop is None or self._loop.is_closed():
            self._loop = asyncio.get_running_loop()
        return self._loop

    def __call__(self) -> float:
        """The time now."""
        if self._time is None:
            self._time = self.loop.time
        return self._time()

"""The event loop's time, by which calls are paced and timed; tests run on loops whose time is their own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class LoopClock:
    """Tells the time of the loop that it is first asked in, in seconds; for objects that live in one loop.

    Asking asyncio each time which loop that is costs a system call before Python 3.12, and a call is timed a dozen
    times on its way.
    """

    __slots__ = ("_time",)

    def __init__(self) -> None:
        self._time: Callable[[], float] | None = None

    def __call__(self) -> float:
        """The time now."""
        if self._time is None:
            self._time = asyncio.get_running_loop().time
        return self._time()

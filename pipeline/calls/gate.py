"""One gate for every call: a 429 closes it for all, and it reopens with a single call before the rest follow."""

from __future__ import annotations

import asyncio

from pipeline.calls.clock import LoopClock

FIRST_PAUSE_S = 1.0
"""The API's own advice after "too many requests": wait a second and try again."""
LONGEST_PAUSE_S = 60.0


class Gate:
    """Open, closed until a time, or opened for one call whose answer decides.

    Times are the event loop's, in seconds.
    """

    def __init__(self) -> None:
        self._now = LoopClock()
        self.closed_until = 0.0
        self._closed_at = float("-inf")
        self._pause_s = 0.0
        self._trying = False
        self._changed = asyncio.Event()

    def let_in(self) -> bool:
        """Whether a call may go through now; if so it must. After a closing the first one goes alone."""
        if self.closed_until > self._now() or self._trying:
            return False
        self._trying = self._pause_s > 0
        return True

    async def wait(self) -> None:
        """Return when it is worth trying again."""
        wait_s = self.closed_until - self._now()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        elif self._trying:
            self._changed.clear()
            await self._changed.wait()

    def close(self, started_at: float, retry_after_s: float | None) -> bool:
        """Close after a 429 to a call that started at `started_at`; False if an earlier one has closed already for it.

        Consecutive closings double from a second to a minute; what the server asks for counts if it is longer, up to
        a minute. Calls that were on their way when the gate closed tell nothing new but a longer wait.
        """
        now = self._now()
        news = started_at > self._closed_at
        if news:
            self._pause_s = min(max(FIRST_PAUSE_S, self._pause_s * 2), LONGEST_PAUSE_S)
            self._closed_at = now
            self._trying = False
        pause_s = min(max(retry_after_s or 0.0, self._pause_s), LONGEST_PAUSE_S)
        self.closed_until = max(self.closed_until, now + pause_s)
        self._changed.set()
        return news

    def give_back(self, started_at: float) -> None:
        """Take note that a call that started at `started_at` was given up; if it went alone, another may."""
        if started_at > self._closed_at:
            self._trying = False
            self._changed.set()

    def open(self, started_at: float) -> None:
        """Take note that a call that started at `started_at` was let through."""
        if started_at > self._closed_at:
            self._pause_s = 0.0
            self._trying = False
            self._changed.set()

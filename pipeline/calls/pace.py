"""When a call may start: evenly spaced starts, and one gate that a 429 closes for everybody.

Starts are spaced, because a bucket of N a second lets up to 2N-1 calls out in its first second while the API counts
calls in any second. The bucket used here holds a single call and a little more: the little lets a start that came late
by a timer's grain be made up for by the next, and is too small to ever let an extra call into a second.
"""

from __future__ import annotations

import asyncio

from aiolimiter import AsyncLimiter

SLACK = 0.1
"""How much of an interval a late start may be made up for."""
MIN_PAUSE_S = 1.0
"""The API's own advice after "too many requests": wait a second."""
MAX_PAUSE_S = 60.0


class Pace:
    """Gives out permits to start a call, `rate_per_s` a second, evenly; 0 is no limit."""

    def __init__(self, rate_per_s: float) -> None:
        self._limiter = AsyncLimiter(1 + SLACK, (1 + SLACK) / rate_per_s) if rate_per_s else None
        self._closed_until = 0.0

    async def acquire(self) -> None:
        """Return when a call may start."""
        while True:
            if self._limiter is not None:
                await self._limiter.acquire()
            wait_s = self._closed_until - asyncio.get_running_loop().time()
            if wait_s <= 0:
                return
            await asyncio.sleep(wait_s)

    def throttled(self, retry_after_s: float | None) -> None:
        """Close the gate for everybody: for as long as the server asked, at least a second, at most a minute."""
        pause_s = min(max(retry_after_s or 0.0, MIN_PAUSE_S), MAX_PAUSE_S)
        self._closed_until = max(self._closed_until, asyncio.get_running_loop().time() + pause_s)

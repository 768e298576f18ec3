"""When a call may start: the spacing, the gate, and the queue shared with other processes, in one permit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipeline.calls.clock import LoopClock
from pipeline.calls.gate import Gate
from pipeline.calls.shared import SharedPace, Standing, state_folder
from pipeline.calls.spacing import YieldingRate, even_limiter
from pipeline.errors import ApiUnavailable, Throttled

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from types import TracebackType

    from pipeline.settings import Settings


class Permit:
    """Leave to start one call, now. A context manager around the call: it tells the pace what became of it."""

    def __init__(self, pace: Pace, started_at: float) -> None:
        self._pace = pace
        self.started_at = started_at

    def __enter__(self) -> None:
        """Start."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Report whether the API let the call through."""
        if isinstance(error, Throttled):
            self._pace.throttled(self, error.retry_after_s)
        elif isinstance(error, asyncio.CancelledError):
            self._pace.unused(self)
        else:
            self._pace.let_through(self)


class Pace:
    """Gives out permits one by one, evenly spaced, at most `rate_per_s` in any second; 0 is no limit.

    Args:
        rate_per_s: calls started per second.
        shared: the queue of all processes that use the same App; None keeps to this process.

    Attributes:
        held_back_s: seconds that calls waited because of 429s: for the gate, and for a lowered pace.
        throttled_since: when the API last began to refuse every call for being too many, on the loop's clock; None
            while it lets calls through.
    """

    def __init__(self, rate_per_s: float, shared: SharedPace | None = None) -> None:
        self._limiter = even_limiter(rate_per_s) if rate_per_s else None
        self._rate = YieldingRate(rate_per_s)
        self._now = LoopClock()
        self._gate = Gate()
        self._shared = shared
        self._turnstile = asyncio.Lock()
        self._last_start = float("-inf")
        self._closings: set[asyncio.Task[None]] = set()
        self.held_back_s = 0.0
        self.throttled_since: float | None = None

    @classmethod
    def of(cls, settings: Settings) -> Pace:
        """The pace that `settings` describe."""
        shared = None
        if settings.rate_per_s and settings.share_pace:
            folder = settings.state_folder or state_folder()
            shared = SharedPace(settings.app_hash(), settings.rate_per_s, folder=folder)
        return cls(settings.rate_per_s, shared)

    async def standing(self) -> Standing | None:
        """How the queue of all processes stands; None if there is none."""
        return await self._shared.standing() if self._shared else None

    async def acquire(self) -> Permit:
        """Return when a call may start."""
        async with self._turnstile:
            while True:
                if self._limiter is not None:
                    await self._limiter.acquire()
                rate_per_s = self._rate.lowered_to(self._now())
                if rate_per_s is not None:
                    await self._held_back(self._interval(rate_per_s))
                if self._shared is not None:
                    await self._queued(self._shared)
                # The gate comes last, and lets in without a wait in between: nobody who has passed can be overtaken.
                if self._gate.let_in():
                    return self._permit()
                await self._held_back(self._gate.wait())

    def throttled(self, permit: Permit, retry_after_s: float | None) -> None:
        """Close the gate and lower the pace, once for all calls that were on their way together."""
        news = self._gate.close(permit.started_at, retry_after_s)
        now = self._now()
        if self.throttled_since is None:
            self.throttled_since = now
        if news:
            self._rate.throttled(now)
        if self._shared is not None:
            task = asyncio.create_task(self._shared.close_gate(self._gate.closed_until - now))
            self._closings.add(task)
            task.add_done_callback(self._closings.discard)

    def let_through(self, permit: Permit) -> None:
        """Take note that the API did not mind the call."""
        self._gate.open(permit.started_at)
        self.throttled_since = None

    def unused(self, permit: Permit) -> None:
        """Take note that a call was given up before it was answered, which says nothing."""
        self._gate.give_back(permit.started_at)

    def closed_for_s(self) -> float:
        """Seconds until the gate opens; 0 if it is open."""
        return max(0.0, self._gate.closed_until - self._now())

    def check_patience(self, patience_s: float) -> None:
        """See that the API has not refused every call for longer than `patience_s`.

        Raises:
            ApiUnavailable: it has.
        """
        if self.throttled_since is None or self._now() - self.throttled_since <= patience_s:
            return
        raise ApiUnavailable(
            f"The API has refused every call as one too many for {patience_s:g} seconds; who else uses the App?"
        )

    async def close(self) -> None:
        """Let go of the file shared with other processes."""
        await asyncio.gather(*self._closings, return_exceptions=True)
        if self._shared is not None:
            self._shared.close()

    async def _held_back(self, wait: Awaitable[None]) -> None:
        """Wait for something that follows from a 429, and note how long."""
        before = self._now()
        try:
            await wait
        finally:
            self.held_back_s += self._now() - before

    async def _interval(self, rate_per_s: float) -> None:
        """Wait out the longer interval of a lowered pace."""
        now = self._now()
        await asyncio.sleep(max(0.0, self._last_start + 1 / rate_per_s - now))

    async def _queued(self, shared: SharedPace) -> None:
        """Wait for this process's turn among those that use the same App, and for their gate."""
        while True:
            start, wait_s = await shared.take()
            await asyncio.sleep(wait_s)
            if await shared.begin(start):
                return

    def _permit(self) -> Permit:
        self._last_start = self._now()
        return Permit(self, self._last_start)

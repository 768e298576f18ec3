"""What the calls of a run came to: how many there were, how fast, and what the time was spent on."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pipeline.calls.spells import Spells
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

WaitedFor = Literal["limiter", "throttled", "capacity", "network", "backoff", "journal"]


@dataclass(slots=True)
class TimeSpent:
    """Seconds in which no call could be started, by what was waited for.

    Attributes:
        limiter: the configured rate, and other processes that share it.
        throttled: the gate that a 429 to this or another process closes, and the lowered rate after it.
        capacity: as many calls were in flight as are allowed.
        network: no address was left to start, but calls were in flight.
        backoff: every address left was waiting for a retry, or the API was down.
        journal: answers were waiting for the disk.
    """

    limiter: float = 0.0
    throttled: float = 0.0
    capacity: float = 0.0
    network: float = 0.0
    backoff: float = 0.0
    journal: float = 0.0


@dataclass(slots=True)
class CallCounts:
    """The number of calls and their results, updated while the calls run.

    Attributes:
        sent: requests that were sent.
        answered: addresses that were found, not found or deleted.
        retried: calls that repeated one that had failed.
        throttled: calls that were over the API's limit.
        probes: calls that only checked whether the API is answering.
        first_at: when the first call started, on the event loop's clock in seconds.
        first_at_ms: the same in milliseconds since 1970 UTC.
        last_at: when the last call started.
        calling_s: seconds from the first call to the last answer.
        time: what that time was spent on.
        throttlings: when calls were over the API's limit, on the event loop's clock.
        outages: when the API gave no usable answer, from the first call that failed to the probe that was answered.
    """

    sent: int = 0
    answered: int = 0
    retried: int = 0
    throttled: int = 0
    probes: int = 0
    first_at: float | None = None
    first_at_ms: int = 0
    last_at: float = 0.0
    calling_s: float = 0.0
    time: TimeSpent = field(default_factory=TimeSpent)
    throttlings: Spells = field(default_factory=Spells)
    outages: Spells = field(default_factory=Spells)

    def start(self) -> None:
        """Count a call that starts now."""
        self.sent += 1
        self.last_at = asyncio.get_running_loop().time()
        if self.first_at is None:
            self.first_at, self.first_at_ms = self.last_at, now_ms()

    def throttle(self) -> None:
        """Count a call that was over the API's limit."""
        self.throttled += 1
        self.throttlings.add(asyncio.get_running_loop().time())

    def finish(self) -> None:
        """Record that all calls have ended."""
        if self.first_at is not None:
            self.calling_s = asyncio.get_running_loop().time() - self.first_at

    @contextmanager
    def waiting_for(self, what: WaitedFor) -> Iterator[None]:
        """Add the time that the block takes to `what`."""
        clock = asyncio.get_running_loop().time
        before = clock()
        try:
            yield
        finally:
            setattr(self.time, what, getattr(self.time, what) + clock() - before)

    def moment_ms(self, at: float) -> int:
        """A time on the event loop's clock, not before the first call, in milliseconds since 1970 UTC."""
        return self.first_at_ms + round((at - (self.first_at or 0.0)) * 1000)

    @property
    def per_second(self) -> float:
        """Calls started per second, from the first to the last."""
        span_s = self.last_at - (self.first_at or 0.0)
        return (self.sent - 1) / span_s if self.sent > 1 and span_s > 0 else 0.0

    def shares(self) -> dict[str, float]:
        """Shares of the calling time (0 to 1): limiter, network, backoff, journal; the rest is this process's work."""
        total = self.calling_s or 1.0
        seconds = {
            "limiter": self.time.limiter,
            "network": self.time.capacity + self.time.network,
            "backoff": self.time.throttled + self.time.backoff,
            "journal": self.time.journal,
        }
        return {name: round(min(1.0, value / total), 3) for name, value in seconds.items()}

    def bound_by(self) -> str | None:
        """What limited the speed most; None if nothing was called."""
        if not self.sent:
            return None
        causes = {
            "limit-bound": self.time.limiter,
            "server-throttled": self.time.throttled,
            "concurrency-bound": self.time.capacity,
            "latency-bound": self.time.network,
            "retry-bound": self.time.backoff,
        }
        return max(causes, key=lambda cause: causes[cause])

"""What the calls of a run came to: how many, how fast, and what the time went into."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from pipeline.calls.clock import LoopClock

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

WaitedFor = Literal["limiter", "throttled", "room", "network", "backoff", "journal"]


@dataclass(slots=True)
class TimeSpent:
    """Seconds in which no call could be started, by what was waited for.

    Attributes:
        limiter: the configured rate, and other processes that share it.
        throttled: the gate that a 429 closes, and the lowered pace after it.
        room: as many calls were in flight as may be.
        network: nothing was left to start but calls were in flight.
        backoff: every address left was waiting to be asked again, or the API was down.
        journal: answers were waiting for the disk.
    """

    limiter: float = 0.0
    throttled: float = 0.0
    room: float = 0.0
    network: float = 0.0
    backoff: float = 0.0
    journal: float = 0.0


@dataclass(slots=True)
class CallCounts:
    """What was sent and what became of it; is brought up to date as the calls go.

    Attributes:
        sent: requests that left.
        answered: addresses that were found, not found or deleted.
        retried: calls made for an address again, after a transient failure.
        throttled: calls that were over the API's limit.
        probes: calls that only asked whether the API is there.
        first_at: when the first call started, on the loop's clock in seconds.
        last_at: when the last one did.
        asking_s: seconds from the first call to the last answer.
        time: what that time went into.
    """

    sent: int = 0
    answered: int = 0
    retried: int = 0
    throttled: int = 0
    probes: int = 0
    first_at: float | None = None
    last_at: float = 0.0
    asking_s: float = 0.0
    time: TimeSpent = field(default_factory=TimeSpent)
    _now: LoopClock = field(default_factory=LoopClock, repr=False, compare=False)

    def start(self) -> None:
        """Count a call that starts now."""
        self.sent += 1
        self.last_at = self._now()
        if self.first_at is None:
            self.first_at = self.last_at

    def finish(self) -> None:
        """Take note that nothing more will be asked."""
        if self.first_at is not None:
            self.asking_s += self._now() - self.first_at

    def spent_on(self, what: WaitedFor) -> AbstractContextManager[None]:
        """Add the time that the block takes to what was spent on `what`."""
        return _Stopwatch(self.time, what, self._now)

    @property
    def per_second(self) -> float:
        """Calls started per second, from the first to the last."""
        span_s = self.last_at - (self.first_at or 0.0)
        return (self.sent - 1) / span_s if self.sent > 1 and span_s > 0 else 0.0

    def shares(self) -> dict[str, float]:
        """Shares of the asking time (0 to 1): limiter, network, backoff, journal; the rest is our own work."""
        total = self.asking_s or 1.0
        seconds = {
            "limiter": self.time.limiter,
            "network": self.time.room + self.time.network,
            "backoff": self.time.throttled + self.time.backoff,
            "journal": self.time.journal,
        }
        return {name: round(min(1.0, value / total), 3) for name, value in seconds.items()}

    def bound_by(self) -> str | None:
        """What held the speed down most; None if nothing was called."""
        if not self.sent:
            return None
        causes = {
            "limit-bound": self.time.limiter,
            "server-throttled": self.time.throttled,
            "concurrency-bound": self.time.room,
            "latency-bound": self.time.network,
            "retry-bound": self.time.backoff,
        }
        return max(causes, key=lambda cause: causes[cause])


class _Stopwatch:
    """Adds the time from its entry to its exit; two of them time each call, where a generator would take as long."""

    __slots__ = ("_before", "_now", "_time", "_what")

    def __init__(self, time: TimeSpent, what: WaitedFor, now: LoopClock) -> None:
        self._time, self._what, self._now = time, what, now
        self._before = 0.0

    def __enter__(self) -> None:
        self._before = self._now()

    def __exit__(self, *_: object) -> None:
        setattr(self._time, self._what, getattr(self._time, self._what) + self._now() - self._before)

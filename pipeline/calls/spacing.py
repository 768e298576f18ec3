"""Evenly spaced starts, and a pace that gives way when the API says "too many requests".

A bucket of N a second lets up to 2N-1 calls out in its first second, while the API counts calls in any second. So the
bucket here holds one call and a little more. The little lets a start that came late by a timer's grain be made up for
by the next one; it is too small to ever let an extra call into a second.
"""

from __future__ import annotations

from aiolimiter import AsyncLimiter

SLACK = 0.05
"""Share of an interval by which a late start may be made up for, at most."""
GUARD = 0.015
"""Share by which intervals are longer than the rate asks for: calls do not all take the same time to the server, and
with 20 a second this leaves 12 milliseconds for the first of 21 calls to be slower than the last."""
FIRST_DROP = 0.85
"""What is left of the pace after a 429 that comes alone."""
DROP = 0.7
"""What is left of it after one that follows another while the pace is held."""
HOLD_S = 30.0
"""Seconds that a lowered pace is kept before it begins to recover."""
RECOVERY_S = 300.0
"""Seconds in which it would recover from nothing to the configured pace."""
DOCUMENTED_LIMIT_PER_S = 20.0
"""What the API allows (its inbound API documentation); where no rate is configured a lowered pace starts from here."""
SLOWEST_PER_S = 0.2
"""The pace never drops below this; longer pauses are the gate's."""


def interval_s(rate_per_s: float) -> float:
    """Seconds between two starts."""
    return (1 + GUARD) / rate_per_s


def slack(rate_per_s: float) -> float:
    """Share of an interval by which a late start may be made up for; never so much that the guard is used up."""
    return min(SLACK, rate_per_s * GUARD / 2)


def even_limiter(rate_per_s: float) -> AsyncLimiter:
    """A limiter that lets calls out one by one, in any second at most `rate_per_s`."""
    capacity = 1 + slack(rate_per_s)
    return AsyncLimiter(capacity, capacity * interval_s(rate_per_s))


class YieldingRate:
    """The pace in force: the configured one, or lower for a while after a 429. A pure function of what it is told.

    Args:
        configured_per_s: what to come back to; 0 is no limit until the API sets one.
    """

    def __init__(self, configured_per_s: float) -> None:
        self._configured = configured_per_s
        self._lowered: float | None = None
        self._since = 0.0

    def throttled(self, now: float) -> None:
        """Lower the pace at the time `now`, in seconds."""
        rate = self.lowered_to(now) or self._configured or DOCUMENTED_LIMIT_PER_S
        again = self._lowered is not None and now < self._since
        self._lowered = max(SLOWEST_PER_S, rate * (DROP if again else FIRST_DROP))
        self._since = now + HOLD_S

    def lowered_to(self, now: float) -> float | None:
        """Calls a second at the time `now`, in seconds; None while the configured pace is in force."""
        if self._lowered is None:
            return None
        gain_per_s = (self._configured or DOCUMENTED_LIMIT_PER_S) / RECOVERY_S
        recovered = self._lowered + max(0.0, now - self._since) * gain_per_s
        if self._configured and recovered >= self._configured:
            self._lowered = None
            return None
        return recovered

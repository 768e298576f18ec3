"""How many calls may start per second: the spacing between two starts, and the rate in force after a 429.

The API counts calls in any second, while a bucket of N per second lets up to 2N - 1 calls out in its first second. So
calls are spaced evenly: the bucket holds one call and a small slack, with which a start that a timer delayed is made up
for by the next one. The slack is too small to ever let an extra call into a second.
"""

from __future__ import annotations

SLACK = 0.05
"""Share of an interval by which a late start may be made up for, at most."""
GUARD = 0.015
"""Share by which intervals are longer than the rate requires, because calls do not all take equally long to reach the
server: at 20 per second, the first of 21 calls may be 12 milliseconds slower than the last."""
FIRST_DROP = 0.85
"""Factor by which an isolated 429 lowers the rate."""
DROP = 0.7
"""Factor for a 429 that follows another one while the lowered rate is being held."""
HOLD_S = 30.0
"""Seconds for which a lowered rate is held before it begins to recover."""
STEP_S = 15.0
"""Seconds between two steps of the recovery."""
STEPS = 20
"""Steps in which the rate would recover from zero."""
DOCUMENTED_LIMIT_PER_S = 20.0
"""The API's limit per App (inbound API documentation); with no rate configured, the one in force after a 429."""
SLOWEST_PER_S = 0.2
"""The rate never drops below this; longer pauses are left to the gate."""


def interval_s(rate_per_s: float) -> float:
    """Seconds between two starts."""
    return (1 + GUARD) / rate_per_s


def slack(rate_per_s: float) -> float:
    """Share of an interval by which a late start may be made up for; never so large that it uses up the guard."""
    return min(SLACK, rate_per_s * GUARD / 2)


class AdaptiveRate:
    """The rate in force: the configured one, or a lower one that recovers in steps after a 429.

    A pure function of what it is told; times are in seconds on any one clock.

    Args:
        configured_per_s: calls per second; 0 is no limit, until a 429 shows that the API has one.
    """

    def __init__(self, configured_per_s: float) -> None:
        self._configured = configured_per_s
        self._ceiling = configured_per_s or DOCUMENTED_LIMIT_PER_S
        self._lowered: float | None = None
        self._held_until = 0.0

    def per_s(self, now: float) -> float:
        """Calls per second at the time `now`; 0 is no limit."""
        if self._lowered is None:
            return self._configured
        steps = max(0.0, now - self._held_until) // STEP_S
        return min(self._ceiling, self._lowered + steps * self._ceiling / STEPS)

    def is_lowered(self, now: float) -> bool:
        """Whether the rate at the time `now` is lower than the configured one because of a 429."""
        return self.per_s(now) != self._configured

    def lower(self, now: float) -> None:
        """Lower the rate because of a 429 at the time `now`."""
        repeated = self._lowered is not None and now < self._held_until
        rate = self.per_s(now) or self._ceiling
        self._lowered = max(min(SLOWEST_PER_S, self._ceiling), rate * (DROP if repeated else FIRST_DROP))
        self._held_until = now + HOLD_S

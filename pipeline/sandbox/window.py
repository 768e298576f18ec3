"""Calls in any one-second span: how many there were at worst, and the limit on them. The clock is passed in."""

from collections import deque

SPAN_S = 1.0


class SlidingCount:
    """Count events in the span that ends now; keep the largest count ever reached.

    A span is open at its start: of two events exactly one second apart only the later one is in it.
    """

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()
        self.worst = 0

    def within(self, now_s: float) -> int:
        """Return how many events the last second holds; `now_s` must never go backwards."""
        times_s = self._times_s
        while times_s and now_s - times_s[0] >= SPAN_S:
            times_s.popleft()
        return len(times_s)

    def add(self, now_s: float) -> None:
        """Count one event at `now_s`."""
        self._times_s.append(now_s)
        self.worst = max(self.worst, self.within(now_s))


class RateWindow:
    """The calls of one App and the strict limit on them: refused calls are counted but use up nothing."""

    def __init__(self) -> None:
        self.arrivals = SlidingCount()
        self.admitted = SlidingCount()
        self.calls = 0
        self.throttled = 0

    def arrive(self, now_s: float) -> None:
        """Count a call, whatever becomes of it."""
        self.calls += 1
        self.arrivals.add(now_s)

    def admit(self, now_s: float, limit_per_s: int) -> bool:
        """Tell whether the limit lets one more call in now; a limit of 0 lets everything in."""
        if limit_per_s and self.admitted.within(now_s) >= limit_per_s:
            self.throttled += 1
            return False
        self.admitted.add(now_s)
        return True

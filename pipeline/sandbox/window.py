"""Calls in any one-second window: the largest number, and a limit on it. The time is passed in."""

from collections import deque

WINDOW_S = 1.0


class SlidingCount:
    """Counts the events in the window that ends now, and records the largest count so far.

    A window excludes its start: of two events exactly one second apart it contains only the later one.
    """

    def __init__(self) -> None:
        self._times_s: deque[float] = deque()
        self.worst = 0

    def within(self, now_s: float) -> int:
        """The number of events in the last second; `now_s` must never decrease."""
        times_s = self._times_s
        while times_s and now_s - times_s[0] >= WINDOW_S:
            times_s.popleft()
        return len(times_s)

    def add(self, now_s: float) -> None:
        """Count one event at `now_s`."""
        self._times_s.append(now_s)
        self.worst = max(self.worst, self.within(now_s))


class RateWindow:
    """The calls of one App and the strict limit on them; refused calls do not use up any of it."""

    def __init__(self) -> None:
        self.arrivals = SlidingCount()
        self.admitted = SlidingCount()
        self.calls = 0
        self.throttled = 0
        self.first_call_s: float | None = None
        self.last_call_s: float | None = None

    def arrive(self, now_s: float) -> None:
        """Count a call, whatever its outcome."""
        self.calls += 1
        self.arrivals.add(now_s)
        self.last_call_s = now_s
        if self.first_call_s is None:
            self.first_call_s = now_s

    def admit(self, now_s: float, limit_per_s: int) -> bool:
        """Whether the limit admits one more call now, which then counts; a limit of 0 admits every call."""
        if limit_per_s and self.admitted.within(now_s) >= limit_per_s:
            self.throttled += 1
            return False
        self.admitted.add(now_s)
        return True

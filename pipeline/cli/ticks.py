"""What shows progress is built on: a rate over the last seconds, and a tick every second or when SIGUSR1 asks."""

from __future__ import annotations

import signal
import threading
from collections import deque
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

WINDOW_S = 10.0
"""Seconds over which the rate is measured for the bar."""
TICK_S = 1.0
"""Seconds after which the bar is drawn even if no answer arrived, and after which a line is noticed to be due."""


class RecentRate:
    """Events per second over the last seconds; times are in seconds of any steady clock."""

    def __init__(self, start_s: float, window_s: float = WINDOW_S) -> None:
        self._start_s = start_s
        self._window_s = window_s
        self._times: deque[float] = deque()

    def add(self, now_s: float) -> None:
        """Count an event."""
        self._times.append(now_s)
        self._forget(now_s)

    def per_second(self, now_s: float) -> float:
        """The rate as of now; 0 if there was no event in the last seconds."""
        self._forget(now_s)
        span_s = min(self._window_s, now_s - self._start_s)
        return len(self._times) / span_s if span_s > 0 else 0.0

    def _forget(self, now_s: float) -> None:
        while self._times and self._times[0] <= now_s - self._window_s:
            self._times.popleft()


class Ticker:
    """Calls a function every second in a thread of its own, and at once when SIGUSR1 arrives; a context manager.

    What a signal's handler may do in the middle of anything is little; adding to a `SimpleQueue` is allowed.

    Args:
        tick: called with True if SIGUSR1 asked for it.
        interval_s: seconds between two calls.
    """

    def __init__(self, tick: Callable[[bool], None], interval_s: float = TICK_S) -> None:
        self._tick = tick
        self._interval_s = interval_s
        self._wishes: SimpleQueue[bool] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)
        self._before: object = None

    def __enter__(self) -> Self:
        """Start; only the main thread can receive signals."""
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGUSR1, self._asked)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and leave the signal as it was."""
        if self._before is not None:
            signal.signal(signal.SIGUSR1, self._before)  # type: ignore[arg-type]  # what signal.signal gave
        self._wishes.put(False)
        self._thread.join()

    def _asked(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - what signal.signal wants
        self._wishes.put(True)

    def _run(self) -> None:
        """Tick until the queue says False."""
        while True:
            try:
                asked = self._wishes.get(timeout=self._interval_s)
            except Empty:
                self._tick(False)
            else:
                if not asked:
                    return
                self._tick(True)

"""The progress bar: how far the job is, how fast, how long it still takes, and how many addresses failed."""

from __future__ import annotations

import shutil
import sys
import time
from collections import Counter, deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import click

from pipeline.jobs.fetch import Observer
from pipeline.outcomes import Outcome
from pipeline.words import duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.cli.monitor import Monitor
    from pipeline.outcomes import Address, Answer


MIN_COLUMNS = 80
"""Terminals with fewer columns show the bar without details."""
WINDOW_S = 10.0
"""Seconds over which the rate is measured."""


class RecentRate:
    """Events per second over the last seconds; times are in seconds of any steady clock."""

    def __init__(self, start_s: float) -> None:
        self._times = deque([start_s])

    def add(self, now_s: float) -> None:
        """Count an event."""
        self._times.append(now_s)
        while len(self._times) > 2 and self._times[0] < now_s - WINDOW_S:
            self._times.popleft()

    def per_second(self) -> float:
        """The rate as of the last event; 0 if there was none."""
        span_s = self._times[-1] - self._times[0]
        return (len(self._times) - 1) / span_s if span_s > 0 else 0.0


class Progress(Observer):
    """Draws a progress bar on standard error while a job runs; a context manager.

    Args:
        enabled: whether to draw; None draws on a terminal only.
        quiet: never draw.
        monitor: is told how the attempt goes, too.
        now: a steady clock, in seconds.
    """

    def __init__(
        self,
        *,
        enabled: bool | None,
        quiet: bool,
        monitor: Monitor | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monitor = monitor
        # There is no standard error at all if the process was started with it closed.
        wanted = sys.stderr is not None and (sys.stderr.isatty() if enabled is None else enabled)
        self._enabled = wanted and not quiet
        self._now = now
        self._rate = RecentRate(now())
        self._remaining = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._bar: Any = None

    def __enter__(self) -> Self:
        """Return the observer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the bar as it is."""
        self.close()

    def began(self) -> None:
        """Tell the monitor."""
        if self._monitor is not None:
            self._monitor.began()

    def named(self, run_id: str) -> None:
        """Tell the monitor."""
        if self._monitor is not None:
            self._monitor.named(run_id)

    def listed(self, *, rows: int, addresses: int, answered: int) -> None:  # noqa: ARG002 - rows are not shown
        """Start the bar."""
        self._rate, self._remaining = RecentRate(self._now()), addresses - answered
        if not self._enabled:
            return
        bar = click.progressbar(
            length=addresses,
            label="Fetching leads",
            width=0,  # as wide as the terminal; a longer line would wrap and be drawn again below itself
            show_pos=True,
            show_eta=False,  # click's would take the answers of previous attempts for answers of this one
            item_show_func=self.details if shutil.get_terminal_size().columns >= MIN_COLUMNS else None,
            file=sys.stderr,
        )
        with self._drawing():
            self._bar = bar.__enter__()
            self._bar.update(answered)

    def answered(self, address: Address, answer: Answer) -> None:  # noqa: ARG002 - the address is not shown
        """Advance the bar by one."""
        self._outcomes[answer.outcome] += 1
        self._remaining -= 1
        self._rate.add(self._now())
        if self._bar is not None:
            with self._drawing():
                self._bar.update(1, answer)

    def publishing(self) -> None:
        """End the bar before the summary."""
        self.close()

    def details(self, _: object = None) -> str:
        """The rate, the time left, and the answers of this attempt."""
        rate, failed = self._rate.per_second(), self._outcomes[Outcome.FAILED]
        parts = [f"{rate:.1f}/s", f"{duration(self._remaining / rate)} left"] if rate else []
        parts.append(f"{self._outcomes[Outcome.FOUND]:,} found")
        parts += [f"{failed:,} failed"] if failed else []
        return ", ".join(parts)

    def close(self) -> None:
        """End the bar, so that the next message starts on a new line."""
        if self._bar is not None:
            bar, self._bar = self._bar, None
            with self._drawing():
                bar.__exit__(None, None, None)

    @contextmanager
    def _drawing(self) -> Iterator[None]:
        """A bar that can no longer be drawn does not stop the job."""
        try:
            yield
        except OSError:
            self._bar = None

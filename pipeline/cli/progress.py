"""Progress while a job runs: a bar on a terminal, elsewhere a line every few minutes, and one whenever SIGUSR1 asks."""

from __future__ import annotations

import sys
import threading
import time
from collections import Counter
from enum import Enum
from typing import TYPE_CHECKING, Self

from pipeline.cli.output import MessageFormat, print_message
from pipeline.cli.screen import LastLine
from pipeline.cli.ticks import WINDOW_S, RecentRate, Ticker
from pipeline.jobs.fetch import Observer
from pipeline.outcomes import Outcome
from pipeline.words import duration

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

    from pipeline.calls.budget import Budget
    from pipeline.calls.counts import CallCounts
    from pipeline.cli.monitor import Monitor
    from pipeline.outcomes import Address, Answer


LONG_WINDOW_S = 60.0
"""The same for lines, between which minutes pass."""
REDRAW_S = 0.1
"""Seconds between two drawings of the bar."""
SILENCE_S = 60.0
"""Seconds without an answer that are worth telling."""
MIN_BAR, MAX_BAR = 10, 40
"""Columns of the bar itself; with fewer there is none, only the numbers."""


def limits(budget: Budget) -> list[str]:
    """Until when calls go out, on the clock of this machine, and how many more there may be."""
    deadline_s = budget.deadline_s
    until = [] if deadline_s is None else [f"until {time.strftime('%H:%M', time.localtime(deadline_s))}"]
    return until + ([f"{budget.max_calls - budget.spent:,} calls allowed"] if budget.max_calls else [])


class Phase(Enum):
    """What a job is doing; the first and the last have no numbers to show."""

    READING = "Reading the lists"
    FETCHING = "Fetching leads"
    WRITING = "Writing the tables"


class Progress(Observer):
    """Shows on standard error how far a job is; a context manager.

    Args:
        enabled: whether to show a bar on a terminal, and lines elsewhere; SIGUSR1 gets its answer all the same.
        interval_s: seconds between two lines; 0 = no lines.
        monitor: is told how the attempt goes, too.
        stream: where the bar is drawn; None is standard error.
        now: a steady clock, in seconds.
    """

    def __init__(
        self,
        *,
        enabled: bool,
        interval_s: float = 0.0,
        monitor: Monitor | None = None,
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monitor = monitor
        stream = stream or sys.stderr
        # There is no standard error at all if the process was started with it closed.
        on_terminal = stream is not None and stream.isatty() and not MessageFormat.as_json
        self._line = LastLine(stream) if enabled and on_terminal else None
        self._interval_s = interval_s if enabled and not on_terminal else 0.0
        self._now = now
        self._phase, self._phase_at = Phase.READING, now()
        self._printed_at = self._last_answer_at = self._phase_at
        self._drawn_at = self._phase_at - REDRAW_S
        self._total = self._answered = 0
        self._outcomes: Counter[Outcome] = Counter()
        self._counts: CallCounts | None = None
        self._budget: Budget | None = None
        self._rate = RecentRate(self._phase_at)
        self._lock = threading.RLock()
        self._ticker = Ticker(self.tick)

    def __enter__(self) -> Self:
        """Return the observer itself."""
        self._ticker.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the bar as it is."""
        self._ticker.__exit__(*error)
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
        with self._lock:
            self._begin(Phase.FETCHING)
            self._total, self._answered, self._last_answer_at = addresses, answered, self._phase_at
            self._rate = RecentRate(self._phase_at, WINDOW_S if self._line else LONG_WINDOW_S)
        self._draw()

    def calling(self, counts: CallCounts) -> None:
        """Take the number of throttled calls from these counts."""
        self._counts = counts

    def limited(self, budget: Budget) -> None:
        """Show until when calls go out, and how many there may be."""
        self._budget = budget

    def answered(self, address: Address, answer: Answer) -> None:  # noqa: ARG002 - the address is not shown
        """Advance the bar by one."""
        now = self._now()
        with self._lock:
            self._outcomes[answer.outcome] += 1
            self._answered += 1
            self._rate.add(now)
            self._last_answer_at = now
        if now - self._drawn_at >= REDRAW_S:
            self._draw()

    def publishing(self) -> None:
        """End the bar; writing takes its time, too."""
        with self._lock:
            self._end_line()
            self._begin(Phase.WRITING)

    def tick(self, asked: bool) -> None:
        """Draw the bar, and print a line if one is due or was asked for."""
        is_due = self._interval_s and self._now() - self._printed_at >= self._interval_s
        if is_due or asked:
            self._printed_at = self._now()
            print_message("info", self.text())
        self._draw()

    def text(self) -> str:
        """How far the job is, in one line without an address."""
        now = self._now()
        with self._lock:
            if self._phase is not Phase.FETCHING:
                return f"{self._phase.value}, {duration(now - self._phase_at)} so far."
            share = self._answered / self._total if self._total else 1.0
            done = f"{self._answered:,} of {self._total:,} addresses answered ({int(share * 100)}%)"
            return f"{done}: {self._details(now)}."

    @property
    def phase(self) -> Phase:
        """What the job is doing."""
        return self._phase

    @property
    def counts(self) -> tuple[int, int]:
        """Distinct addresses, and how many of them are answered."""
        return self._total, self._answered

    def speed(self) -> tuple[float, float | None]:
        """Answers per second, and the seconds until all addresses have one; None if that is not known."""
        with self._lock:
            rate, left = self._rate.per_second(self._now()), self._total - self._answered
        return rate, left / rate if rate and self._phase is Phase.FETCHING else None

    def close(self) -> None:
        """Show nothing more; the next message starts on a line of its own."""
        with self._lock:
            self._end_line()
            self._line = None

    def _begin(self, phase: Phase) -> None:
        self._phase, self._phase_at = phase, self._now()

    def _end_line(self) -> None:
        """Leave the bar as it is at the end; the other phases have nothing to leave."""
        if self._line is None:
            return
        if self._phase is Phase.FETCHING:
            self._draw()
            self._line.leave()
        else:
            self._line.erase()

    def _draw(self) -> None:
        with self._lock:
            if self._line is None:
                return
            now = self._drawn_at = self._now()
            if self._phase is Phase.FETCHING:
                self._line.draw(self._bar(now, self._line.columns))
            else:
                self._line.draw(f"{self._phase.value}, {duration(now - self._phase_at)}")

    def _bar(self, now: float, columns: int) -> str:
        numbers = f"{self._answered:,}/{self._total:,}  {self._details(now)}"
        width = min(MAX_BAR, columns - len(f"{self._phase.value}  []  ") - len(numbers))
        if width < MIN_BAR:
            return f"{self._phase.value}  {numbers}"
        filled = width * self._answered // self._total if self._total else width
        return f"{self._phase.value}  [{'#' * filled}{'-' * (width - filled)}]  {numbers}"

    def _details(self, now: float) -> str:
        """The rate, the time left, and the answers of this attempt."""
        rate, left = self._rate.per_second(now), self._total - self._answered
        parts = [f"{rate:.1f}/s"]
        if rate and left:
            parts.append(f"{duration(left / rate)} left")
        if self._budget is not None and left:
            parts += limits(self._budget)
        if left and (silence_s := now - self._last_answer_at) >= SILENCE_S:
            parts.append(f"no answer for {duration(silence_s)}")
        parts.append(f"{self._outcomes[Outcome.FOUND]:,} found")
        failed, throttled = self._outcomes[Outcome.FAILED], self._counts.throttled if self._counts else 0
        parts += [f"{failed:,} failed"] if failed else []
        parts += [f"{throttled:,} throttled"] if throttled else []
        return ", ".join(parts)

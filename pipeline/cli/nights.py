"""Many runs rebuilt by one command: how far that is, and what became of each."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING, Self

from pipeline.cli.output import MessageFormat, print_json, print_message
from pipeline.cli.progress import MAX_BAR, MIN_BAR
from pipeline.cli.screen import LastLine
from pipeline.cli.ticks import Ticker
from pipeline.errors import ExitCode, StorageError
from pipeline.jobs.nights.many import NightObserver, rebuild_many
from pipeline.words import counted, duration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import TextIO

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.jobs.nights.many import Rebuilt
    from pipeline.jobs.nights.night import Ending

NAME = "lead-export"


def rebuild_nights(
    runs: Sequence[Path],
    out: Path,
    scheduler: str | None,
    settings: GivenSettings,
    output: OutputOptions,
    *,
    progress: bool,
) -> ExitCode:
    """Rebuild the runs, and print what became of them; return the exit code."""
    loaded = settings.load()
    shown = NightProgress(enabled=progress and not output.quiet, interval_s=loaded.progress_interval_s)
    with shown:
        rebuilt = rebuild_many(
            runs,
            out,
            lambda before: settings.load(base=before),
            workers=loaded.workers,
            scheduler=scheduler,
            observer=shown,
        )
    if not output.quiet:
        print_message("info", "\n".join(_lines(rebuilt)))
    if output.as_json:
        try:
            print_json(rebuilt)
        except StorageError as error:  # what was published stays, and so does the exit code that says so
            print_message("warning", f"{NAME}: {error}")
    return _exit_code(rebuilt)


def _exit_code(rebuilt: Rebuilt) -> ExitCode:
    if any(ending.exit_code == ExitCode.BUG for ending in rebuilt.runs):
        return ExitCode.BUG
    return ExitCode.ROWS_FAILED if any(ending.exit_code for ending in rebuilt.runs) else ExitCode.OK


def _lines(rebuilt: Rebuilt) -> Iterator[str]:
    """The summary."""
    total = len(rebuilt.runs)
    parts = [f"{rebuilt.rebuilt:,} rebuilt"]
    parts += [f"{rebuilt.present:,} there already"] if rebuilt.present else []
    parts += [f"{rebuilt.failed:,} failed"] if rebuilt.failed else []
    yield f"{counted(total, 'run')}: {', '.join(parts)}"
    with_failures = [ending for ending in rebuilt.runs if ending.failed_rows]
    rows = f"{counted(sum(ending.rows for ending in rebuilt.runs), 'row')} read"
    if with_failures:
        failed = counted(sum(ending.failed_rows for ending in with_failures), "row")
        rows += f"; {failed} failed in {counted(len(with_failures), 'run')}"
    yield f"  {rows}"
    if rebuilt.rebuilt or rebuilt.present:
        yield f"  tables in {rebuilt.out}; the newest run is {rebuilt.latest}"


class NightProgress(NightObserver):
    """Shows on standard error how many runs are done; a context manager.

    Each run that fails is one line as soon as it does.

    Args:
        enabled: whether to show a bar on a terminal, and lines elsewhere; SIGUSR1 gets its answer all the same.
        interval_s: seconds between two lines; 0 = no lines.
        stream: where the bar is drawn; None is standard error.
        now: a steady clock, in seconds.
    """

    def __init__(
        self,
        *,
        enabled: bool,
        interval_s: float = 0.0,
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        stream = stream or sys.stderr
        on_terminal = stream is not None and stream.isatty() and not MessageFormat.as_json
        self._line = LastLine(stream) if enabled and on_terminal else None
        self._interval_s = interval_s if enabled and not on_terminal else 0.0
        self._now = now
        self._began_at = self._printed_at = now()
        self._total = self._done = self._failed = 0
        self._lock = threading.RLock()
        self._ticker = Ticker(self.tick)

    def __enter__(self) -> Self:
        """Return the observer itself."""
        self._ticker.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Leave the bar as it is."""
        self._ticker.__exit__(*error)
        with self._lock:
            if self._line is not None and self._total:
                self._draw()
                self._line.leave()
            self._line = None

    def began(self, total: int) -> None:
        """Start the bar."""
        with self._lock:
            self._total, self._began_at = total, self._now()
        self._draw()

    def ended(self, ending: Ending) -> None:
        """Advance the bar by one; say why a run failed."""
        with self._lock:
            self._done += 1
            self._failed += ending.status == "failed"
        if ending.reason and not ending.stops:
            print_message("error", f"{NAME}: {ending.reason}")
        self._draw()

    def tick(self, asked: bool) -> None:
        """Draw the bar, and print a line if one is due or was asked for."""
        is_due = self._interval_s and self._now() - self._printed_at >= self._interval_s
        if is_due or asked:
            self._printed_at = self._now()
            print_message("info", f"Rebuilding: {self.text()}.")
        self._draw()

    def text(self) -> str:
        """How many runs are done, and how long the others take."""
        with self._lock:
            parts = [f"{self._done:,} of {counted(self._total, 'run')}"]
            left, elapsed = self._total - self._done, self._now() - self._began_at
            if self._done and left:
                parts.append(f"{duration(elapsed / self._done * left)} left")
            parts += [f"{self._failed:,} failed"] if self._failed else []
            return ", ".join(parts)

    def _draw(self) -> None:
        with self._lock:
            if self._line is None or not self._total:
                return
            text = self.text()
            width = min(MAX_BAR, self._line.columns - len(f"Rebuilding  []  {text}"))
            filled = width * self._done // self._total
            bar = f"[{'#' * filled}{'-' * (width - filled)}]  " if width >= MIN_BAR else ""
            self._line.draw(f"Rebuilding  {bar}{text}")

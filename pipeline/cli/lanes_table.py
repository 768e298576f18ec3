"""How several accounts fare: a table on a terminal, elsewhere a line every few minutes; and how each ended."""

from __future__ import annotations

import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pipeline.accounts.lanes import with_own_variables
from pipeline.cli.output import MessageFormat, pass_on, print_message
from pipeline.cli.progress import REDRAW_S
from pipeline.cli.screen import LastLines
from pipeline.cli.ticks import Ticker
from pipeline.jobs.run_all import LanesObserver
from pipeline.words import counted, duration

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import TextIO

    from pipeline.accounts.protocol import Event
    from pipeline.accounts.round import LaneRecord, Round

DUMB = ("", "dumb")
"""Names of terminals on which the cursor cannot go up."""


@dataclass(slots=True)
class _Row:
    """How an account fares: its last news, and its record once it has ended."""

    event: Event | None = None
    is_started: bool = False
    record: LaneRecord | None = None


class LanesTable(LanesObserver):
    """Shows on standard error how the accounts fare; a context manager.

    Args:
        names: of the accounts.
        enabled: whether to show a table on a terminal, and lines elsewhere; SIGUSR1 gets its answer all the same.
        interval_s: seconds between two lines; 0 = no lines.
        environ: says what kind of terminal it is.
        stream: where the table is drawn; None is standard error.
        now: a steady clock, in seconds.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        enabled: bool,
        interval_s: float,
        environ: Mapping[str, str] | os._Environ[str],
        stream: TextIO | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        stream = stream or sys.stderr
        on_terminal = stream is not None and stream.isatty() and not MessageFormat.as_json
        on_terminal = on_terminal and environ.get("TERM", "") not in DUMB
        self._lines = LastLines(stream) if enabled and on_terminal else None
        self._interval_s = interval_s if enabled and not on_terminal else 0.0
        self._now = now
        self._rows = {name: _Row() for name in names}
        self._is_combining = False
        self._printed_at, self._drawn_at = now(), now() - REDRAW_S
        self._lock = threading.RLock()
        self._ticker = Ticker(self.tick)

    def __enter__(self) -> Self:
        """Return the observer itself."""
        self._ticker.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the table; how the accounts have ended is told by `endings`."""
        self._ticker.__exit__(*error)
        with self._lock:
            if self._lines is not None:
                self._lines.erase()
                self._lines = None

    def started(self, name: str) -> None:
        """Show that an account is at work."""
        self._rows[name].is_started = True

    def heard(self, name: str, event: Event) -> None:
        """Show how far it is."""
        if event.doing:
            self._rows[name].event = event
            if self._now() - self._drawn_at >= REDRAW_S:
                self._draw()

    def said(self, name: str, line: str) -> None:
        """Pass its messages on."""
        pass_on(name, with_own_variables(name, line))

    def ended(self, name: str, record: LaneRecord) -> None:
        """Show how it ended."""
        self._rows[name].record = record
        self._draw()

    def combining(self) -> None:
        """Show that the tables are put together."""
        self._is_combining = True
        self._draw()

    def tick(self, asked: bool) -> None:
        """Draw the table, and print a line if one is due, or the table if it was asked for."""
        is_due = self._interval_s and self._now() - self._printed_at >= self._interval_s
        if asked:
            print_message("info", "\n".join(self.table()))
        elif is_due:
            print_message("info", self.line())
        if asked or is_due:
            self._printed_at = self._now()
        self._draw()

    def line(self) -> str:
        """How far all of them are together, in one line."""
        rows = self._rows.values()
        ended = sum(row.record is not None for row in rows)
        events = [row.event for row in rows if row.event is not None]
        addresses, answered = sum(one.addresses for one in events), sum(one.answered for one in events)
        rate = sum(row.event.per_second for row in rows if row.event is not None and row.record is None)
        share = f" ({int(100 * answered / addresses)}%)" if addresses else ""
        return (
            f"{ended:,} of {counted(len(self._rows), 'account')} ended, {answered:,} of"
            f" {counted(addresses, 'address')} answered{share}, {rate:.1f}/s."
        )

    def table(self) -> list[str]:
        """A line for each account: its name, how far it is or how it ended."""
        width = max(map(len, self._rows), default=0)
        lines = [f"{name:<{width}}  {_state(row)}" for name, row in self._rows.items()]
        return [*lines, "combining the tables"] if self._is_combining else lines

    def _draw(self) -> None:
        with self._lock:
            if self._lines is None:
                return
            self._drawn_at = self._now()
            lines, room = self.table(), self._lines.rows
            if len(lines) > room:
                lines = [*lines[: room - 1], f"and {len(lines) - room + 1} more: {self.line()}"]
            self._lines.draw("\n".join(lines))


def endings(found: Round) -> Iterator[tuple[str, LaneRecord, str]]:
    """How each account that was asked for has ended: its name, its record, and that in words."""
    for name in found.asked:
        record = found.lanes[name]
        yield name, record, _ending(record)


def _state(row: _Row) -> str:
    if row.record is not None:
        return _ending(row.record)
    event = row.event
    if event is None:
        return "starting" if row.is_started else "waiting"
    if not event.addresses:
        return event.doing
    share = f"{int(100 * event.answered / event.addresses)}%"
    left = f", {duration(event.left_s)} left" if event.left_s else ""
    progress = f"{event.answered:,} of {event.addresses:,} answered ({share}), {event.per_second:.1f}/s{left}"
    return progress if event.answered < event.addresses else f"{progress}, {event.doing.lower()}"


def _ending(record: LaneRecord) -> str:
    code = f"exit {record.code}"
    if not record.published:
        return f"{code}  {record.sentence or 'It was stopped before it had begun.'}"
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in record.rows.items() if count and name != "read"]
    rate = f", {record.calls_per_s:.1f}/s" if record.calls_per_s else ""
    return f"{code}  run {record.run_id}: {counted(record.rows.get('read', 0), 'row')}, {', '.join(counts)}{rate}"

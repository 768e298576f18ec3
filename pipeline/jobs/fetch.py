"""From the journal's unanswered addresses to answers in the journal: the calls of a run."""

from __future__ import annotations

import asyncio
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.calls.budget import Budget
from pipeline.calls.client import LeadClient
from pipeline.calls.fanout import FanOut
from pipeline.calls.kartra import refuses_the_app
from pipeline.errors import Interrupted, Terminated
from pipeline.jobs.awaiting import Stopper
from pipeline.jobs.budget import ended_by
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from pipeline.calls.counts import CallCounts
    from pipeline.errors import StopRun
    from pipeline.jobs.freshness import EndedBy
    from pipeline.journal.replay import JournalSummary
    from pipeline.journal.store import Journal
    from pipeline.outcomes import Address, Answer
    from pipeline.settings import Settings


class Observer:
    """Is told what a job does. Override the methods you need; by default they do nothing."""

    def began(self) -> None:
        """The job holds the folder in which its answers are kept."""

    def named(self, run_id: str) -> None:
        """The run is a new one of this name, or an unfinished one that is resumed."""

    def listed(self, *, rows: int, addresses: int, answered: int) -> None:
        """All lists were read: rows, addresses to look up, and how many of these a previous attempt answered."""

    def calling(self, counts: CallCounts) -> None:
        """The calls begin; `counts` is kept up to date while they go."""

    def limited(self, budget: Budget) -> None:
        """The calls end with this budget."""

    def answered(self, address: Address, answer: Answer) -> None:
        """One more address has its final answer, which may be a failure."""

    def publishing(self) -> None:
        """Every address has its answer, or the budget has ended; the tables are being written."""

    def published(self, path: Path) -> None:
        """The run, or the file of `enrich`, was published at `path`."""


def fetch_leads(
    settings: Settings,
    journal: Journal,
    observer: Observer,
    counts: CallCounts,
    clock: Callable[[], int] = now_ms,
    budget: Budget | None = None,
) -> EndedBy:
    """Look up every address that has no answer yet, as far as the budget goes; each answer is in the journal then.

    Works where an event loop is running already, as in a notebook: the calls then run in a thread of their own.

    Args:
        settings: the API, the pace and the patience.
        journal: gives the addresses and takes the answers.
        observer: is told about each answer.
        counts: updated as the calls go, so that it holds after an error too.
        clock: gives the time at which an answer was given, in milliseconds since 1970 UTC.
        budget: what may be spent; None is no limit.

    Returns:
        What has ended the calls: `done` if nobody was left to ask.

    Raises:
        StopRun: the API refuses us or is down, an answer could not be stored, a signal arrived, or the budget has ended
            before anything was answered.
    """
    before = journal.summary()
    observer.listed(rows=before.rows, addresses=before.answered + before.to_ask, answered=before.answered)
    observer.calling(counts)
    budget = budget or Budget()
    observer.limited(budget)
    _fetch(_Fetch(settings, journal, observer, counts, before, clock, budget), Stopper.current())
    ended = ended_by(journal, budget)
    observer.publishing()
    return ended


def _fetch(fetch: _Fetch, stopper: Stopper) -> None:
    if not _loop_is_running():
        _run(fetch.run(stopper))
        return None
    with ThreadPoolExecutor(1, "fetch") as thread:
        future = thread.submit(_run, fetch.run(stopper))
        while True:
            try:
                return future.result()
            except KeyboardInterrupt:  # the second one stops at once
                stopper.stop(_interrupted())


class _Fetch:
    """The calls of one attempt."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        observer: Observer,
        counts: CallCounts,
        before: JournalSummary,
        clock: Callable[[], int],
        budget: Budget,
    ) -> None:
        self._settings, self._journal, self._observer, self._counts = settings, journal, observer, counts
        self._clock, self._budget = clock, budget
        self._has_answered = before.answered > 0
        # Or an address for which the API says "wrong credentials" could stop every attempt at its first call.
        self._probe_first = not self._has_answered and refuses_the_app(journal.stop_code)

    async def run(self, stopper: Stopper) -> None:
        """Make the calls, until `stopper` or a signal stops them."""
        async with LeadClient(self._settings) as client:
            fanout = FanOut(
                client,
                self._report,
                settings=self._settings,
                counts=self._counts,
                budget=self._budget,
                has_answered=self._has_answered,
                probe_first=self._probe_first,
            )
            with _stopped_by_signals(fanout), stopper.stops(fanout.stop):
                try:
                    await fanout.run(self._journal.pending())
                finally:
                    await self._journal.flush()
                    await self._budget.close()

    async def _report(self, address: Address, answer: Answer) -> None:
        if self._clock is not now_ms:
            answer = msgspec.structs.replace(answer, answered_at_ms=self._clock())
        await self._journal.append(address.id, answer)
        self._observer.answered(address, answer)


def _run(calls: Coroutine[Any, Any, None]) -> None:
    """Like `asyncio.run`, but leave this thread's current event loop and wakeup file descriptor as they were."""
    is_main = threading.current_thread() is threading.main_thread()
    wakeup_fd = signal.set_wakeup_fd(-1) if is_main else -1
    try:
        with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
            runner.run(calls)
    finally:
        if is_main:
            signal.set_wakeup_fd(wakeup_fd)


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _interrupted() -> StopRun:
    return Interrupted("Stopped by Ctrl-C.")


def _terminated(number: signal.Signals) -> StopRun:
    return Terminated(f"Stopped by {number.name}.")


@contextmanager
def _stopped_by_signals(fanout: FanOut) -> Iterator[None]:
    """Stop the calls on Ctrl-C, SIGTERM and SIGHUP, at once on the second signal; only the main thread gets signals.

    SIGHUP means that the terminal was closed unless it is ignored, as under `nohup`, or the program around this one has
    a use of its own for it, such as reading its configuration again.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    reasons = {signal.SIGINT: _interrupted(), signal.SIGTERM: _terminated(signal.SIGTERM)}
    hangup = signal.getsignal(signal.SIGHUP)
    if hangup is not signal.SIG_IGN and hangup in (signal.SIG_DFL, signal.getsignal(signal.SIGTERM)):
        reasons[signal.SIGHUP] = _terminated(signal.SIGHUP)
    # A handler that was not installed from Python is None, cannot be put back, and so stays.
    before = {number: handler for number in reasons if (handler := signal.getsignal(number)) is not None}
    for number in before:
        loop.add_signal_handler(number, fanout.stop, reasons[number])
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

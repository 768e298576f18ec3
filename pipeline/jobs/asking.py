"""From the journal's open addresses to the journal's answers: the calls of a run."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.calls.client import LeadClient
from pipeline.calls.fanout import FanOut
from pipeline.errors import Interrupted, Terminated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.calls.counts import CallCounts
    from pipeline.jobs.observer import Observer
    from pipeline.journal.store import Journal
    from pipeline.outcomes import Address, Answer
    from pipeline.settings import Settings


_SIGNALS = {
    signal.SIGINT: (Interrupted, "Stopped by Ctrl-C."),
    signal.SIGTERM: (Terminated, "Stopped by SIGTERM."),
}


def ask_all(settings: Settings, journal: Journal, observer: Observer, counts: CallCounts) -> None:
    """Ask for every address that has no answer yet; each answer is in the journal when this returns.

    `counts` is brought up to date as the calls go, so that it holds also after an error.

    Raises:
        StopRun: the API refuses us, or an answer could not be kept.
    """
    asyncio.run(_ask_all(settings, journal, observer, counts))


async def _ask_all(settings: Settings, journal: Journal, observer: Observer, counts: CallCounts) -> None:
    async def report(address: Address, answer: Answer) -> None:
        await journal.append(address.id, answer)
        observer.answered(address, answer)

    async with LeadClient(settings) as client:
        fanout = FanOut(client, report, settings=settings, counts=counts)
        with _stopped_by_signals(fanout):
            try:
                await fanout.run(journal.pending())
            finally:
                await journal.flush()


@contextmanager
def _stopped_by_signals(fanout: FanOut) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM stop the calls politely, a second one at once; only the main thread gets signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, (reason, words) in _SIGNALS.items():
        loop.add_signal_handler(number, fanout.stop, reason(words))
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)

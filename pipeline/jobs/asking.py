"""From the journal's open addresses to the journal's answers: the calls of a run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipeline.calls.client import LeadClient
from pipeline.calls.fanout import FanOut

if TYPE_CHECKING:
    from pipeline.calls.counts import CallCounts
    from pipeline.jobs.observer import Observer
    from pipeline.journal import Journal
    from pipeline.outcomes import Address, Answer
    from pipeline.settings import Settings


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
        fanout = FanOut(client.ask, report, pace=client.pace, settings=settings, counts=counts)
        try:
            await fanout.run(journal.pending())
        finally:
            await journal.flush()

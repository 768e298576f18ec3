"""When a call of a run may start: while its budget lasts, and at its pace."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from pipeline.calls.budget import BudgetEnded

if TYPE_CHECKING:
    from pipeline.calls.budget import Budget
    from pipeline.calls.counts import CallCounts
    from pipeline.calls.pace import Pace, Permit


class Starts:
    """Gives out permits, and counts the time that waiting for them takes.

    Args:
        pace: when calls may start.
        budget: how many may, and until when.
        counts: takes the time.
    """

    def __init__(self, pace: Pace, budget: Budget, counts: CallCounts) -> None:
        self._pace, self._budget, self._counts = pace, budget, counts

    async def permit(self) -> Permit:
        """Return when a call may start, now.

        Raises:
            BudgetEnded: none may start any more.
        """
        await self._budget.reserve()
        permit = await self._acquire()
        try:
            self._budget.take()
        except BudgetEnded:
            self._pace.cancelled(permit)
            raise
        return permit

    def unused(self, permit: Permit) -> None:
        """Take back a permit with which no call was started."""
        self._pace.cancelled(permit)
        self._budget.give_back()

    async def _acquire(self) -> Permit:
        clock = asyncio.get_running_loop().time
        before, held_back_s = clock(), self._pace.held_back_s
        try:
            return await self._pace.acquire()
        finally:
            held_back_s = self._pace.held_back_s - held_back_s
            self._counts.time.limiter += clock() - before - held_back_s
            self._counts.time.throttled += held_back_s

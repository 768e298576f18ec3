"""What a run may spend on calls: the time until a deadline, and a number of calls; whichever is used up first ends it.

Two clocks tell whether the deadline has come, and the one that is ahead counts: the monotonic clock stands still while
the machine sleeps, and the wall clock can be set back.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Limit = Literal["deadline", "max_calls"]
"""What can end the calls before everybody was asked."""

ON_THE_WAY_S = 0.25
"""Seconds before the deadline in which no call starts any more, as it would reach the server after it."""
LOOK_S = 1.0
"""Seconds after which the wall clock is looked at again: no timer of the process tells that it was set."""
MOST_RESERVED = 200
"""Calls that are recorded as sent ahead of time, at most, so that not each of them waits for the disk."""


class BudgetEnded(Exception):
    """No call may start any more."""


class Budget:
    """What a run may still spend. Without arguments there is no limit.

    A number of calls is only exceeded if nobody knows it: so calls are recorded before they are sent, some at a time.
    What a killed process had recorded and not sent is lost; it is a thousandth of all calls, or one.

    Args:
        deadline_s: when calls may no longer start, in seconds since 1970 UTC; None is never.
        max_calls: calls that all attempts may send together; 0 is any number.
        spent: those that earlier attempts have sent.
        record: stores how many are spent, safely, before it returns.
        wall: the wall clock, in seconds since 1970 UTC.

    Attributes:
        deadline_s: as given.
        max_calls: as given.
        ended_by: what ended the calls; None while nothing has.
        spent: calls that were sent, by earlier attempts too.
    """

    def __init__(
        self,
        deadline_s: float | None = None,
        *,
        max_calls: int = 0,
        spent: int = 0,
        record: Callable[[int], Awaitable[None]] | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.ended_by: Limit | None = None
        self.spent = self._recorded = spent
        self.deadline_s = deadline_s
        self.max_calls = max_calls
        self._record = record
        self._wall = wall
        self._end: float | None = None

    def begin(self) -> None:
        """Start the monotonic clock, which is the event loop's."""
        if self.deadline_s is not None:
            self._end = _now() + self.deadline_s - self._wall()

    def left_s(self) -> float:
        """Seconds in which calls may still start; 0 or less if they may not."""
        if self.deadline_s is None:
            return float("inf")
        left_s = self.deadline_s - self._wall()
        if self._end is not None:
            left_s = min(left_s, self._end - _now())
        return left_s - ON_THE_WAY_S

    async def over(self) -> None:
        """Return once the deadline has come."""
        if self.deadline_s is None:
            await asyncio.Event().wait()
        while (left_s := self.left_s()) > 0:  # noqa: ASYNC110 - nothing tells that a clock was set
            await asyncio.sleep(min(left_s, LOOK_S))

    async def reserve(self) -> None:
        """Return when one more call would be within the budget, and known to the next attempt.

        Raises:
            BudgetEnded: it would not be.
        """
        self._check_deadline()
        if not self.max_calls or self.spent < self._recorded:
            return
        left = self.max_calls - self.spent
        if left <= 0:
            self.ended_by = "max_calls"
            raise BudgetEnded
        recorded = self.spent + min(left, MOST_RESERVED, max(1, self.max_calls // 1_000))
        if self._record is not None:
            await self._record(recorded)
        self._recorded = recorded

    def take(self) -> None:
        """Spend the call that was reserved, right before it is sent.

        Raises:
            BudgetEnded: the deadline has come meanwhile.
        """
        self._check_deadline()
        self.spent += 1

    def give_back(self) -> None:
        """Take back a call that was not sent after all."""
        self.spent -= 1

    def cut_off(self) -> None:
        """Note that the deadline has ended the calls."""
        self.ended_by = self.ended_by or "deadline"

    async def close(self) -> None:
        """Record what was spent."""
        if self._record is not None:
            await self._record(self.spent)
            self._recorded = self.spent

    def _check_deadline(self) -> None:
        if self.left_s() <= 0:
            self.cut_off()
            raise BudgetEnded


def _now() -> float:
    return asyncio.get_running_loop().time()

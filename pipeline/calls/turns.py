"""Addresses on their way: what is known of each, and those that wait for their next call."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from pipeline.errors import LeadExportError
    from pipeline.outcomes import Address


@dataclass(slots=True, eq=False)
class Turn:
    """An address that is being asked for; times are on the event loop's clock, in seconds.

    Attributes:
        attempt: the one that comes next; an outage gives attempts back.
        calls: calls made so far, those that were throttled not counted.
        again: whether the next call repeats one that failed.
        failing_since: since when it has been failing.
        throttled_since: since when it has been refused as one too many.
    """

    address: Address
    attempt: int = 1
    calls: int = 0
    again: bool = False
    failing_since: float | None = None
    throttled_since: float | None = None

    def failure(self, error: LeadExportError) -> Answer:
        """What the address ends as if `error` is the last word."""
        return Answer(self.address.email, Outcome.FAILED, code=error.code, message=str(error), body=error.body)


class Waiting:
    """Turns that wait for their time; they hold neither a permit nor a connection."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Turn]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, due: float, turn: Turn) -> None:
        """Let `turn` wait until the time `due`."""
        heapq.heappush(self._heap, (due, next(self._order), turn))

    def next_due(self) -> float | None:
        """When the first of them is due; None if there is none."""
        return self._heap[0][0] if self._heap else None

    def waits_for(self) -> Literal["throttled", "backoff"]:
        """What the first of them waits for: the gate, or its own next attempt."""
        throttled = bool(self._heap) and self._heap[0][2].throttled_since is not None
        return "throttled" if throttled else "backoff"

    def pop(self) -> Turn:
        """Take out the first of them."""
        return heapq.heappop(self._heap)[2]

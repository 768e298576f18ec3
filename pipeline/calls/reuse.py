"""Whether to use connections again: a server, or a device on the way, may reset those that are.

A request on such a connection is lost, uses up a part of the limit, and must be sent again on a new one. So when too
many are lost, every call gets a connection of its own for a while.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

WINDOW = 20
"""Calls on connections used again that are looked back upon."""
MOST_LOST = 5
"""How many of them may be lost; more, and connections are not used again for REST_S seconds."""
REST_S = 60.0


class Reuse:
    """Remembers how calls on connections that were used again have gone.

    Args:
        clock: any steady clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lost: deque[bool] = deque(maxlen=WINDOW)
        self._rests_until = float("-inf")

    @property
    def is_worthwhile(self) -> bool:
        """Whether the next call should use a pooled connection."""
        return self._clock() >= self._rests_until

    def record(self, *, lost: bool) -> None:
        """A call on a connection that had been used before was answered, or lost."""
        self._lost.append(lost)
        if lost and sum(self._lost) > MOST_LOST:
            logger.info("connections that are used again get lost; for %.0f s every call has its own", REST_S)
            self._lost.clear()
            self._rests_until = self._clock() + REST_S

"""Connections that wait for their next call; the one used last goes first, the others may close."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pipeline.calls.clock import LoopClock

if TYPE_CHECKING:
    import asyncio

IDLE_S = 15.0
"""Seconds after which an unused connection is not used again: what is between the two ends may have forgotten it."""


class _Wire(Protocol):
    """The protocol of a connection."""

    @property
    def should_close(self) -> bool:
        """Whether it is good for no other call."""

    def is_connected(self) -> bool:
        """Whether it is open."""


class Pooled(Protocol):
    """A connection of a connector."""

    @property
    def protocol(self) -> _Wire | None:
        """Its protocol; None once it is closed or released."""

    def close(self) -> None:
        """Close it."""

    def release(self) -> None:
        """Give it back to its connector."""


C = TypeVar("C", bound=Pooled)


class IdleConnections(Generic[C]):
    """Open connections to one server that nobody uses at the moment.

    aiohttp's own pool has them by server, and to look there takes an eighth of a call.
    """

    def __init__(self) -> None:
        self._now = LoopClock()
        self._idle: list[tuple[float, C]] = []  # with the time of their last use, the newest last
        self._timer: asyncio.TimerHandle | None = None

    def keep(self, connection: C) -> None:
        """Take in a connection after a call; it is closed if it is not good for another."""
        if not _is_usable(connection):
            connection.close()
            return
        self._idle.append((self._now(), connection))
        self._look_again()

    def take(self) -> C | None:
        """Give out the connection used last, which its server is the least likely to close now; None without any."""
        while self._idle:
            since, connection = self._idle.pop()
            # While it was not used something may have come over it, which must not be taken for the next reply.
            if _is_usable(connection) and self._now() - since <= IDLE_S:
                return connection
            connection.close()
        return None

    def release(self) -> None:
        """Give all of them back to their connector."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._idle:
            self._idle.pop()[1].release()

    def _look_again(self) -> None:
        if self._timer is None and self._idle:
            self._timer = self._now.loop.call_later(IDLE_S, self._close_unused)

    def _close_unused(self) -> None:
        """Close those that were not used for long, or are good for nothing any more."""
        self._timer = None
        idle, self._idle = self._idle, []
        for since, connection in idle:
            if _is_usable(connection) and self._now() - since < IDLE_S:
                self._idle.append((since, connection))
            else:
                connection.close()
        self._look_again()


def _is_usable(connection: Pooled) -> bool:
    protocol = connection.protocol
    return protocol is not None and protocol.is_connected() and not protocol.should_close

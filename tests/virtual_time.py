"""An event loop whose clock jumps: where all tasks only wait for a time, that time is now."""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


A_LITTLE_S = 1e-6


class _JumpingSelector(selectors.DefaultSelector):
    """Never waits for a time; tells its loop to move the clock instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_000.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Events that are there already, or none and the clock moved on."""
        if timeout is None:
            raise RuntimeError("Every task waits, and nothing will ever wake one of them.")
        events = super().select(0)
        # As on a real machine, something always takes a little time; a clock that stood still would starve whoever
        # waits for the last billionth of a second.
        self.now += A_LITTLE_S if events else max(timeout, A_LITTLE_S)
        return events


class _JumpingLoop(asyncio.SelectorEventLoop):
    """Tells a time of its own, so what has lived in one (`Pace` and all that tell the time) is not for another."""

    def __init__(self, selector: _JumpingSelector) -> None:
        self._jumping = selector
        super().__init__(selector)

    def time(self) -> float:
        return self._jumping.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end without ever sleeping for real."""
    with asyncio.Runner(loop_factory=lambda: _JumpingLoop(_JumpingSelector())) as runner:
        return runner.run(main)


def now() -> float:
    """The time on the running loop's clock, in seconds."""
    return asyncio.get_running_loop().time()

"""Nights handed out to an executor, one at a time to each worker, until every one has ended."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from concurrent.futures import FIRST_COMPLETED, CancelledError, wait
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import ExitCode, StopRun, StorageError, UsageError
from pipeline.jobs.nights.night import Ending, failed, rebuild_night

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Executor, Future
    from contextlib import AbstractContextManager
    from pathlib import Path

    from pipeline.files.state import StateFolder
    from pipeline.jobs.nights.night import Night
    from pipeline.jobs.nights.site import Site

logger = logging.getLogger(__name__)
DEATHS = 2
"""Workers that have died at a night before it is suspected of being the cause."""
_LOOK_S = 1.0
"""Seconds after which the number of workers is looked at again."""


class Crew(Protocol):
    """Workers, here or in a cluster.

    Attributes:
        executor: takes tasks; the death of a worker is an error of the task that it had.
    """

    executor: Executor

    def capacity(self) -> int:
        """How many nights may be at work at once; a cluster's workers come and go.

        Raises:
            StopRun: there is nobody left who works.
        """

    def deaths(self, error: BaseException) -> int:
        """How many workers have died at a task that ended with this error; 0 if none has."""

    def prepared(self, state: StateFolder, paths: Sequence[Path]) -> AbstractContextManager[Site | None]:
        """Check that all workers can read these runs and files, and write the folder with this state, which is locked.

        Raises:
            StopRun: a worker cannot.
        """

    def close(self) -> None:
        """End the work, whatever is going on; more than once does no harm."""


class Shift:
    """Hands out nights.

    A night whose worker dies is handed out again. One that has lost two is suspected: it comes last, with no other
    beside it, and fails if its worker dies then, too.

    Args:
        crew: who works.
        told: is called with each ending.
    """

    def __init__(self, crew: Crew, told: Callable[[Ending], None]) -> None:
        self._crew = crew
        self._told = told
        self._queue: deque[Night] = deque()
        self._suspects: deque[Night] = deque()
        self._odd: list[Night] = []
        self._running: dict[Future[Ending], Night] = {}
        self._deaths: Counter[str] = Counter()

    def rebuild(self, nights: Iterable[Night]) -> None:
        """Rebuild all; what is wrong with a night is in its ending.

        A night that ends with an exception, which would be a bug, is repeated at the end in this process: the exception
        then has all its frames, which those of another process have not.

        Raises:
            StopRun: no night can be rebuilt any more: the disk is full, for example, or a cluster is gone.
        """
        self._queue.extend(nights)
        while self._queue or self._running or self._suspects:
            self._hand_out()
            self._await()
        for night in self._odd:
            self._end(rebuild_night(night))

    def _hand_out(self) -> None:
        """Hand out what the workers can take: suspects last, and alone."""
        free = self._crew.capacity() - len(self._running)
        while self._queue and free > 0:
            self._submit(self._queue.popleft())
            free -= 1
        if self._suspects and not self._running and free > 0:
            self._submit(self._suspects.popleft())

    def _submit(self, night: Night) -> None:
        self._running[self._crew.executor.submit(rebuild_night, night)] = night

    def _await(self) -> None:
        """Wait a little for a night to end."""
        if not self._running:
            time.sleep(_LOOK_S)  # until there is a worker
        done, _ = wait(self._running, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
        for future in done:
            self._take(future, self._running.pop(future))

    def _take(self, future: Future[Ending], night: Night) -> None:
        try:
            self._end(future.result())
        except CancelledError:  # the connection to a cluster broke, which is nobody's fault
            (self._suspects if self._is_suspect(night) else self._queue).append(night)
        except StopRun:
            raise
        except Exception as error:  # noqa: BLE001 - whatever kind it is, only this night is concerned
            self._count(night, self._crew.deaths(error), error)

    def _count(self, night: Night, deaths: int, error: Exception) -> None:
        """Count deaths at a night, and decide what becomes of it."""
        if not deaths:
            logger.debug("%s in a worker at run %s; repeating it at the end", type(error).__name__, night.run_id)
            self._odd.append(night)
        elif self._is_suspect(night):
            self._end(failed(night.run_id, night.run, StorageError(_killing(night))))
        else:
            self._deaths[night.run_id] += deaths
            when = "alone, after the others" if self._is_suspect(night) else "again"
            logger.warning("%s: the worker that rebuilt it was killed; it is tried %s.", night.run, when)
            (self._suspects if self._is_suspect(night) else self._queue).append(night)

    def _is_suspect(self, night: Night) -> bool:
        return self._deaths[night.run_id] >= DEATHS

    def _end(self, ending: Ending) -> None:
        self._told(ending)
        if ending.stops:
            raise (UsageError if ending.exit_code == ExitCode.USAGE else StorageError)(ending.reason or "")


def _killing(night: Night) -> str:
    return (
        f"{night.run}: each worker that rebuilt it was killed or ran out of memory, the last one with no other run"
        " beside it; rebuild this run on a machine with more memory."
    )

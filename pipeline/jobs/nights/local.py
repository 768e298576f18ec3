"""Processes of this machine, each with one task at a time: if one is killed, only its own task is lost."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from pipeline.jobs.workers import RESERVED_BYTES, WORKER_BYTES, available_memory, start_executor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline.files.state import StateFolder

P = ParamSpec("P")
T = TypeVar("T")


class Local:
    """A crew of this machine: processes, or this one if `count` is 0.

    Attributes:
        executor: where tasks run.
    """

    def __init__(self, count: int) -> None:
        self.executor: Executor = Processes() if count else ThisProcess()
        self._count = max(1, count)

    def capacity(self) -> int:
        """How many tasks may be submitted at once."""
        return self._count

    @staticmethod
    def deaths(error: BaseException) -> int:
        """How many workers have died at a task that ended with this error, or lacked the memory for it."""
        return int(isinstance(error, BrokenExecutor | MemoryError))

    @staticmethod
    def prepared(state: StateFolder, paths: Sequence[Path]) -> AbstractContextManager[None]:  # noqa: ARG004 - a crew's
        """Processes of this machine see what this one sees."""
        return nullcontext()

    def close(self) -> None:
        """End all workers, whatever they do."""
        self.executor.shutdown(wait=True, cancel_futures=True)


def count_for(nights: int, workers: int, cores: int, available_bytes: int | None) -> int:
    """How many processes rebuild that many nights; 0 is this process alone.

    Args:
        nights: how many there are.
        workers: what the user wants; 0 decides by cores and memory, and 1 is none.
        cores: of the machine, or as many as this process may use.
        available_bytes: memory that can be allocated; None if unknown.
    """
    if workers:
        return min(workers, nights) if workers > 1 else 0
    limits = [nights, cores]
    if available_bytes is not None:
        limits.append((available_bytes - RESERVED_BYTES) // WORKER_BYTES)
    return max(1, min(limits))


def automatic_count(nights: int, workers: int) -> int:
    """The same for this machine."""
    if workers:
        return count_for(nights, workers, 1, None)
    from loky import cpu_count

    return count_for(nights, 0, cpu_count(), available_memory())


class Processes(Executor):
    """An executor that starts a process for each task which finds none idle; to be used by one thread.

    A `ProcessPoolExecutor` fails all tasks if one of its processes is killed. Here each process is a pool of its own.
    """

    def __init__(self) -> None:
        self._idle: list[Executor] = []
        self._busy: dict[Future[Any], Executor] = {}

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a process call the function; a future whose process was killed has a `BrokenExecutor`."""
        self._collect()
        while self._idle:
            try:
                return self._submitted(self._idle.pop(), function, *args, **kwargs)
            except BrokenExecutor:  # killed while it had nothing to do
                continue
        # Where processes cannot be started, which is a warning in the log, this one does it.
        return self._submitted(start_executor(1) or ThisProcess(), function, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End all processes; with `cancel_futures` those at work are killed."""
        pools = [*self._idle, *self._busy.values()]
        self._idle, self._busy = [], {}
        for pool in pools:
            if isinstance(pool, ThisProcess):
                continue
            pool.shutdown(wait=wait, kill_workers=cancel_futures)  # type: ignore[call-arg]  # loky's own option

    def _submitted(self, pool: Executor, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future = pool.submit(function, *args, **kwargs)
        self._busy[future] = pool
        return future

    def _collect(self) -> None:
        """Take back the processes whose tasks have ended."""
        for future in [future for future in self._busy if future.done()]:
            pool = self._busy.pop(future)
            if future.cancelled() or not isinstance(future.exception(), BrokenExecutor):
                self._idle.append(pool)


class ThisProcess(Executor):
    """An executor that does everything at once in the process and thread that asks for it."""

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call the function; what it raises is the future's, as from any executor, but for a stop."""
        future: Future[T] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
            future.set_exception(error)
        return future

"""A pool of worker processes over any `concurrent.futures.Executor`, and the choice of how many workers to start.

The executor is loky's: it never runs the user's script again, so scripts without an `if __name__ == "__main__"` guard
and notebooks work, whereas `ProcessPoolExecutor` with spawn or forkserver imports `__main__` in each worker. Neither
ends its workers when the parent is killed (cpython issue 111873; loky only if a worker is idle, and only after
`timeout` and another 30 seconds), so each worker watches its parent.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pipeline.host import SharedChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from concurrent.futures import Executor, Future

    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WORKERS = 4
"""More would wait: one process writes the files, and writing takes a quarter as long as building the tables."""
ANSWERS_PER_WORKER = 25_000
"""Below twice as many, starting two workers, some 0.6 s with pandas, takes longer than they save."""
WORKER_BYTES = 300 * 1024**2
"""Memory for one worker with pandas loaded, and for its results on their way to the parent."""
RESERVED_BYTES = 256 * 1024**2
"""Memory left for this process, which grows while it writes."""
_WATCH_INTERVAL_S = 1.0


class WorkerPool:
    """An ordered map over an executor with a bounded number of results in flight.

    Args:
        executor: where calls run; functions and items must be picklable if it uses processes. None: in this process.
        in_flight: how many calls are submitted ahead of the result that is waited for, so that memory is bounded.
    """

    def __init__(self, executor: Executor | None, in_flight: int) -> None:
        self._executor = executor
        self._in_flight = in_flight if executor else 0

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
        """Like `Executor.map`, but lazy.

        If the executor breaks, because a worker was killed for example, a warning is logged, and calls that have no
        result yet are repeated in this process. So is a call that raises: its exception then has all its frames, which
        those of another process have not.
        """
        pending: deque[tuple[Item, Future[Result] | None]] = deque()
        for item in items:
            pending.append((item, self._submit(function, item)))
            if len(pending) > self._in_flight:
                yield self._result(function, *pending.popleft())
        while pending:
            yield self._result(function, *pending.popleft())

    def _submit(self, function: Callable[[Item], Result], item: Item) -> Future[Result] | None:
        try:
            return self._executor.submit(function, item) if self._executor else None
        except BrokenExecutor:
            self._give_up_executor()
            return None

    def _result(self, function: Callable[[Item], Result], item: Item, future: Future[Result] | None) -> Result:
        if future is not None:
            try:
                return future.result()
            except BrokenExecutor:
                self._give_up_executor()
            except Exception as error:  # noqa: BLE001 - the same call here raises it again, now with all its frames
                logger.debug("%s in a worker process; repeating its part in this process", type(error).__name__)
        return function(item)

    def _give_up_executor(self) -> None:
        if self._executor is not None:
            logger.warning("A worker process was killed or could not start; continuing without worker processes.")
            self._executor = None


@contextmanager
def open_pool(settings: Settings, answers: int) -> Iterator[WorkerPool]:
    """A pool for building the tables of that many answers; its workers end with the block.

    `settings.workers` is their number: 0 chooses by cores, memory and answers, and 1 starts none. If they cannot be
    started, a warning is logged, and the pool works in this process.
    """
    count = settings.workers or automatic_count(answers)
    executor = start_executor(count) if count > 1 else None
    if executor is None:
        yield WorkerPool(None, 0)
        return
    try:
        yield WorkerPool(executor, count + 1)
    except BaseException:
        # Nobody waits for results any more, and a worker may hang.
        executor.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]  # loky's own option
        raise
    executor.shutdown(wait=True)


def automatic_count(answers: int) -> int:
    """How many workers to start for that many answers; 0 if one process is as fast, or if memory is short."""
    if answers < 2 * ANSWERS_PER_WORKER:
        return 0
    from loky import cpu_count  # noqa: PLC0415 - small jobs need not load it

    return count_for(answers, cpu_count(), available_memory())


def count_for(answers: int, cores: int, available_bytes: int | None) -> int:
    """The same for given cores and memory; None is unknown memory."""
    limits = [MAX_WORKERS, cores, answers // ANSWERS_PER_WORKER]
    if available_bytes is not None:
        limits.append((available_bytes - RESERVED_BYTES) // WORKER_BYTES)
    count = min(limits)
    return count if count > 1 else 0


def start_executor(count: int) -> Executor | None:
    """An executor of that many processes; None, and a warning in the log, if they cannot be started."""
    if multiprocessing.current_process().daemon:  # a worker of multiprocessing.Pool, which may not have children
        return None
    try:
        from loky import ProcessPoolExecutor  # noqa: PLC0415 - jobs without workers need not load it

        with _no_imports_from_current_folder, _signals_blocked(signal.SIGUSR1):
            # The first locks start resource trackers, and that unblocks SIGINT (Python 3.11), so they come first.
            multiprocessing.get_context("spawn").Lock()
            executor = ProcessPoolExecutor(count, initializer=_set_up_worker, initargs=(os.getpid(),))
            with _signals_blocked(signal.SIGINT, signal.SIGHUP):
                executor.submit(os.getpid)  # starts all workers
    except (ImportError, NotImplementedError, OSError) as error:  # no semaphores or no processes to be had
        logger.warning("Cannot start worker processes (%s); continuing without worker processes.", type(error).__name__)
        return None
    return executor  # type: ignore[no-any-return]  # loky has no types


@contextmanager
def _safe_path() -> Iterator[None]:
    """Make Python processes that are started in the block leave the current folder out of `sys.path`."""
    variable = "PYTHONSAFEPATH"
    before = os.environ.get(variable)
    os.environ[variable] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[variable]
        else:
            os.environ[variable] = before


_no_imports_from_current_folder = SharedChange(_safe_path)


@contextmanager
def _signals_blocked(*signals: signal.Signals) -> Iterator[None]:
    """Block signals in processes that are started in the block, for as long as they live.

    Ctrl-C, and the end of a terminal, reach every process of it: this one stops and kills its workers, which are to
    print no tracebacks. SIGUSR1 asks for progress, often all processes of a service, and would end those that do not
    expect it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _set_up_worker(parent: int) -> None:
    threading.Thread(target=_exit_with_parent, args=(parent,), daemon=True).start()


def _exit_with_parent(parent: int) -> None:
    """End this process once its parent is gone; a killed parent leaves workers waiting for it."""
    while os.getppid() == parent:
        time.sleep(_WATCH_INTERVAL_S)
    os._exit(1)


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can be allocated without swapping: the least that the machine and any control group allow.

    Linux only; elsewhere, and where nothing can be read, None. `root` is the folder that holds `proc` and `sys`.
    See https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.max) and cgroup-v1/memory.html.
    """
    machine = _table(root / "proc/meminfo").get("MemAvailable:")
    limits = [] if machine is None else [machine * 1024]
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            names = ("memory.max", "memory.current", "inactive_file")
            limits += _group_limits(root / "sys/fs/cgroup", path, *names)
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            limits += _group_limits(root / "sys/fs/cgroup/memory", path, *names)
    return max(0, min(limits)) if limits else None


def _group_limits(mount: Path, path: str, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    """What a control group and those above it still allow; in a container, only the topmost may be visible."""
    group = mount / path.lstrip("/")
    for folder in (group, *group.parents):
        if not folder.is_relative_to(mount):
            return
        with suppress(OSError, ValueError):  # no such file, or the limit is "max"
            allowed, used = int((folder / limit).read_text()), int((folder / usage).read_text())
            yield allowed - used + _table(folder / "memory.stat").get(reclaimable, 0)


def _table(path: Path) -> dict[str, int]:
    """The numbers in a file by the word before each; empty if it cannot be read."""
    rows = (line.split() for line in _lines(path))
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdecimal()}


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []

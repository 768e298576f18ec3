"""Batches of answers to tables, on more than one core where there is enough to do.

A worker is a process of its own that reads answers on its standard input and writes tables on its standard output. It
ends when its input does, which the operating system sees to even if this process is killed. Batches go out and come
back in order, a few at a time, so that the tables are the same whatever the number of workers.
"""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING

from pipeline.outcomes import Outcome
from pipeline.tables.gather import Gathered, gather

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

    from pipeline.outcomes import Answer

    Batch = list[Answer]

WORTH_A_WORKER = 30_000
"""Answers that it takes to make up for starting one."""

MOST_WORKERS = 4
"""Each takes 150 MiB and more, and one process writes the files for all of them."""


def workers_for(answers: int) -> int:
    """How many workers so many answers are worth: one for each core, and none where there is but one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return min(cores, MOST_WORKERS, answers // WORTH_A_WORKER) if cores > 1 else 0


def gather_all(batches: Iterable[Batch], *, timezone: str | None, workers: int) -> Iterator[tuple[Batch, Gathered]]:
    """Each batch with the tables of those of its answers that are found, in order."""
    if workers < 1:
        yield from ((batch, gather(found(batch), timezone=timezone)) for batch in batches)
        return
    with _pool(workers) as pool:
        waiting: deque[tuple[Batch, Future[Gathered]]] = deque()
        for batch in batches:
            waiting.append((batch, pool.submit(found(batch), timezone)))
            if len(waiting) > workers:
                first, tables = waiting.popleft()
                yield first, tables.result()
        yield from ((batch, tables.result()) for batch, tables in waiting)


def found(batch: Batch) -> Batch:
    """The answers with a lead."""
    return [answer for answer in batch if answer.outcome is Outcome.FOUND]


class _Pool:
    """A thread for each worker, which hands it one batch after the other."""

    def __init__(self, workers: list[subprocess.Popen[bytes]], threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self._idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
        for worker in workers:
            self._idle.put(worker)

    def submit(self, batch: Batch, timezone: str | None) -> Future[Gathered]:
        return self._threads.submit(self._gather, batch, timezone)

    def _gather(self, batch: Batch, timezone: str | None) -> Gathered:
        worker = self._idle.get()
        try:
            return _ask(worker, batch, timezone)
        except (OSError, EOFError, pickle.UnpicklingError):
            logger.info("a worker cannot be used; its tables are made here")
            return gather(batch, timezone=timezone)
        finally:
            self._idle.put(worker)


def _ask(worker: subprocess.Popen[bytes], batch: Batch, timezone: str | None) -> Gathered:
    assert worker.stdin is not None  # noqa: S101 - for the type checker: both are pipes
    assert worker.stdout is not None  # noqa: S101
    pickle.dump((batch, timezone), worker.stdin, pickle.HIGHEST_PROTOCOL)
    worker.stdin.flush()
    gathered: Gathered = pickle.load(worker.stdout)  # noqa: S301 - our own process wrote it
    return gathered


@contextmanager
def _pool(count: int) -> Iterator[_Pool]:
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker()) for _ in range(count)]
        threads = stack.enter_context(ThreadPoolExecutor(count, "tables"))
        stack.callback(threads.shutdown, cancel_futures=True)
        yield _Pool(workers, threads)


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    # In a session of its own: Ctrl-C is for this process, which then ends the worker.
    words = [sys.executable, "-P", "-m", "pipeline.jobs.segments"]  # -P: nothing is loaded from where one stands
    worker = subprocess.Popen(  # noqa: S603 - our own module
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            with suppress(OSError):  # what it was still to be told
                if pipe is not None:
                    pipe.close()


def work(requests: IO[bytes], replies: IO[bytes]) -> None:
    """Make tables for one batch after the other until there are no more."""
    while True:
        try:
            batch, timezone = pickle.load(requests)  # noqa: S301 - our own process wrote it
        except EOFError:
            return
        pickle.dump(gather(batch, timezone=timezone), replies, pickle.HIGHEST_PROTOCOL)
        replies.flush()


if __name__ == "__main__":
    work(sys.stdin.buffer, sys.stdout.buffer)

"""Work in pieces, on more than one core where there is enough to do.

A worker is a process of its own that reads on its standard input which piece it is to do, and writes on its standard
output what came of it; what the piece is about it reads where it is kept. It ends when its input does, which the
operating system sees to even if this process is killed. Pieces are taken back in order, a few at a time, so that the
result is the same whatever the number of workers.
"""

from __future__ import annotations

import fcntl
import logging
import os
import pickle
import subprocess
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Protocol, TypeVar

from pipeline import process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    Worker = subprocess.Popen[bytes]

logger = logging.getLogger(__name__)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

WORTH_A_WORKER = 30_000
"""Answers that it takes to make up for starting one."""

MOST_WORKERS = 4
"""Each takes 150 MiB and more, and one process writes the files for all of them."""


_END_S = 0.5
"""Seconds for a worker whose pipe has ended to end itself."""
_PIPE_BYTES = 1 << 20
"""Room for results on their way, where the system gives it: a segment is 20 MB, and usual pipes hold 64 KiB."""


class Work(Protocol[T_co]):
    """Pieces of work, numbered from 0 to `pieces`; pickled, another process can do them too."""

    @property
    def pieces(self) -> int:
        """How many there are."""

    def do(self, number: int) -> T_co:
        """What comes of one of them."""


def workers_for(answers: int) -> int:
    """How many workers so many answers are worth: one for each core, and none where there is but one."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return min(cores, MOST_WORKERS, answers // WORTH_A_WORKER) if cores > 1 else 0


class Crew:
    """Some workers, with a thread for each that hands it one piece after the other; none of them is fine too."""

    def __init__(self, workers: list[Worker], threads: ThreadPoolExecutor) -> None:
        self.over = False  # once nobody waits for results any more
        self._most = len(workers) + 1
        self._threads = threads
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in workers:
            self._idle.put(worker)

    def do(self, work: Work[T]) -> Iterator[T]:
        """What comes of every piece, in order; whatever `work.do` raises is raised here."""
        if self._most == 1:
            yield from map(work.do, range(work.pieces))
            return
        waiting: deque[Future[T]] = deque()
        for number in range(work.pieces):
            waiting.append(self._threads.submit(self._done, work, number))
            if len(waiting) > self._most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def _done(self, work: Work[T], number: int) -> T:
        worker = self._idle.get()
        try:
            if worker.returncode is None:
                return _ask(worker, work, number)
        except Exception:  # it was killed, ended over an error, or said what is no result
            if self.over:
                raise
            logger.warning("A worker process %s; its work is done without it.", _end(worker))
        finally:
            self._idle.put(worker)
        return work.do(number)  # where an error of the work itself comes up, too


def _ask(worker: Worker, work: Work[T], number: int) -> T:
    assert worker.stdin is not None  # noqa: S101 - for the type checker: both are pipes
    assert worker.stdout is not None  # noqa: S101
    pickle.dump((work, number), worker.stdin, pickle.HIGHEST_PROTOCOL)
    worker.stdin.flush()
    result: T = pickle.load(worker.stdout)  # noqa: S301 - our own process wrote it
    return result


def _end(worker: Worker) -> str:
    """Make sure that a worker has ended; say how it did, or why it had to."""
    try:
        code = worker.wait(_END_S)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
        return "gave no usable result"
    return f"was ended by signal {-code}" if code < 0 else f"ended with {code}"


@contextmanager
def crew(count: int) -> Iterator[Crew]:
    """So many workers, for as long as the block lasts."""
    with ExitStack() as stack:
        # The threads end last: those that wait for a worker, which may hang, go on when it has been killed.
        threads = stack.enter_context(ThreadPoolExecutor(max(1, count), "work"))
        workers: list[Worker] = []
        try:
            workers.extend(stack.enter_context(_worker()) for _ in range(count))
        except OSError as error:
            logger.warning("No more than %d of %d workers could be started (%s).", len(workers), count, error.strerror)
        ours = Crew(workers, threads)
        try:
            yield ours
        finally:
            ours.over = True
            threads.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _worker() -> Iterator[Worker]:
    # In a session of its own: Ctrl-C is for this process, which then ends the worker.
    words = [sys.executable, "-P", "-m", "pipeline.jobs.workers"]  # -P: nothing is loaded from where one stands
    worker = subprocess.Popen(  # noqa: S603 - our own module
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with suppress(OSError, AttributeError):  # as it is it fits as well, in more pieces
        fcntl.fcntl(worker.stdout, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)  # type: ignore[arg-type]  # it is a pipe
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            with suppress(OSError):  # what it was still to be told
                if pipe is not None:
                    pipe.close()


def serve(requests: IO[bytes], results: IO[bytes]) -> None:
    """Do one piece after the other until there are no more, or until one cannot be done."""
    while True:
        try:
            work, number = pickle.load(requests)  # noqa: S301 - our own process wrote it
        except EOFError:
            return
        pickle.dump(work.do(number), results, pickle.HIGHEST_PROTOCOL)
        results.flush()


def main() -> None:
    """Serve on standard input and output; whatever else is printed goes to standard error."""
    results = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    process.settle()
    process.load_arrow()
    serve(sys.stdin.buffer, results)


if __name__ == "__main__":
    main()

"""A Dask cluster on loopback: its scheduler and its workers are real processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from copied_nights import PATIENCE_S, kill

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from preloaded import Child, Preloaded

SCHEDULER = "from distributed.cli.dask_scheduler import main; main()"
WORKER = "from distributed.cli.dask_worker import main; main()"
LOOPBACK = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-dashboard")
QUIET = {
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__SYSTEM_MONITOR__GIL__ENABLED": "False",
}


class Cluster:
    """A scheduler, and workers that each take one night at a time.

    A task whose worker dies comes back to the client at once, rather than after four workers.

    Args:
        process: what starts them.
        folder: for their files.
        tls: options of each that name certificates.
    """

    def __init__(self, process: Preloaded, folder: Path, tls: tuple[str, ...] = ()) -> None:
        self._process, self._folder, self._tls = process, folder, tls
        self._env = {**os.environ, **QUIET}
        file = folder / "scheduler.json"
        protocol = ("--protocol", "tls") if tls else ()
        self.scheduler = self._start(SCHEDULER, *protocol, "--port", "0", "--scheduler-file", str(file))
        deadline = time.monotonic() + PATIENCE_S
        while not file.exists() or not file.read_text():
            assert self.scheduler.runs
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.address: str = json.loads(file.read_text())["address"]
        self.workers: dict[int, Child] = {}

    def add(self, *, resources: str = "night=1") -> int:
        """Start a worker; its number."""
        child = self._start(WORKER, *self._options(resources))
        self.workers[child.pid] = child
        return child.pid

    @contextmanager
    def other_worker(self, env: Mapping[str, str]) -> Iterator[None]:
        """A worker that loads its own libraries, in another environment, for the block."""
        words = [sys.executable, "-c", WORKER, *LOOPBACK, *self._tls, *self._options("night=1")]
        output = (self._folder / "other.log").open("wb")
        everything = {**self._env, **env}
        with output, subprocess.Popen(words, env=everything, cwd=self._folder, stdout=output, stderr=output) as child:
            try:
                yield
            finally:
                child.kill()

    def _options(self, resources: str) -> list[str]:
        where = ["--local-directory", str(self._folder), "--no-nanny", "--nthreads", "1", "--resources", resources]
        return [self.address, *where]

    def _start(self, program: str, *options: str) -> Child:
        words = (*LOOPBACK, *self._tls, *options)
        with (self._folder / "cluster.log").open("ab") as log, Path(os.devnull).open("rb") as nothing:
            streams = (nothing.fileno(), log.fileno(), log.fileno())
            return self._process.start(program, "dask", *words, env=self._env, cwd=self._folder, streams=streams)

    def close(self) -> None:
        """Kill all that still runs."""
        for child in (*self.workers.values(), self.scheduler):
            if child.runs:
                kill(child.pid)
            child.wait()


@contextmanager
def cluster(process: Preloaded, folder: Path, *, tls: tuple[str, ...] = (), workers: int = 2) -> Iterator[Cluster]:
    """A cluster for the block."""
    started = Cluster(process, folder, tls)
    try:
        for _ in range(workers):
            started.add()
        yield started
    finally:
        started.close()

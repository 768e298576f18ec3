"""A job is a guest in the process that calls it: what belongs to the host is afterwards as it was before."""

from __future__ import annotations

import asyncio
import csv
import decimal
import faulthandler
import gc
import locale
import logging
import multiprocessing
import os
import random
import signal
import socket
import sys
import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from jobs_lists import settings, write_list
from pydantic import SecretStr

import pipeline
from pipeline.errors import CredentialsRefused, Interrupted
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.outcomes import Address, Answer

    Job = Callable[[pipeline.Settings, Path, Path], object]

EMAILS = ["ann@example.com", "not-found@example.com", "flaky@example.com", "always-500@example.com", "nobody"]


def own_handler(*_: object) -> None:
    """A signal handler of the host."""


def host() -> dict[str, Any]:
    """Everything of a process that a job might change, under a name each."""
    logger = logging.getLogger("pipeline")
    return {
        "garbage collection": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count(), gc.callbacks[:]),
        "environment": dict(os.environ),
        "folder": Path.cwd(),
        "umask": Path("/proc/self/status").read_text().partition("Umask:")[2].split()[0] if LINUX else None,
        "limit of csv": csv.field_size_limit(),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "blocked signals": signal.pthread_sigmask(signal.SIG_BLOCK, []),
        "wakeup": _wakeup_fd(),
        "root log": (logging.root.level, logging.root.handlers[:], logging.root.filters[:], logging.root.disabled),
        "own log": (logger.level, logger.handlers[:], logger.filters[:], logger.propagate, logger.disabled),
        "log": (logging.raiseExceptions, logging.getLoggerClass(), logging.getLogRecordFactory(), logging.lastResort),
        "captured warnings": warnings.showwarning,
        "warnings": warnings.filters[:],
        "event loop": (asyncio.get_event_loop_policy(), _current_loop()) if sys.version_info < (3, 14) else None,
        "hooks": (sys.excepthook, sys.unraisablehook, threading.excepthook, sys.gettrace(), sys.getprofile()),
        "standard streams": (sys.stdin, sys.stdout, sys.stderr),
        "interpreter": (sys.path[:], sys.getrecursionlimit(), sys.getswitchinterval(), faulthandler.is_enabled()),
        "random": random.getstate(),
        "numpy": (np.geterr(), [str(part) for part in np.random.get_state()], np.get_printoptions()),
        "pandas": {name: pd.get_option(name) for name in ("io.parquet.engine", "display.max_rows")},
        "threads of arrow": (pa.cpu_count(), pa.io_thread_count()),
        "locale": [locale.setlocale(kind) for kind in (locale.LC_ALL, locale.LC_NUMERIC)],
        "decimal": str(decimal.getcontext()),
        "timeout of sockets": socket.getdefaulttimeout(),
        "processes": (multiprocessing.get_start_method(allow_none=True), multiprocessing.active_children()),
        "threads": set(threading.enumerate()),
        "open files": _open_files(),
    }


LINUX = sys.platform == "linux"


def _wakeup_fd() -> int:
    fd = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(fd)
    return fd


def _current_loop() -> object:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return asyncio.get_event_loop()
        except RuntimeError:
            return None


def _open_files() -> list[str]:
    """What the open file descriptors of this process are, but for that which lists them."""
    found = []
    for fd in Path("/proc/self/fd").iterdir() if LINUX else ():
        try:
            found.append(f"{fd.name} {fd.readlink()}")
        except OSError:
            continue
    return sorted(found)


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    """One sandbox for all tests of this file."""
    with running(SandboxOptions(limit_per_s=0)) as started:
        yield started


@pytest.fixture
def sandbox(server: RunningSandbox) -> RunningSandbox:
    """A sandbox that refuses nobody."""
    server.control(revoke_after=0, reset_stats=True)
    return server


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list with every kind of row."""
    return write_list(tmp_path / "people.csv", ["email", *EMAILS, *(f"person.{n}@example.com" for n in range(12))])


@pytest.fixture
def _a_host_of_its_own_kind() -> Iterator[None]:
    """A host that has set what a job is most likely to reset: handlers, a wakeup descriptor, a loop, a folder."""
    loop, (read_end, write_end) = asyncio.new_event_loop(), os.pipe()
    os.set_blocking(write_end, False)
    before = {number: signal.signal(number, own_handler) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    wakeup_fd = signal.set_wakeup_fd(write_end)
    asyncio.set_event_loop(loop)
    yield
    asyncio.set_event_loop(None)
    signal.set_wakeup_fd(wakeup_fd)
    for number, handler in before.items():
        signal.signal(number, handler)
    loop.close()
    os.close(read_end)
    os.close(write_end)


def export(chosen: pipeline.Settings, people: Path, out: Path) -> object:
    """A plain call."""
    return pipeline.export(chosen, people, out)


def enrich(chosen: pipeline.Settings, people: Path, out: Path) -> object:
    """The other job, with another format."""
    return pipeline.enrich(chosen, people, out.with_suffix(".xlsx"))


def refused(chosen: pipeline.Settings, people: Path, out: Path) -> object:
    """A job that has to stop."""
    with pytest.raises(CredentialsRefused):
        pipeline.export(chosen.model_copy(update={"app_id": SecretStr("wrong")}), people, out)
    return None


def awaited(chosen: pipeline.Settings, people: Path, out: Path) -> object:
    """A call within a loop, and one that is awaited there."""

    async def cell() -> None:
        pipeline.export(chosen, people, out)
        await pipeline.enrich_async(chosen, people, out.with_suffix(".parquet"))

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(cell())
    return None


def rebuilt(chosen: pipeline.Settings, people: Path, out: Path) -> object:
    """What needs no call."""
    pipeline.export(chosen, people, out)
    pipeline.rebuild(out / "latest", out.with_name("again"))
    return pipeline.status(out)


@pytest.mark.usefixtures("_a_host_of_its_own_kind")
@pytest.mark.parametrize("job", [export, enrich, refused, awaited, rebuilt])
def test_a_job_leaves_its_host_as_it_was(sandbox: RunningSandbox, people: Path, tmp_path: Path, job: Job) -> None:
    """Whether it succeeds, stops, or runs in a loop: nothing of the process has changed."""
    chosen = settings(sandbox.url)
    gc.collect()
    before = host()
    job(chosen, people, tmp_path / "out")
    gc.collect()
    after = host()
    assert {name for name, state in before.items() if after[name] != state} == set()


def test_a_job_with_workers_leaves_its_host_as_it_was(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Only the processes that clean up after workers stay for the next job, as those of multiprocessing do."""
    chosen = settings(sandbox.url, workers=2)
    pipeline.export(chosen, people, tmp_path / "first")
    before = host()
    pipeline.export(chosen, people, tmp_path / "second")
    after = host()
    assert {name for name, state in before.items() if after[name] != state} == set()


def test_a_job_in_a_thread_does_not_touch_signals(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Threads receive no signals, so the handlers stay those of the host even while the job runs."""
    seen = []

    class Looks(pipeline.Observer):
        def answered(self, address: Address, answer: Answer) -> None:
            del address, answer
            seen.append([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])

    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    thread = threading.Thread(
        target=pipeline.export, args=(settings(sandbox.url), people, tmp_path / "out"), kwargs={"observer": Looks()}
    )
    thread.start()
    thread.join()
    assert seen
    assert [handlers for handlers in seen if handlers != before] == []


async def test_ctrl_c_in_a_notebook_stops_the_calls(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Where a loop runs already the calls are in another thread; they stop, and the answers are kept."""

    class Impatient(pipeline.Observer):
        def answered(self, address: Address, answer: Answer) -> None:
            del answer
            if address.id == 4:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(Interrupted) as caught:
            pipeline.export(settings(sandbox.url, concurrency=1), people, tmp_path / "out", observer=Impatient())
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    rows = caught.value.manifest.rows
    assert rows.found + rows.not_found + rows.failed >= 4
    assert rows.pending > 0
    assert pipeline.export(settings(sandbox.url), people, tmp_path / "out").calls.resumed > 0

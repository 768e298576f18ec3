"""What the benchmarks share: children that are measured and pinned to a core, medians, tables, lists, the server.

The scripts import nothing heavy. Linux counts the memory of a process before it becomes another program as the other
program's, so a small parent is what makes the peak memory of a small child true.
"""

from __future__ import annotations

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SHAPES = ("text", "native", "mixed")
"""How the sandbox can write its people, other than changing in the middle."""
HERE = Path(__file__).parent
PYTHON = sys.executable
COMMAND = (PYTHON, "-m", "pipeline")
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
CLIENT_CORE, SERVER_CORE = CORES[0], CORES[-1]
LIMIT_S = 3_600.0
"""Seconds after which a measured child is ended, whatever it does."""
CREDENTIALS = {"KARTRA_APP_ID": "bench", "KARTRA_API_KEY": "bench", "KARTRA_API_PASSWORD": "bench"}

Child = subprocess.Popen[str]


class Usage(NamedTuple):
    """What one child took: seconds of wall clock and of user and system CPU, MiB at its peak, and what it printed."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    code: int
    output: str


class Server(NamedTuple):
    """A running `server.py`."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        """Where calls go."""
        return f"http://127.0.0.1:{self.port}/api"

    def stats(self) -> dict[str, Any]:
        """What was answered so far."""
        return self._request("GET", "/stats")

    def stop_after(self, answers: int) -> None:
        """Reset the counts; stop answering after that many answers, 0 to answer all."""
        self._request("POST", f"/stop-after/{answers}")

    def _request(self, method: str, path: str) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request(method, path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()


@contextmanager
def pinned(*cores: int) -> Iterator[None]:
    """Keep this process, and what it starts, on these cores for the block, where the system can."""
    if len(CORES) > 1:
        os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        if len(CORES) > 1:
            os.sched_setaffinity(0, CORES)


@cache
def _compile_package() -> None:
    """Compile the package, as pip does when it installs one.

    A checkout has none until a first run leaves it, and never where PYTHONDONTWRITEBYTECODE is set; it would be
    compiled again for each child, where the peers were compiled when they were installed.
    """
    compileall.compile_dir(HERE.parent / "pipeline", quiet=1)


def start(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    cores: Sequence[int] = (CLIENT_CORE,),
    **pipes: Any,  # noqa: ANN401 - Popen's
) -> Child:
    """Start a child, on the client's core unless told otherwise; `pipes` are Popen's."""
    _compile_package()
    with pinned(*cores):
        return subprocess.Popen(
            [str(part) for part in command],
            env=os.environ | CREDENTIALS | dict(environment or {}),
            text=True,
            **pipes,
        )


def measure(
    command: Sequence[str | Path],
    environment: Mapping[str, str] | None = None,
    *,
    quiet: bool = False,
    cores: Sequence[int] = (CLIENT_CORE,),
) -> Usage:
    """Run a child to its end; `quiet` drops its standard error.

    Raises:
        SystemExit: it took longer than LIMIT_S.
    """
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
        child = start(command, environment, cores, stdout=output, stderr=subprocess.DEVNULL if quiet else None)
        watch = threading.Timer(LIMIT_S, child.kill)
        watch.start()
        # wait4 tells what this one child took, where getrusage would add up all of them.
        _, status, used = os.wait4(child.pid, 0)
        wall_s = time.perf_counter() - began
        watch.cancel()
        child.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        peak_mib = used.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
        return Usage(wall_s, used.ru_utime + used.ru_stime, peak_mib, child.returncode, output.read())


def checked(usage: Usage, what: str, expected: int | None = None) -> Usage:
    """The same usage, if the child ended well and its last line is the number `expected`.

    Raises:
        SystemExit: it did not, so there is nothing to compare.
    """
    lines = usage.output.split()
    if usage.code or (expected is not None and (not lines or lines[-1] != str(expected))):
        raise SystemExit(f"{what}: ended with code {usage.code} and said {usage.output[-200:]!r}")
    return usage


@contextmanager
def serving(people: int = 8192, shape: str = "text") -> Iterator[Server]:
    """Run `server.py` on a core of its own for the block, with people written in a shape of the sandbox's."""
    with pinned(SERVER_CORE):
        child = subprocess.Popen(
            [PYTHON, str(HERE / "server.py"), "--people", str(people), "--shape", shape],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        yield Server(int(child.stdout.readline() if child.stdout else 0), child.pid)
    finally:
        if child.stdin:
            child.stdin.close()
        try:
            child.wait(5)
        except subprocess.TimeoutExpired:
            child.kill()


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for lists and tables on the disk that this project is on; it is gone after the block."""
    build = HERE.parent / "build"
    build.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=build))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_list(path: Path, addresses: int) -> Path:
    """A list of that many invented addresses, one per row below a header."""
    with path.open("w") as file:
        file.write("email\n")
        file.writelines(f"person{n}@example.com\n" for n in range(addresses))
    return path


def run_command(emails: Path, out: Path, *options: str) -> list[str]:
    """`lead-export run` as fast as it goes."""
    return [*COMMAND, "run", str(emails), "--out", str(out), "--rate", "0", "--concurrency", "50", *options]


def median(values: Iterable[float]) -> float:
    """The middle one."""
    return statistics.median(values)


def arguments(description: str | None, **defaults: int | str | tuple[str, ...]) -> argparse.Namespace:
    """The command line: an option for each keyword, of the type of its default.

    `million=False` is a switch, and a tuple has the choices, of which the first is the default.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in defaults.items():
        if isinstance(value, bool):
            parser.add_argument(f"--{name}", action="store_true")
        elif isinstance(value, tuple):
            parser.add_argument(f"--{name}", choices=value, default=value[0], help="default: %(default)s")
        else:
            parser.add_argument(f"--{name}", type=type(value), default=value, help="default: %(default)s")
    return parser.parse_args()


def print_usages(head: str, usages: Mapping[Any, Sequence[Usage]], count: int, unit: str, *, ratio: str) -> None:
    """A line of medians for each contender, who did `count` units of work; `ratio` compares with the first of them."""
    walls = {name: median(usage.wall_s for usage in runs) for name, runs in usages.items()}
    first = next(iter(walls.values()))
    print_table(
        (head, "seconds", "CPU seconds", f"{unit}/s", ratio, "peak MiB"),
        (
            (
                str(name),
                f"{walls[name]:.2f}",
                f"{median(usage.cpu_s for usage in runs):.2f}",
                f"{count / walls[name]:,.0f}",
                f"{first / walls[name]:.2f}",
                f"{median(usage.peak_mib for usage in runs):.0f}",
            )
            for name, runs in usages.items()
        ),
    )


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Columns under their heads, the first to the left, the others to the right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[n]) for row in cells) for n in range(len(head))]
    for row in cells:
        texts = (
            text.rjust(width) if n else text.ljust(width)
            for n, (text, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(texts).rstrip())
    print(flush=True)

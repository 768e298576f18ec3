"""Many runs rebuilt at once: by one process, by two, by two workers of a Dask cluster, and while workers are killed.

    python benchmarks/many_nights.py [--nights 60] [--leads 20000] [--rounds 1] [--every 10]

One run is published first; the others are copies with names and times of their own. Every way must give the same
files, byte for byte. Then both kinds of workers are killed, one every ten seconds (0: none), until the command ends;
Dask's come back by themselves. CPU seconds are those of the command and its processes, so not of Dask's workers. Where
the extra `dask` is not installed, there is no cluster.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from common import (
    COMMAND,
    CORES,
    PYTHON,
    Usage,
    arguments,
    checked,
    measure,
    print_table,
    run_command,
    scratch,
    serving,
    start,
    write_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WORKERS = 2
SERIAL = ("--workers", "1")
PROCESSES = ("--workers", str(WORKERS))
LOOPBACK = ("--host", "127.0.0.1", "--dashboard-address", "127.0.0.1:0", "--no-dashboard")


def main() -> None:
    """Print the tables."""
    options = arguments(__doc__, nights=60, leads=20_000, rounds=1, every=10)
    with scratch() as folder:
        nights = publish(folder, options.nights, options.leads)
        ways: dict[str, tuple[str, ...]] = {"one process": SERIAL, f"{WORKERS} processes": PROCESSES}
        with cluster(folder) as scheduler:
            if scheduler:
                ways[f"{WORKERS} Dask workers"] = ("--scheduler", scheduler)
            usages: dict[str, list[Usage]] = {name: [] for name in ways}
            for _, (name, how) in ((n, way) for n in range(options.rounds) for way in ways.items()):
                usages[name].append(rebuild(nights, folder / name, how))
            expected = digest(folder / "one process")
            print(f"{options.nights} runs of {options.leads:,} leads, best of {options.rounds}\n")
            show(usages, {name: digest(folder / name) == expected for name in ways})
            storms = {name: how for name, how in ways.items() if how is not SERIAL}
            if options.every:
                print(f"A worker killed every {options.every} seconds\n")
                storm(nights, folder, storms, options.every, expected)


def publish(folder: Path, count: int, leads: int) -> list[Path]:
    """A run with that many leads, and copies of it that are other nights."""
    with serving() as server:
        environment = {"LEAD_EXPORT_API_URL": server.url, "XDG_STATE_HOME": str(folder)}
        command = run_command(write_list(folder / "emails.csv", leads), folder / "out", "--quiet")
        checked(measure(command, environment), "run")
    original = (folder / "out" / "latest").resolve()
    manifest = json.loads((original / "manifest.json").read_bytes())
    nights = []
    for number in range(count):
        night = folder / "export" / f"run=night-{number:03}"
        shutil.copytree(original, night)
        finished = f"2026-{number // 28 % 12 + 1:02}-{number % 28 + 1:02}T03:00:00.000+00:00"
        changed = manifest | {"run_id": night.name.removeprefix("run="), "finished_at": finished}
        (night / "manifest.json").write_bytes(json.dumps(changed, ensure_ascii=False, indent=2).encode() + b"\n")
        nights.append(night)
    return nights


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The address of a scheduler with workers that come back when they are killed; "" where Dask is missing."""
    if importlib.util.find_spec("distributed") is None:
        yield ""
        return
    file = folder / "scheduler.json"
    environment = {"PYTHONPATH": str(Path(__file__).parent.parent), "XDG_STATE_HOME": str(folder)}
    programs: list[tuple[str, ...]] = [("scheduler", "--port", "0", "--scheduler-file", str(file))]
    worker = ("--scheduler-file", str(file), "--nthreads", "1", "--resources", "night=1", "--nworkers", str(WORKERS))
    programs += [("worker", *worker, "--local-directory", str(folder))]
    children = []
    try:
        for name, *words in programs:
            command = [PYTHON, "-m", f"distributed.cli.dask_{name}", *LOOPBACK, *words]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            children.append(start(command, environment, CORES, **quiet))
            wait_for(file.exists)
        time.sleep(5)  # until the workers are there
        yield json.loads(file.read_text())["address"]
    finally:
        for child in reversed(children):
            child.terminate()
            child.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds, for a minute at most."""
    deadline = time.monotonic() + 60
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("the cluster does not start")
        time.sleep(0.05)


def rebuild(nights: list[Path], out: Path, how: tuple[str, ...]) -> Usage:
    """Rebuild all in a new folder, from the start of a process to its end."""
    shutil.rmtree(out, ignore_errors=True)
    command = [*COMMAND, "rebuild", *map(str, nights), "--out", str(out), "--quiet", *how]
    return checked(measure(command, cores=CORES), "rebuild")


def digest(out: Path) -> str:
    """A hash of every published file with its name, and of what is `latest`."""
    whole = hashlib.sha256(os.fsencode((out / "latest").readlink()))
    for path in sorted(out.glob("run=*/*")):
        whole.update(f"{path.relative_to(out)}\0".encode())
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()


def show(usages: dict[str, list[Usage]], same: dict[str, bool]) -> None:
    """A line for each way."""
    walls = {name: min(usage.wall_s for usage in runs) for name, runs in usages.items()}
    first = next(iter(walls.values()))
    cpus = {name: min(usage.cpu_s for usage in runs) for name, runs in usages.items()}
    rows = [
        (name, f"{wall:.1f}", f"{cpus[name]:.1f}", f"{first / wall:.2f}", "yes" if same[name] else "NO")
        for name, wall in walls.items()
    ]
    print_table(("workers", "seconds", "CPU seconds", "times one process", "same bytes"), rows)


def storm(nights: list[Path], folder: Path, ways: dict[str, tuple[str, ...]], every_s: int, expected: str) -> None:
    """Rebuild all while workers are killed, and compare the files."""
    rows = []
    for name, how in ways.items():
        out = folder / "storm"
        shutil.rmtree(out, ignore_errors=True)
        child = start([*COMMAND, "rebuild", *nights, "--out", out, "--quiet", *how], cores=CORES)
        over = threading.Event()
        killed: list[int] = []
        killer = threading.Thread(target=kill_workers, args=(child.pid, every_s, over, killed))
        began = time.perf_counter()
        killer.start()
        code = child.wait()
        over.set()
        killer.join()
        same = "yes" if not code and digest(out) == expected else "NO"
        rows.append((name, f"{time.perf_counter() - began:.1f}", str(len(killed)), str(code), same))
    print_table(("workers", "seconds", "killed", "exit code", "same bytes"), rows)


def kill_workers(command: int, every_s: float, over: threading.Event, killed: list[int]) -> None:
    """Kill one of the processes that rebuild, below the command or a worker of Dask, every so often."""
    chance = random.Random(0)  # noqa: S311 - repeatable, not secret
    while not over.wait(every_s):
        workers = [pid for pid in processes() if is_worker(pid, command)]
        if workers:
            pid = chance.choice(workers)
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)


def processes() -> list[int]:
    """All processes that this one has started, directly or not."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:  # it has ended
                continue
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found - {os.getpid()})


def is_worker(pid: int, command: int) -> bool:
    """Whether the process rebuilds: loky's below the command, or one that a nanny of Dask has started."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return pid != command and any(b"popen_loky" in word or b"spawn_main" in word for word in words)


if __name__ == "__main__":
    main()

"""Does memory grow with the list? Peaks of `run`, and of `rebuild` of what it published, for lists of growing length.

    python benchmarks/memory.py [--most 200000] [--million] [--workers 0]

Lists of 20,000 addresses, ten times as many, and so on up to `--most`; `--million` is the same with 1,000,000, which
takes a quarter of an hour and ten gigabytes of disk. Commands may use all cores, so that workers start as they do for
users; `--workers` is the setting of that name, where 0 lets the command choose.

Memory is that of all processes of a command together, summed over the process tree twenty times a second: the
resident set sizes (RSS), which count libraries once for each process, and the proportional set sizes (PSS), which
count a page shared by n processes as 1/n and so come out too low next to other users of the same libraries. The truth
is in between. The peak RSS of the command's own process and of its largest worker is shown too. Linux only.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

from common import COMMAND, CORES, Server, arguments, print_table, run_command, scratch, serving, start, write_list

SIZES = (20_000, 200_000, 1_000_000)
MIB = 1024**2
INTERVAL_S = 0.05
SMALL_MIB = 40
"""Less than any worker uses; resource trackers of multiprocessing are smaller."""


class Peaks(NamedTuple):
    """Seconds, peak MiB of all processes together, of the command's own and of its largest worker, and the workers."""

    wall_s: float
    all_rss: float
    all_pss: float
    main: float
    worker: float
    workers: int


def measure_tree(command: list[str], environment: dict[str, str]) -> Peaks:
    """Run a command to its end on all cores.

    Raises:
        SystemExit: it failed.
    """
    began = time.perf_counter()
    child = start(command, environment, CORES, stdout=subprocess.DEVNULL)
    all_rss = all_pss = 0.0
    peaks: dict[int, float] = defaultdict(float)
    while child.poll() is None:
        pids = descendants(child.pid)
        all_rss = max(all_rss, sum(memory_mib(pid, "status", "VmRSS:") for pid in pids))
        all_pss = max(all_pss, sum(memory_mib(pid, "smaps_rollup", "Pss:") for pid in pids))
        for pid in pids:
            peaks[pid] = max(peaks[pid], memory_mib(pid, "status", "VmHWM:"))
        time.sleep(INTERVAL_S)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)}: exit code {child.returncode}")
    main = peaks.pop(child.pid, 0.0)
    workers = [peak for peak in peaks.values() if peak > SMALL_MIB]
    return Peaks(time.perf_counter() - began, all_rss, all_pss, main, max(workers, default=0.0), len(workers))


def descendants(root: int) -> list[int]:
    """A process and everything that it started, directly or not, as far as it is running."""
    children = defaultdict(list)
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()  # the name before it may contain anything
        except OSError:
            continue
        children[int(fields[1])].append(int(stat.parent.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def memory_mib(pid: int, file: str, name: str) -> float:
    """A line of a file in /proc; 0 if the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / MIB for line in lines if line.startswith(name)), 0.0)


def peaks(server: Server, addresses: int, workers: int) -> list[tuple[str, Peaks]]:
    """Peaks of a run over a list of this length, and of a rebuild of that run."""
    server.stop_after(0)
    with scratch() as folder:
        environment = {"LEAD_EXPORT_API_URL": server.url, "XDG_STATE_HOME": str(folder)}
        environment |= {"LEAD_EXPORT_WORKERS": str(workers)}
        emails, out = write_list(folder / "emails.csv", addresses), folder / "out"
        return [
            ("run", measure_tree(run_command(emails, out, "--quiet"), environment)),
            ("rebuild", measure_tree(rebuild_command(out), environment)),
        ]


def rebuild_command(out: Path) -> list[str]:
    """Rebuild all tables of the newest run from its raw replies."""
    return [*COMMAND, "rebuild", str(out / "latest"), "--out", str(out.with_name("again")), "--quiet"]


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, most=200_000, people=8192, workers=0, million=False)
    sizes = [size for size in SIZES if size <= options.most or options.million] or [options.most]
    rows: list[tuple[str, ...]] = []
    with serving(options.people) as server:
        for size in sizes:
            for name, measured in peaks(server, size, options.workers):
                mib = (measured.all_rss, measured.all_pss, measured.main, measured.worker)
                numbers = (*(f"{number:.0f}" for number in mib), str(measured.workers), f"{measured.wall_s:.1f}")
                rows.append((f"{name}, {size:,}", *numbers))
    print(f"one run of each on {os.cpu_count()} cores, peaks in MiB\n")
    print_table(("", "all RSS", "all PSS", "own", "largest worker", "workers", "seconds"), rows)


if __name__ == "__main__":
    main()

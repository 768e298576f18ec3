"""A killed run goes on: how long until its first new call, and what a lead costs on disk.

    python benchmarks/resume.py [--answers 500000] [--sizes 20000]

The list has 100 addresses more than the server answers before it falls silent. Then the run is killed (SIGKILL), the
server answers again, the same command is started, and the server tells when its first call came. The time holds the
start of Python, the reading of the list and the check of the whole journal.

Sizes are those of another, whole run over `--sizes` addresses, each with a person of its own: replies that repeat would
be compressed better than real ones.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

from common import Server, arguments, checked, measure, print_table, run_command, scratch, serving, start, write_list

if TYPE_CHECKING:
    from pathlib import Path

LEFT = 100
"""Addresses that are left to ask when the run is killed."""
SETTLE_S = 2.0
"""Seconds for the last answers to get into the journal, which takes them a tenth of a second."""
MIB = 1 << 20


class Resumed(NamedTuple):
    """Seconds from the start to the first new call and to the end, MiB of the journal and of memory at the peak."""

    first_call_s: float
    whole_s: float
    journal_mib: float
    peak_mib: float


def on_disk(folder: Path, pattern: str) -> int:
    """Bytes of the files of a pattern."""
    return sum(path.stat().st_size for path in folder.glob(pattern))


def answer_and_kill(server: Server, command: list[str], environment: dict[str, str], answers: int) -> None:
    """Run until the server has given that many answers, then kill the run."""
    server.stop_after(answers)
    child = start(command, environment, stdout=subprocess.DEVNULL)
    try:
        while server.stats()["answers"] < answers:
            if child.poll() is not None:
                raise SystemExit(f"the run ended early with code {child.returncode}")
            time.sleep(0.2)
        time.sleep(SETTLE_S)
    finally:
        child.kill()
        child.wait()


def resume(answers: int) -> Resumed:
    """Kill a run after that many answers, and resume it."""
    with scratch() as folder, serving() as server:
        environment = {"LEAD_EXPORT_API_URL": server.url, "XDG_STATE_HOME": str(folder)}
        out = folder / "out"
        command = run_command(write_list(folder / "emails.csv", answers + LEFT), out, "--quiet")
        answer_and_kill(server, command, environment, answers)
        journal = on_disk(out / ".lead-export", "*.journal*")
        server.stop_after(0)
        began = time.monotonic()
        usage = checked(measure(command, environment), "the resumed run")
        stats = server.stats()
        if stats["answers"] != LEFT:
            raise SystemExit(f"{stats['answers']} calls after the restart, where {LEFT} were left")
        return Resumed(stats["first_call_s"] - began, usage.wall_s, journal / MIB, usage.peak_mib)


def sizes(addresses: int) -> dict[str, float]:
    """Bytes a lead of the bodies, the journal and the published files."""
    with scratch() as folder, serving(people=0) as server:
        environment = {"LEAD_EXPORT_API_URL": server.url, "XDG_STATE_HOME": str(folder)}
        out = folder / "out"
        command = run_command(write_list(folder / "emails.csv", addresses + 1), out, "--quiet")
        answer_and_kill(server, command, environment, addresses)
        journal = on_disk(out / ".lead-export", "*.journal*")
        server.stop_after(0)
        checked(measure(command, environment), "the resumed run")
        latest = out / "latest"
        return {
            "journal": journal / addresses,
            "replies.parquet": on_disk(latest, "replies.parquet") / addresses,
            "all other tables": (on_disk(latest, "*.parquet") - on_disk(latest, "replies.parquet")) / addresses,
        }


def main() -> None:
    """Print both tables."""
    options = arguments(__doc__, answers=500_000, sizes=20_000)
    resumed = resume(options.answers)
    print(f"killed after {options.answers:,} answers, {LEFT} left to ask\n")
    print_table(
        ("", "first call s", "whole run s", "journal MiB", "peak MiB"),
        [("resumed run", *(f"{value:.1f}" for value in resumed))],
    )
    print_table(
        (f"{options.sizes:,} leads", "bytes a lead"),
        ((name, f"{value:,.0f}") for name, value in sizes(options.sizes).items()),
    )


if __name__ == "__main__":
    main()

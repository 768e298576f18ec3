"""Does memory grow with the list? Peaks of `run`, and of `rebuild` from what it published, for longer and longer lists.

    python benchmarks/memory.py [--most 200000] [--million]

Lists of 20,000 addresses, ten times as many, and so on up to `--most`; `--million` is the same with 1,000,000, which
takes a quarter of an hour and ten gigabytes of disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from common import (
    COMMAND,
    Server,
    Usage,
    arguments,
    checked,
    measure,
    print_table,
    run_command,
    scratch,
    serving,
    write_list,
)

if TYPE_CHECKING:
    from pathlib import Path

SIZES = (20_000, 200_000, 1_000_000)


def peaks(server: Server, addresses: int) -> list[tuple[str, Usage]]:
    """Run a list of so many addresses, and rebuild it."""
    server.stop_after(0)
    with scratch() as folder:
        environment = {"LEAD_EXPORT_API_URL": server.url, "XDG_STATE_HOME": str(folder)}
        emails, out = write_list(folder / "emails.csv", addresses), folder / "out"
        return [
            ("run", checked(measure(run_command(emails, out, "--quiet"), environment), "run")),
            ("rebuild", checked(measure(rebuild_command(out), environment), "rebuild")),
        ]


def rebuild_command(out: Path) -> list[str]:
    """All tables again, from the raw replies of the newest run."""
    return [*COMMAND, "rebuild", str(out / "latest"), "--out", str(out.with_name("again")), "--quiet"]


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, most=200_000, people=8192, million=False)
    sizes = [size for size in SIZES if size <= options.most or options.million] or [options.most]
    rows: list[tuple[str, ...]] = []
    with serving(options.people) as server:
        for size in sizes:
            for name, usage in peaks(server, size):
                rows.append((f"{name}, {size:,}", f"{usage.peak_mib:.0f}", f"{usage.wall_s:.1f}", f"{usage.cpu_s:.1f}"))
    print("one run of each\n")
    print_table(("", "peak MiB", "seconds", "CPU seconds"), rows)


if __name__ == "__main__":
    main()

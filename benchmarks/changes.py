"""What it costs to say what changed since the run before: seconds beside those of the tables, and memory.

    python benchmarks/changes.py [--addresses 100000] [--runs 3]

Two nights are made without a call; the tables of the second one are written, and what changed since the first. The
cases: nothing asked again (all answers carried over), a third asked again and two percent changed, everything asked
again and nothing changed, and everything changed. CPU seconds of one process on one core, without start and imports.
DuckDB, which knows neither replies nor lists, joins the published tables of both nights instead: of the leads, cell by
cell, and of the others, row by row.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from common import HERE, PYTHON, arguments, checked, measure, median, print_table, scratch

if TYPE_CHECKING:
    from pathlib import Path

    from common import Usage


class Case(NamedTuple):
    """How much of the second night was asked again, and how much of all has changed."""

    name: str
    asked: float
    changed: float


CASES = (
    Case("all carried over", 0.0, 0.0),
    Case("a third asked, 2 % changed", 1 / 3, 0.02),
    Case("all asked, none changed", 1.0, 0.0),
    Case("all asked, all changed", 1.0, 1.0),
)


def child(what: str, folder: Path, *options: object) -> Usage:
    """Run `two_nights.py`, or the peer."""
    script = HERE / ("peers/joined.py" if what == "join" else "two_nights.py")
    words = [folder] if what == "join" else [what, folder, *options]
    return checked(measure([PYTHON, script, *map(str, words)]), f"{script.name} {what}")


def numbers(usage: Usage) -> dict[str, float]:
    """What the child printed."""
    found: dict[str, float] = json.loads(usage.output)
    return found


def row(case: Case, folder: Path, addresses: int, runs: int) -> list[str]:
    """A line of the table."""
    child("make", folder, "--addresses", addresses, "--asked", case.asked, "--changed", case.changed)
    with_changes = [child("publish", folder) for _ in range(runs)]
    without = [child("publish", folder, "--without") for _ in range(runs)]
    joined = [numbers(child("join", folder))["join"] for _ in range(runs)]
    tables, match, changes = (
        median(numbers(usage)[name] for usage in with_changes) for name in ("tables", "match", "changes")
    )
    compared = case.asked * addresses / (changes - match) if case.asked else 0
    more_mib = median(usage.peak_mib for usage in with_changes) - median(usage.peak_mib for usage in without)
    return [
        case.name,
        f"{tables:.2f}",
        f"{changes:.2f}",
        f"{changes / tables:.0%}",
        f"{compared:,.0f}",
        f"{numbers(with_changes[0])['rows']:,.0f}",
        f"{more_mib:+.0f}",
        f"{median(joined):.2f}",
    ]


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, addresses=100_000, runs=3)
    rows = []
    for case in CASES:
        with scratch() as folder:
            rows.append(row(case, folder, options.addresses, options.runs))
    print(f"{options.addresses:,} addresses, CPU seconds on one core, median of {options.runs} runs\n")
    head = ("case", "tables", "changes", "of tables", "compared/s", "rows", "MiB more", "DuckDB join")
    print_table(head, rows)


if __name__ == "__main__":
    main()

"""Replies in every shape that the API may send: flattened by lead-export and by `json_normalize`, on one core.

    python benchmarks/shapes.py [--replies 5000] [--runs 3] [--only mixture,everything]

The same people in each shape, about 2 kB each; `peers/shaped.py` defines the shapes. Every pass is the second one in a
process of its own, without its start and its imports. CPU seconds are counted, and shapes and tools take turns.

`of plain` compares with the plain shape, in which every value is a string and every key is known. `changes` has a first
half that is plain and a second half that is not, and should take no longer than half of each. `hostile` has 100,000
keys that nobody knows, spread over every tenth reply, and `hostile-one` has them in one reply.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from common import HERE, PYTHON, Usage, arguments, checked, measure, median, print_table, scratch

if TYPE_CHECKING:
    from pathlib import Path

SHAPES = {
    "plain": "all text",
    "integers": "integers as documented",
    "all-numbers": "ids, too, as numbers",
    "new-key": "one unknown key on the lead",
    "amounts": "two unknown keys in transactions",
    "transaction-id": "transaction_id for id",
    "aliases": "all aliases",
    "false": "false where there is no value",
    "null": "null where there is no value",
    "absent": "keys without a value absent",
    "keyed-tags": 'tags as {"0": …}',
    "keyed-all": 'all collections as {"0": …}',
    "bare-tags": "tags as plain strings",
    "as-text": "lead_details as JSON text",
    "other-order": "keys in another order",
    "integers-amounts": "integers; unknown keys",
    "integers-null": "integers; null",
    "integers-as-text": "integers; JSON text",
    "everything": "all of these in each reply",
    "mixture": "eight mixtures in turn",
    "changed": "integers; one unknown key",
    "changes": "changes in the middle",
    "hostile": "100,000 keys, spread",
    "hostile-one": "100,000 keys in one reply",
}
OURS_ONLY = ("changes", "hostile", "hostile-one")
"""Shapes that `json_normalize` makes a column of each key of, or whose number says nothing new."""


class Result(NamedTuple):
    """CPU seconds of the measured pass, its rows, and MiB at the peak of the process."""

    seconds: float
    rows: tuple[int, ...]
    peak_mib: float

    @classmethod
    def of(cls, usage: Usage) -> Result:
        """What a child printed."""
        printed = json.loads(usage.output)
        return cls(printed["cpu_seconds"], tuple(printed["rows"]), usage.peak_mib)


Results = dict[tuple[str, str], list[Result]]
"""By way and shape."""


def chosen(only: str) -> list[str]:
    """The shapes named, and the plain one to compare with; all of them for "".

    Raises:
        SystemExit: there is no such shape.
    """
    names = {"plain", *only.split(",")} if only else set(SHAPES)
    if unknown := names - set(SHAPES):
        raise SystemExit(f"no such shape: {', '.join(sorted(unknown))}; choose from {', '.join(SHAPES)}")
    return [name for name in SHAPES if name in names]


def measured(folder: Path, names: list[str], runs: int) -> Results:
    """All passes of all shapes; both ways take turns.

    Raises:
        SystemExit: a shape gives other rows than the plain one.
    """
    results: Results = defaultdict(list)
    for _ in range(runs):
        for name in names:
            for way in ("ours",) if name in OURS_ONLY else ("ours", "pandas"):
                usage = measure([PYTHON, HERE / "peers" / "tables.py", way, folder / f"{name}.ndjson"])
                results[way, name].append(Result.of(checked(usage, f"{way}, {name}")))
                if results[way, name][-1].rows != results["ours", "plain"][0].rows:
                    raise SystemExit(f"{way}, {name}: the tables differ in length from those of the plain shape")
    return results


def print_shapes(results: Results, names: list[str], replies: int) -> None:
    """A line for each shape."""
    speeds = {key: replies / median(result.seconds for result in runs) for key, runs in results.items()}
    peaks = {key: median(result.peak_mib for result in runs) for key, runs in results.items()}
    print_table(
        ("", "flatten, leads/s", "of plain", "json_normalize", "times that", "peak MiB"),
        (
            (
                f"{name}: {SHAPES[name]}",
                f"{speeds['ours', name]:,.0f}",
                f"{speeds['ours', name] / speeds['ours', 'plain']:.2f}",
                f"{speeds['pandas', name]:,.0f}" if ("pandas", name) in speeds else "",
                f"{speeds['ours', name] / speeds['pandas', name]:.2f}" if ("pandas", name) in speeds else "",
                f"{peaks['ours', name]:.0f}",
            )
            for name in names
        ),
    )
    if {"changes", "changed"} <= set(names):
        halves = (1 / speeds["ours", "plain"] + 1 / speeds["ours", "changed"]) * replies / 2
        print(f"changes: {replies / speeds['ours', 'changes']:.2f} s; its halves alone: {halves:.2f} s")


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, replies=5_000, runs=3, only="")
    names = chosen(options.only)
    with scratch() as folder:
        checked(measure([PYTHON, HERE / "peers" / "shaped.py", str(options.replies), folder, *names]), "replies")
        files = [folder / f"{name}.ndjson" for name in names]
        checked(measure([PYTHON, HERE / "peers" / "same_tables.py", *files]), "comparing the tables")
        results = measured(folder, names, options.runs)
    print(f"{options.replies:,} replies, median of {options.runs} runs, CPU seconds of one core\n")
    print_shapes(results, names, options.replies)


if __name__ == "__main__":
    main()

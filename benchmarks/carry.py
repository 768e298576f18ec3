"""How long it takes to carry answers over into a new journal, and in how much memory, on one core.

    python benchmarks/carry.py [--answers 1000000] [--order shuffled]

The answers are those of a published run, as large as documented ones. The new list has the same addresses in the same
or in another order; with `shuffled` no two neighbours stay together, which is the worst case. The last step chooses
whom to ask tonight.
"""

from __future__ import annotations

import json

from common import CLIENT_CORE, HERE, PYTHON, arguments, checked, measure, print_table, scratch

MIB = 1024**2


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, answers=1_000_000, order=("shuffled", "same"))
    with scratch() as folder:
        peers, count = HERE / "peers", str(options.answers)
        checked(measure([PYTHON, peers / "earlier_run.py", folder, count]), "making the earlier run")
        child = [PYTHON, peers / "carried.py", folder, count, options.order]
        usage = checked(measure(child, cores=(CLIENT_CORE,)), "carrying over")
        size = (folder / "tonight.journal").stat().st_size
    result = json.loads(usage.output)
    print(f"{options.answers:,} answers, {options.order} order, one core\n")
    print_table(
        ("", "seconds", "CPU seconds", "answers/s", "peak MiB"),
        (
            (
                name,
                f"{result[name]['wall_s']:.1f}",
                f"{result[name]['cpu_s']:.1f}",
                f"{options.answers / result[name]['cpu_s']:,.0f}",
                f"{result[name]['peak_mib']:.0f}",
            )
            for name in ("list", "answers", "choice")
        ),
    )
    print(f"journal: {size / MIB:,.0f} MiB, {size / options.answers:,.0f} bytes for an address and its answer")


if __name__ == "__main__":
    main()

"""What short answers cost: CPU seconds of commands that make no call, compared with `import click`.

    python benchmarks/startup.py [--runs 15]

CPU seconds rather than wall clock, because that is what is left when a machine does other things as well.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from pathlib import Path

from common import PYTHON, Usage, arguments, measure, median, print_table

COMMAND = str(Path(PYTHON).with_name("lead-export"))
BASE = "import click"
COMMANDS = {
    BASE: ([PYTHON, "-c", "import click"], 0),
    "Python alone": ([PYTHON, "-c", "pass"], 0),
    "lead-export --version": ([COMMAND, "--version"], 0),
    "lead-export --help": ([COMMAND, "--help"], 0),
    "lead-export run (wrong usage)": ([COMMAND, "run"], 2),
}


def main() -> None:
    """Print the table."""
    runs = arguments(__doc__, runs=15).runs
    usages: dict[str, list[Usage]] = defaultdict(list)
    for turn, (name, (command, code)) in itertools.product(range(runs + 1), COMMANDS.items()):
        usage = measure(command, quiet=True)
        if usage.code != code:
            raise SystemExit(f"{name}: ended with code {usage.code}")
        if turn:  # the first turn only brings the files into memory
            usages[name].append(usage)
    base = median(usage.cpu_s for usage in usages[BASE])
    print(f"median of {runs} runs, one core\n")
    print_table(
        ("", "CPU ms", f"/ {BASE}", "wall ms"),
        (
            (
                name,
                f"{1_000 * median(usage.cpu_s for usage in runs_):.0f}",
                f"{median(usage.cpu_s for usage in runs_) / base:.2f}",
                f"{1_000 * median(usage.wall_s for usage in runs_):.0f}",
            )
            for name, runs_ in usages.items()
        ),
    )


if __name__ == "__main__":
    main()

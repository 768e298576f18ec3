"""Tables rebuilt from the raw replies of a run: leads per second on one core and on several.

    python benchmarks/rebuild.py [--leads 200000] [--runs 3] [--shape text]

A run is published first. Then its tables are rebuilt on one core, on two, and so on, each time from the start of a
process to its end. Core counts take turns, so that other load on the machine affects all of them. Workers are started
as the command chooses; peak memory is that of the largest process, and `memory.py` measures all of them together.
`--shape` is the sandbox's switch: how the people are written.
"""

from __future__ import annotations

import itertools
import shutil

from common import (
    COMMAND,
    CORES,
    SHAPES,
    Usage,
    arguments,
    checked,
    measure,
    print_usages,
    run_command,
    scratch,
    serving,
    write_list,
)


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, leads=200_000, runs=3, shape=SHAPES)
    numbers = range(1, len(CORES) + 1)
    usages: dict[int, list[Usage]] = {number: [] for number in numbers}
    with scratch() as folder:
        out, again = folder / "out", folder / "again"
        with serving(shape=options.shape) as server:
            environment = {"LEAD_EXPORT_API_URL": server.url, "XDG_STATE_HOME": str(folder)}
            run = run_command(write_list(folder / "emails.csv", options.leads), out, "--quiet")
            checked(measure(run, environment), "run")
        command = [*COMMAND, "rebuild", str(out / "latest"), "--out", str(again), "--quiet"]
        for _, number in itertools.product(range(options.runs), numbers):
            shutil.rmtree(again, ignore_errors=True)
            usages[number].append(checked(measure(command, cores=CORES[:number]), "rebuild"))
    print(f"{options.leads:,} leads, shape {options.shape}, median of {options.runs} runs\n")
    print_usages("cores", usages, options.leads, "leads", ratio="times one core")


if __name__ == "__main__":
    main()

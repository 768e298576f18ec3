"""From a list to published tables without a rate limit, compared with what people write otherwise.

    python benchmarks/throughput.py [--addresses 20000] [--runs 5] [--shape text]

Each contender is a process of its own on one core, from its start to its end, and asks the same server on another.
The contenders take turns, so that a busy moment of the machine hits all of them. `--shape` is the sandbox's switch: how
the people are written.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from common import (
    HERE,
    PYTHON,
    SHAPES,
    Server,
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

Contender = Callable[[str, Path, Path], list[str]]


def ours(_: str, emails: Path, out: Path) -> list[str]:
    """Everything: seven tables, outcomes, raw replies, journal, manifest."""
    return run_command(emails, out, "--quiet")


def peer(name: str, *, writes: bool = True) -> Contender:
    """A script of `peers/`."""

    def command(url: str, emails: Path, out: Path) -> list[str]:
        return [PYTHON, str(HERE / "peers" / f"{name}.py"), url, str(emails), *([str(out)] if writes else [])]

    return command


CONTENDERS: dict[str, Contender] = {
    "lead-export run": ours,
    "aiohttp, nothing kept": peer("bare", writes=False),
    "gather and json_normalize": peer("tutorial"),
    "dlt": peer("dlt_pipeline"),
}


def one_run(name: str, server: Server, emails: Path, out: Path, addresses: int) -> Usage:
    """Let one contender do everything, and see that the server has answered every address."""
    server.stop_after(0)
    command = CONTENDERS[name](server.url, emails, out)
    environment = {"LEAD_EXPORT_API_URL": server.url, "XDG_STATE_HOME": str(out.parent)}
    expected = None if command[1] == "-m" else addresses
    usage = checked(measure(command, environment), name, expected)
    answers = server.stats()["answers"]
    if answers != addresses:
        raise SystemExit(f"{name}: {answers} calls for {addresses} addresses")
    return usage


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, addresses=20_000, runs=5, shape=SHAPES)
    usages: dict[str, list[Usage]] = defaultdict(list)
    with scratch() as folder, serving(shape=options.shape) as server:
        emails = write_list(folder / "emails.csv", options.addresses)
        for turn, name in itertools.product(range(options.runs), CONTENDERS):
            out = folder / f"out-{turn}-{list(CONTENDERS).index(name)}"
            usages[name].append(one_run(name, server, emails, out, options.addresses))
    print(
        f"{options.addresses:,} addresses, shape {options.shape}, median of {options.runs} runs, client on one core\n"
    )
    print_usages("", usages, options.addresses, "calls", ratio="ours/theirs")


if __name__ == "__main__":
    main()

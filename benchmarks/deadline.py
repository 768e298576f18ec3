"""A run ends with its deadline: how many calls come after it, how long tables take, how much of the limit is used.

    python benchmarks/deadline.py [--addresses 100000] [--seconds 40] [--window 60]

The first night asks without a limit until a deadline `--seconds` ahead, too soon for a list of `--addresses`; the
second goes on, as fast as it can, without a deadline in sight. The third asks at 18 calls a second
for `--window` seconds. When the last call came is told by the sandbox, whose clock is compared with that of this
machine by a call to it.
"""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.request import Request, urlopen

from common import COMMAND, CORES, arguments, measure, print_table, scratch, write_list

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_PER_S = 20
INCOMPLETE = 8
MOST_S, MOST_S_A_MILLION = 15.0, 60.0
"""Seconds after the deadline within which the command must end, and how many more it has for each million addresses."""
LEAST_SHARE = 0.88


class Night(NamedTuple):
    """What a run came to: calls, when they came and when the command ended, in seconds after the deadline."""

    calls: int
    first_call_s: float
    last_call_s: float
    end_s: float
    pending: int

    @property
    def per_s(self) -> float:
        """Calls a second, from the first one until the deadline."""
        return self.calls / -self.first_call_s


def calls_at(sandbox: RunningSandbox) -> tuple[float, float]:
    """When the first call came, and the last, in seconds since 1970 by the clock of this machine."""
    stats = sandbox.stats()
    before = time.time()
    urlopen(Request(sandbox.url, data=b"app_id=nobody", method="POST"), timeout=5).read()  # noqa: S310 - loopback
    start = before - sandbox.stats()["last_call_s"]
    return start + stats["first_call_s"], start + stats["last_call_s"]


def night(sandbox: RunningSandbox, emails: Path, seconds: float, *options: str, out: str = "out") -> Night:
    """Run until a deadline that is this many seconds ahead."""
    sandbox.control(reset_stats=True)
    deadline = time.time() + seconds
    moment = datetime.fromtimestamp(deadline, UTC).isoformat(timespec="milliseconds")
    words = [*COMMAND, "run", str(emails), "--out", str(emails.parent / out), "--deadline", moment, *options]
    environment = {
        "LEAD_EXPORT_API_URL": sandbox.url,
        "XDG_STATE_HOME": str(emails.parent),
        **{f"KARTRA_{name}": f"sandbox-{value}" for name, value in CREDENTIALS},
    }
    usage = measure([*words, "--json", "--quiet"], environment, quiet=True, cores=CORES)
    end_s, calls = time.time() - deadline, sandbox.stats()["calls"]
    if usage.code not in (0, INCOMPLETE):
        raise SystemExit(f"the run ended with exit code {usage.code}")
    rows = json.loads(usage.output)["rows"]
    first, last = calls_at(sandbox)
    return Night(calls, first - deadline, last - deadline, end_s, rows.get("pending", 0))


CREDENTIALS = (("APP_ID", "app"), ("API_KEY", "key"), ("API_PASSWORD", "password"))


def main() -> None:
    """Print what each night came to; fail if a call came late, or the command did."""
    options = arguments(__doc__, addresses=100_000, seconds=40, window=60)
    most_s = MOST_S + MOST_S_A_MILLION * options.addresses / 1_000_000
    with scratch() as folder:
        emails = write_list(folder / "emails.csv", options.addresses)
        with running(SandboxOptions(limit_per_s=0)) as sandbox:
            nights = [night(sandbox, emails, options.seconds, "--rate", "0") for _ in range(2)]
        with running(SandboxOptions(limit_per_s=LIMIT_PER_S)) as sandbox:
            nights.append(night(sandbox, emails, options.window, "--rate", "18", out="other"))
    share = nights[-1].per_s / LIMIT_PER_S
    print_table(
        (f"{options.addresses:,} addresses", "calls", "first call s", "last call s", "end s", "pending"),
        (
            (
                name,
                f"{one.calls:,}",
                f"{one.first_call_s:+.1f}",
                f"{one.last_call_s:+.2f}",
                f"{one.end_s:+.1f}",
                f"{one.pending:,}",
            )
            for name, one in zip(("no limit", "no limit, the next night", "18 a second"), nights, strict=True)
        ),
    )
    print(f"{share:.1%} of {LIMIT_PER_S} calls a second used from the first call to the deadline")
    late = [one for one in nights if one.last_call_s > 0 or one.end_s > most_s]
    if late or share < LEAST_SHARE:
        raise SystemExit(f"a call after the deadline, an end after {most_s:.0f} s, or less than {LEAST_SHARE:.0%} used")


if __name__ == "__main__":
    main()

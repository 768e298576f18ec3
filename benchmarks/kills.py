"""Runs that carry answers over and ask for some again, killed sixty times at random: what is lost, what repeated?

    python benchmarks/kills.py [--kills 60] [--addresses 1500]

Every night has the command given again until it is published, and killed without warning after a random time, be it
while the list is read, answers are carried over, calls are made or tables written. Then the sandbox's counts are
compared with what that night had to ask for. The benchmark fails if an address was not asked for, if one was that had
not to be, or if more calls were repeated than can have been in flight or not yet on the disk.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple

import pyarrow.parquet as pq
from common import COMMAND, arguments, print_table, scratch, write_list

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from pathlib import Path

CONCURRENCY = 8
RATE = 300
UNSYNCED_S = 0.25
"""How long an answer may take until it is on the disk."""
ACCOUNT = {"KARTRA_APP_ID": "sandbox-app", "KARTRA_API_KEY": "sandbox-key", "KARTRA_API_PASSWORD": "sandbox-password"}
SETTINGS = {"LEAD_EXPORT_MAX_AGE_DAYS": "3", "LEAD_EXPORT_FRESH_HOURS": "0", "LEAD_EXPORT_WORKERS": "1"}
LONGEST_S = 7.0
"""After which a run is killed at the latest; undisturbed, a night takes about as long."""


class Night(NamedTuple):
    """What one night did.

    Attributes:
        kills: how often its command was killed.
        asked: addresses that were asked for.
        repeated: answers that were given again, because a kill had lost them.
        carried: addresses whose answer is that of an earlier night.
    """

    kills: int
    asked: int
    repeated: int
    carried: int


def night(sandbox: RunningSandbox, people: Path, out: Path, kills: int, dice: random.Random) -> Night:
    """Give the command until its run is published, killing it `kills` times at most."""
    sandbox.control(reset_stats=True, latency_ms=5)
    pace = ("--rate", str(RATE), "--concurrency", str(CONCURRENCY))
    command = [
        *COMMAND,
        "run",
        str(people),
        "--out",
        str(out),
        "--api-url",
        sandbox.url,
        *pace,
        "--quiet",
        "--no-monitor",
    ]
    before, killed = published(out), 0
    while True:
        child = subprocess.Popen(command, env=os.environ | ACCOUNT | SETTINGS)
        try:
            child.wait(dice.uniform(0.5, LONGEST_S) if killed < kills else None)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            killed += 1
        if child.wait() == 0 or published(out) != before:
            break
        if child.returncode != -signal.SIGKILL:
            raise SystemExit(f"the command ended with {child.returncode}")
    stats = sandbox.stats()
    outcomes = pq.read_table(out / "latest" / "outcomes.parquet", columns=["outcome", "attempts"]).to_pylist()
    if {row["outcome"] for row in outcomes} != {"found"}:
        raise SystemExit("answers were lost")
    carried = sum(row["attempts"] == 0 for row in outcomes)
    return Night(killed, stats["asked"], stats["answered"] - stats["asked"], carried)


def published(out: Path) -> set[str]:
    """The names of the published runs."""
    return {path.name for path in out.glob("run=*")}


def nights(folder: Path, kills: int, addresses: int) -> list[Night]:
    """One night that nobody disturbs, then as many as it takes to be killed that often."""
    dice, done, left = random.Random(1), [], kills  # noqa: S311 - dice
    people, out = write_list(folder / "people.csv", addresses), folder / "out"
    share = -(-addresses // 3)
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        night(sandbox, people, out, 0, dice)
        while left > 0:
            one = night(sandbox, people, out, min(left, 12), dice)
            done.append(one)
            left -= one.kills
            time.sleep(1.1)  # names of runs are the seconds that they start in
            if (one.asked, one.carried) != (share, addresses - share):
                raise SystemExit(f"{one.asked:,} asked and {one.carried:,} carried over, where the share is {share:,}")
            if one.repeated > one.kills * (CONCURRENCY + RATE * UNSYNCED_S):
                raise SystemExit(f"{one.repeated:,} answers were given again after {one.kills} kills")
    return done


def main() -> None:
    """Print a line for each night."""
    options = arguments(__doc__, kills=60, addresses=1_500)
    with scratch() as folder:
        done = nights(folder, options.kills, options.addresses)
    print_table(
        ("night", *Night._fields),
        ((f"{number}", *(f"{value:,}" for value in one)) for number, one in enumerate(done, 1)),
    )
    print(f"{sum(one.kills for one in done)} kills, {sum(one.repeated for one in done):,} answers given again")


if __name__ == "__main__":
    main()

"""Several accounts side by side: does each get its own limit, does one that is refused end alone, what do they take?

    python benchmarks/lanes.py [--accounts 12] [--addresses 1080] [--kills 20]

`run-all` over that many accounts, each with an App of its own at one sandbox, which refuses what is above 20 calls in
any second. Their rate is 18 per second; the table has, as the sandbox counted, the slowest and the fastest account and
the busiest second of any. Then the same with one App that is refused. Then accounts at 100 calls per second are killed
without warning, one of them, their parent, or all at once, each time followed by the same command, until as many kills
are done; counted is how often an address was answered more than once. Memory is in MiB, as in `memory.py`. Linux only.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from common import COMMAND, arguments, print_table, scratch
from memory import descendants, memory_mib

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

RATE = 18
LIMIT = 20
LANE = re.compile(r"lane\0(?:-\S+\0)*account\d+\0")


class Agency(NamedTuple):
    """Accounts at a sandbox: the file, and the variables of their credentials."""

    config: Path
    env: dict[str, str]

    @classmethod
    def of(cls, folder: Path, sandbox: RunningSandbox, accounts: int, addresses: int, common: str) -> Agency:
        """Write the lists and the file of accounts."""
        folder.mkdir()
        options, env, tables = SandboxOptions(), {"XDG_STATE_HOME": str(folder)}, ""
        for n in range(accounts):
            people = folder / f"account{n}.csv"
            people.write_text("email\n" + "".join(f"account{n}.{m}@example.com\n" for m in range(addresses)))
            tables += f'[accounts.account{n}]\nlists = "{people}"\n'
            env[f"KARTRA_ACCOUNT{n}_APP_ID"] = f"{options.app_id}-{n}"
            env[f"KARTRA_ACCOUNT{n}_API_KEY"] = options.api_key
            env[f"KARTRA_ACCOUNT{n}_API_PASSWORD"] = options.api_password
        config = folder / "agency.toml"
        config.write_text(f'out = "{folder}/export"\napi_url = "{sandbox.url}"\n{common}\n{tables}')
        return cls(config, env)

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """Start `run-all`."""
        command = [*COMMAND, "run-all", "--config", str(self.config), "--quiet", *options]
        return subprocess.Popen(command, env={**os.environ, **self.env}, stderr=subprocess.DEVNULL)

    def codes(self) -> list[int | None]:
        """The exit code of each account."""
        path = self.config.parent / "export" / ".lead-export" / "lanes.json"
        lanes: dict[str, dict[str, Any]] = json.loads(path.read_text())["lanes"]
        return [lane.get("code") for lane in lanes.values()]


class Measured(NamedTuple):
    """What a `run-all` took: seconds, exit code, and peaks of memory of the parent, a lane, and all processes."""

    wall_s: float
    code: int
    parent: float
    lane: float
    all_rss: float
    all_pss: float


def measure(agency: Agency) -> Measured:
    """Run all accounts to their end."""
    began = time.monotonic()
    child = agency.start()
    own, lane, all_rss, all_pss = [0.0] * 4
    while child.poll() is None:
        pids = descendants(child.pid)
        own = max(own, memory_mib(child.pid, "status", "VmHWM:"))
        lane = max([lane, *(memory_mib(pid, "status", "VmHWM:") for pid in pids[1:])])
        all_rss = max(all_rss, sum(memory_mib(pid, "status", "VmRSS:") for pid in pids))
        all_pss = max(all_pss, sum(memory_mib(pid, "smaps_rollup", "Pss:") for pid in pids))
        time.sleep(0.5)
    return Measured(time.monotonic() - began, child.returncode, own, lane, all_rss, all_pss)


def rates(sandbox: RunningSandbox) -> tuple[list[float], int, int]:
    """The share of its limit that each App has used, the busiest second of any, and calls that were refused."""
    apps = [app for app in sandbox.stats()["apps"].values() if app["calls"] > 1]
    shares = [(app["calls"] - 1) / (app["last_call_s"] - app["first_call_s"]) / RATE for app in apps]
    return shares, max(app["worst_second"] for app in apps), sum(app["throttled"] for app in apps)


def side_by_side(folder: Path, accounts: int, addresses: int, *, refused: bool) -> tuple[str, ...]:
    """A row of the table."""
    with running(SandboxOptions(limit_per_s=LIMIT, latency_ms=80, latency_jitter_ms=40)) as sandbox:
        agency = Agency.of(folder, sandbox, accounts, addresses, f"rate_per_s = {RATE}")
        if refused:
            agency.env["KARTRA_ACCOUNT0_API_KEY"] = "revoked"
        took = measure(agency)
        shares, worst, throttled = rates(sandbox)
    codes = agency.codes()
    good = codes.count(0)
    if good != accounts - refused or took.code != (4 if refused else 0):
        raise SystemExit(f"the accounts ended with {codes}, and all of them with {took.code}")
    return (
        f"{accounts} accounts{', one refused' if refused else ''}",
        *(f"{share:.1%}" for share in (min(shares), max(shares))),
        str(worst),
        *(str(number) for number in (throttled, good)),
        f"{took.wall_s:.1f}",
        *(f"{mib:.0f}" for mib in (took.parent, took.lane, took.all_rss, took.all_pss)),
    )


def victims(child: subprocess.Popen[bytes], kind: str, dice: random.Random) -> list[int]:
    """Who is to be killed: a lane, the parent, or all."""
    lanes = [pid for pid in descendants(child.pid)[1:] if is_lane(pid)]
    if kind == "lane":
        return dice.sample(lanes, 1) if lanes else []
    return [child.pid] if kind == "parent" else [child.pid, *lanes]


def is_lane(pid: int) -> bool:
    """Whether a process is that of an account."""
    try:
        return bool(LANE.search(Path(f"/proc/{pid}/cmdline").read_text()))
    except OSError:
        return False


def killed(folder: Path, kills: int, addresses: int) -> tuple[str, ...]:
    """Kill again and again, then let the same command come to its end; a row of the table."""
    dice = random.Random(1)  # noqa: S311 - moments, not secrets
    done = dict.fromkeys(("lane", "parent", "all"), 0)
    with running(SandboxOptions(limit_per_s=0, latency_ms=80, latency_jitter_ms=40)) as sandbox:
        agency = Agency.of(folder, sandbox, 4, addresses, "rate_per_s = 100")
        while sum(done.values()) < kills:
            before = sandbox.stats()["answered"]
            child, kind = agency.start(), list(done)[sum(done.values()) % 3]
            while child.poll() is None and sandbox.stats()["answered"] < before + dice.randint(20, 200):
                time.sleep(0.02)
            for pid in victims(child, kind, dice):
                os.kill(pid, signal.SIGKILL)
                done[kind] += kind == "lane" or pid == child.pid
            child.wait()
        last = agency.start()
        code = last.wait()
        stats = sandbox.stats()
    runs = sorted((folder / "export").glob("account=*/run=*"))
    if code or agency.codes() != [0] * 4 or stats["asked"] != 4 * addresses or len(runs) != 4:
        raise SystemExit(f"the accounts ended with {agency.codes()}, {stats['asked']} asked, {len(runs)} runs")
    again = stats["calls"] - stats["asked"]
    return (f"kills: {kills}", *(str(done[kind]) for kind in done), str(again), f"{again / kills:.1f}")


def main() -> None:
    """Print the tables."""
    options = arguments(__doc__, accounts=12, addresses=1_080, kills=20)
    head = ("", "slowest", "fastest", "busiest second", "429s", "exit 0", "seconds")
    with scratch() as folder:
        rows = [
            side_by_side(folder / f"{refused}", options.accounts, options.addresses, refused=refused)
            for refused in (False, True)
        ]
        print(f"{options.addresses:,} addresses each at {RATE} per second, on {os.cpu_count()} cores\n")
        print_table((*head, "parent", "lane", "all RSS", "all PSS"), rows)
        row = killed(folder / "kills", options.kills, options.addresses * 2)
        print_table(("4 accounts, killed", "lane", "parent", "all", "calls made again", "for each kill"), [row])


if __name__ == "__main__":
    main()

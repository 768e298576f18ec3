"""Forty simulated nights: how many calls a night makes with `--max-age`, and how old what it publishes is.

    python benchmarks/nights.py [--addresses 20000] [--nights 40] [--age 3] [--attempts 2]

Real runs against the sandbox, where a hundredth of the calls fail; with `--attempts 1` none is repeated, so that as
many addresses keep an older answer and are due again the night after. Only the wall clock is simulated: 20 answers take
a second of it. One night is missed, and one is cut off by its deadline when half of its share has been asked. Each
night is checked from outside, by the calls that the sandbox has counted and by the dates in the published rows: the
benchmark fails if an ordinary night does not ask for as many addresses as its share, one of them twice within
`fresh_hours`, or a row is older than its manifest says.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow.parquet as pq
from common import arguments, print_table, scratch, write_list

from pipeline.jobs.export import export
from pipeline.jobs.fetch import Observer
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest
    from pipeline.outcomes import Address, Answer

HOUR_MS = 3_600_000
NIGHT_MS = 24 * HOUR_MS
FIRST_MS = 1_795_572_000_000
"""Two o'clock in some night, UTC."""
ANSWER_MS = 50
FRESH_H = 12
TOLERANCE, TOLERANCE_OF_FAILING = 0.02, 0.03
"""By how much a night may differ from its share, and if addresses that failed are left to the night after."""


class Night(NamedTuple):
    """What one night did.

    Attributes:
        number: counted from 0.
        kind: `first`, `ordinary`, `cut` off by its deadline, or one of the two `after` it or a missed one.
        asked: addresses that were looked up.
        calls: as the sandbox counted them; after a failed one, others may have to be repeated.
        oldest: the age in nights of the oldest published answer.
        kept: addresses whose answer stays because asking again failed.
        overdue: answers older than was promised, as the manifest says.
    """

    number: int
    kind: str
    asked: int
    calls: int
    oldest: int
    kept: int
    overdue: int


@dataclass
class Simulation(Observer):
    """A job that is run night after night.

    Attributes:
        sandbox: whom it asks.
        people: its list.
        out: where it publishes.
        addresses: how many there are.
        age: the setting `max_age_days`.
        attempts: the setting `max_attempts`.
        now_ms: the simulated time.
    """

    sandbox: RunningSandbox
    people: Path
    out: Path
    addresses: int
    age: int
    attempts: int
    now_ms: int = FIRST_MS
    _asked_ms: dict[int, int] = field(default_factory=dict)

    @property
    def share(self) -> int:
        """How many addresses an ordinary night asks for."""
        return -(-self.addresses // self.age)

    def clock(self) -> int:
        """The simulated time."""
        return self.now_ms

    def answered(self, address: Address, answer: Answer) -> None:  # noqa: ARG002 - whatever it is
        """Let the time pass that a call takes, and check that nobody is asked too soon."""
        self.now_ms += ANSWER_MS
        before = self._asked_ms.get(address.id)
        if before is not None and self.now_ms - before < FRESH_H * HOUR_MS:
            raise SystemExit(f"address {address.id} was asked twice within {FRESH_H} hours")
        self._asked_ms[address.id] = self.now_ms

    def night(self, number: int, kind: str) -> Night:
        """Run one night, and check it."""
        start_ms = self.now_ms = FIRST_MS + number * NIGHT_MS
        self.sandbox.control(reset_stats=True, seed=number + 1)
        limits: dict[str, Any] = {}
        if kind == "cut":
            end_ms = start_ms + self.share // 2 * ANSWER_MS
            limits["deadline"] = datetime.fromtimestamp(end_ms / 1000, UTC).isoformat(timespec="milliseconds")
        manifest = export(self._settings(**limits), [self.people], self.out, observer=self, clock=self.clock)
        stats = self.sandbox.stats()
        self._asked_ms = {address: ms for address, ms in self._asked_ms.items() if ms > self.now_ms - NIGHT_MS}
        fresh = manifest.freshness
        if fresh is None:
            raise SystemExit(f"night {number}: the manifest does not say how old its answers are")
        ages = [*self._ages(start_ms)]
        night = Night(number, kind, stats["asked"], stats["calls"], max(ages), fresh.refresh_failed, fresh.overdue)
        self._check(night, manifest, ages, stats)
        return night

    def _settings(self, **limits: object) -> Settings:
        account = {"app_id": "sandbox-app", "api_key": "sandbox-key", "api_password": "sandbox-password"}
        together = min(50, max(1, self.share // 20))
        pace = {"rate_per_s": 0, "concurrency": together, "share_pace": False, "workers": 1}
        patience = {"max_attempts": self.attempts, "retry_first_delay_s": 0}
        ages = {"max_age_days": self.age, "fresh_hours": FRESH_H, "keep_runs": 2}
        return Settings.load({"api_url": self.sandbox.url, **account, **pace, **patience, **ages, **limits}, environ={})

    def _ages(self, start_ms: int) -> Iterator[int]:
        """How many nights old each published answer is, from its date alone."""
        outcomes = pq.read_table(self.out / "latest" / "outcomes.parquet", columns=["outcome", "answered_at"])
        for row in outcomes.to_pylist():
            if row["outcome"] != "failed":
                age_ms = start_ms - round(row["answered_at"].timestamp() * 1000)
                yield max(0, (age_ms + 2 * HOUR_MS) // NIGHT_MS)

    def _check(self, night: Night, manifest: Manifest, ages: list[int], stats: dict[str, Any]) -> None:
        wrong = []
        tolerance = TOLERANCE if self.attempts > 1 else TOLERANCE_OF_FAILING
        if len(ages) + manifest.rows.failed != self.addresses:
            wrong.append(f"{len(ages):,} answers, and {manifest.rows.failed:,} failed")
        if stats["answered_twice_or_more"]:
            wrong.append(f"{stats['answered_twice_or_more']:,} addresses were answered twice")
        if night.overdue != sum(age > self.age for age in ages):
            wrong.append(f"{night.overdue:,} overdue according to the manifest")
        if night.kind == "ordinary" and abs(night.asked - self.share) > max(3, tolerance * self.share):
            wrong.append(f"{night.asked:,} addresses, where the share is {self.share:,}")
        if night.kind == "ordinary" and sum(age > self.age - 1 for age in ages) > night.kept:
            wrong.append("answers are older than promised, though asking again did not fail")
        if night.kind == "cut" and abs(night.asked - self.share // 2) > 3 + 0.1 * self.share:
            wrong.append(f"{night.asked:,} addresses before the deadline")
        if wrong:
            raise SystemExit(f"night {night.number}: {'; '.join(wrong)}")


def kinds(nights: int) -> Iterator[tuple[int, str]]:
    """The nights that there is a run in, with what is special about each; a third of the way in one is missed."""
    missed, cut = nights // 3, 2 * nights // 3
    after = (missed + 1, missed + 2, cut + 1, cut + 2)
    for number in range(nights):
        if number == missed:
            continue
        special = {0: "first", cut: "cut", **dict.fromkeys(after, "after")}
        kind = special.get(number, "ordinary")
        yield number, kind


def simulate(folder: Path, *, addresses: int, nights: int, age: int, attempts: int) -> list[Night]:
    """Run that many nights, less the one that is missed.

    Raises:
        SystemExit: something is not as it was promised.
    """
    with ExitStack() as stack:
        sandbox = stack.enter_context(running(SandboxOptions(limit_per_s=0, fault_rate=0.01)))
        people = write_list(folder / "people.csv", addresses)
        job = Simulation(sandbox, people, folder / "out", addresses, age, attempts)
        return [job.night(number, kind) for number, kind in kinds(nights)]


def main() -> None:
    """Print a line for each night, and what the ordinary ones have in common."""
    options = arguments(__doc__, addresses=20_000, nights=40, age=3, attempts=2)
    with scratch() as folder:
        nights = simulate(
            folder,
            addresses=options.addresses,
            nights=options.nights,
            age=options.age,
            attempts=options.attempts,
        )
    print_table(
        ("night", "asked", "calls", "oldest, nights", "kept", "overdue"),
        ((f"{night.number} {night.kind}", *(f"{value:,}" for value in night[2:])) for night in nights),
    )
    share = -(-options.addresses // options.age)
    ordinary = [night.asked / share for night in nights if night.kind == "ordinary"]
    print(f"ordinary nights: {min(ordinary):.3f} to {max(ordinary):.3f} times the share of {share:,}")


if __name__ == "__main__":
    main()

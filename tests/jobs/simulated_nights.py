"""Nights that are simulated: real runs against a sandbox, whose wall clock is the test's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from jobs_lists import settings

from pipeline.jobs.export import export

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest
    from pipeline.sandbox.process import RunningSandbox

HOUR_MS = 3_600_000
NIGHT_MS = 24 * HOUR_MS
FIRST_MS = 1_795_572_000_000
"""Two o'clock in some night, UTC."""


@dataclass
class Nights:
    """One job, night after night.

    Attributes:
        sandbox: whom it asks.
        out: where it publishes.
        people: its list.
        now_ms: what its clock shows; a second passes with each look at it.
    """

    sandbox: RunningSandbox
    out: Path
    people: Path
    now_ms: int = FIRST_MS

    def clock(self) -> int:
        """The time, milliseconds since 1970 UTC."""
        self.now_ms += 1_000
        return self.now_ms

    def run(
        self, night: float, *lists: Path, resume: bool = True, run_id: str | None = None, **changes: object
    ) -> Manifest:
        """The run of that night, counted from 0; settings are those of `settings`, with `max_age_days` 3."""
        self.now_ms = FIRST_MS + round(night * NIGHT_MS)
        self.sandbox.control(reset_stats=True)
        chosen = settings(self.sandbox.url, **{"max_age_days": 3, **changes})
        places = list(lists) or [self.people]
        return export(chosen, places, self.out, resume=resume, run_id=run_id, clock=self.clock)

    def asked(self) -> dict[str, int]:
        """How often each address was asked for in the run before."""
        addresses: dict[str, int] = self.sandbox.stats(addresses=True)["addresses"]
        return addresses

    def outcomes(self) -> pd.DataFrame:
        """The rows of the newest run."""
        return pd.read_parquet(self.out / "latest" / "outcomes.parquet")

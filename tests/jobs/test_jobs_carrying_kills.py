"""Runs that carry answers over and ask for some again, killed again and again."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pandas as pd
from jobs_lists import write_list
from killed_jobs import CONCURRENCY, RATE, Job

from pipeline.jobs.verify import verify
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from pathlib import Path

    from preloaded import Preloaded

PEOPLE = [f"person{number}@example.com" for number in range(600)]
DUE, NEW = PEOPLE[:250], [f"new{number}@example.com" for number in range(50)]
"""What a night asks for that has two nights for everybody: those who are new, and the oldest of the others."""
SETTINGS = {"LEAD_EXPORT_MAX_AGE_DAYS": "2", "LEAD_EXPORT_FRESH_HOURS": "0"}
CARRYING = r"\.journal(\.partial)?(\?|$)"
STAGING = r"\.staging/"


def test_kills_lose_no_answer_and_repeat_only_calls_in_flight(process: Preloaded, tmp_path: Path) -> None:
    """Killed while it carries over, while it asks and while it writes: each is begun or taken up again."""
    people = write_list(tmp_path / "people.txt", PEOPLE)
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        job = Job(process, sandbox, tmp_path / "out", SETTINGS)
        assert job.begun(people).wait() == 0
        before = pd.read_parquet(tmp_path / "out" / "latest" / "outcomes.parquet").set_index("email")
        write_list(people, [*NEW, *reversed(PEOPLE[:550])])
        sandbox.control(reset_stats=True, latency_ms=5)
        for step in (3, 6, 9):
            assert job.begun(people, CARRYING, step).wait() == -signal.SIGKILL
        assert sandbox.stats()["calls"] == 0
        for answered in (60, 150):
            job.killed_while_asking(people, answered)
        assert job.begun(people, STAGING, 9).wait() == -signal.SIGKILL
        asked = sandbox.stats(addresses=True)
        assert job.begun(people).wait() == 0
        assert sandbox.stats()["calls"] == asked["calls"]
    assert set(asked["addresses"]) == {*NEW, *DUE}
    assert asked["answered_twice_or_more"] <= 2 * (CONCURRENCY + RATE * 0.25)
    now = pd.read_parquet(tmp_path / "out" / "latest" / "outcomes.parquet").set_index("email")
    carried = now[now["attempts"] == 0].index
    assert (len(now), set(now["outcome"]), set(carried)) == (600, {"found"}, set(PEOPLE[250:550]))
    assert (now.loc[carried, "answered_at"] == before.loc[carried, "answered_at"]).all()
    assert verify(tmp_path / "out" / "latest").ok
    assert [path.name for path in (tmp_path / "out" / ".lead-export").glob("*.journal*")] == []

"""Runs that are killed, again and again, and begun anew by the same command."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from jobs_lists import CREDENTIALS, write_list

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running
from pipeline.schema import TABLES

if TYPE_CHECKING:
    from pathlib import Path

PEOPLE = [
    *(f"person{n}@example.com" for n in range(400)),
    *(f"not-found.{n}@example.com" for n in range(30)),
    *(f"new-keys.{n}@example.com" for n in range(30)),
    "PERSON7@example.com",
    "no address",
]
TIMES = ["fetched_at", "answered_at", "attempts"]
CONCURRENCY = 8
RATE = 300


def begun(sandbox: RunningSandbox, people: Path, out: Path) -> subprocess.Popen[bytes]:
    """The run, at some 300 calls a second."""
    words = ["run", people, "--out", out, "--api-url", sandbox.url, "--rate", RATE, "--concurrency", CONCURRENCY, "-q"]
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *map(str, words)],
        env={**os.environ, **{f"KARTRA_{key.upper()}": value for key, value in CREDENTIALS.items()}},
    )


def tables(out: Path) -> dict[str, pd.DataFrame]:
    """Every table of the newest run, without times."""
    frames = {table.name: pd.read_parquet(out / "latest" / f"{table.name}.parquet") for table in TABLES}
    return {name: frame.drop(columns=TIMES, errors="ignore") for name, frame in frames.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, pd.DataFrame], float]:
    """The tables of a run that nobody disturbed, and the seconds it took on this machine."""
    folder, before = tmp_path_factory.mktemp("undisturbed"), time.monotonic()
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        assert begun(sandbox, write_list(folder / "people.txt", PEOPLE), folder / "out").wait(60) == 0
    return tables(folder / "out"), time.monotonic() - before


def run_until_done(sandbox: RunningSandbox, people: Path, out: Path, *, dice: random.Random, duration_s: float) -> int:
    """Begin the run, kill it at a random moment, begin it again, until it is published; how often it was killed.

    A run takes `duration_s` where nobody disturbs it; the moments lie between its first calls and shortly before its end.
    """
    kills = 0
    while not (out / "latest").exists():
        run = begun(sandbox, people, out)
        try:
            assert run.wait(duration_s * dice.uniform(0.35, 0.9)) == 0
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            kills += 1
    return kills


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    undisturbed: tuple[dict[str, pd.DataFrame], float], tmp_path: Path, seed: int
) -> None:
    """After kills at random moments the tables are the same; asked twice is only what was in flight or unwritten."""
    expected, duration_s = undisturbed
    people, out = write_list(tmp_path / "people.txt", PEOPLE), tmp_path / "out"
    with running(SandboxOptions(limit_per_s=0, latency_ms=5)) as sandbox:
        kills = run_until_done(sandbox, people, out, dice=random.Random(seed), duration_s=duration_s)
        twice = sandbox.stats()["answered_twice_or_more"]
    assert kills > 0
    assert twice <= kills * (CONCURRENCY + RATE * 0.25)
    for name, table in tables(out).items():
        pd.testing.assert_frame_equal(table, expected[name])

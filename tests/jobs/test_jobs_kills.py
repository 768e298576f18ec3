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
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The tables of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        assert begun(sandbox, write_list(folder / "people.txt", PEOPLE), folder / "out").wait(60) == 0
    return tables(folder / "out")


def killed(run: subprocess.Popen[bytes], sandbox: RunningSandbox, *, answered: int, later_s: float) -> bool:
    """Kill a run some time after the sandbox has given so many answers; False if it was done before."""
    while run.poll() is None and sandbox.stats()["answered"] < answered:
        time.sleep(0.005)
    try:
        run.wait(later_s)
    except subprocess.TimeoutExpired:
        run.kill()
        run.wait()
        return True
    return False


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    undisturbed: dict[str, pd.DataFrame], tmp_path: Path, seed: int
) -> None:
    """After kills while asking and while publishing the tables are the same; hardly anything is asked twice."""
    dice, kills = random.Random(seed), 0
    people, out = write_list(tmp_path / "people.txt", PEOPLE), tmp_path / "out"
    moments = [dice.randint(1, 150), dice.randint(150, 300), dice.randint(300, 440), 460, 460]
    with running(SandboxOptions(limit_per_s=0, latency_ms=5)) as sandbox:
        for answered in moments:
            later_s = dice.uniform(0.001, 0.5) if answered == 460 else 0.001
            kills += killed(begun(sandbox, people, out), sandbox, answered=answered, later_s=later_s)
            if (out / "latest").exists():
                break
        else:
            assert begun(sandbox, people, out).wait(60) == 0
        twice = sandbox.stats()["answered_twice_or_more"]
    assert kills >= 3
    assert twice <= kills * (CONCURRENCY + RATE * 0.25)
    for name, table in tables(out).items():
        pd.testing.assert_frame_equal(table, undisturbed[name])

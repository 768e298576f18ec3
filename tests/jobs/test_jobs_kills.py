"""Runs that are killed again and again, and resumed by the same command."""

from __future__ import annotations

import json
import random
import signal
import threading
from hashlib import sha256
from typing import TYPE_CHECKING, Self

import pandas as pd
import pytest
from cli_command import REPORTS
from jobs_lists import write_list
from killed_jobs import CONCURRENCY, RATE, Job

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import running
from pipeline.schema import TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from preloaded import Preloaded

PEOPLE = [
    *(f"person{n}@example.com" for n in range(400)),
    *(f"not-found.{n}@example.com" for n in range(30)),
    *(f"new-keys.{n}@example.com" for n in range(30)),
    "PERSON7@example.com",
    "no address",
]
TIMES = ["fetched_at", "answered_at", "attempts", "seen_before", "seen_at", "since_run"]


READING = r"\.lead-export/(lock$|.*\.journal)|people\.txt$"
STAGING = r"\.staging/"
PUBLISHING = r"(mkdir|open|rename) .*\.staging$"
SWITCHING = r"\.link$"
TIDYING = r"remove .*\.journal"


def tables(run: Path) -> dict[str, pd.DataFrame]:
    """Every table of a run, without times."""
    frames = {table.name: pd.read_parquet(run / f"{table.name}.parquet") for table in TABLES}
    return {name: frame.drop(columns=TIMES, errors="ignore") for name, frame in frames.items()}


@pytest.fixture(scope="module")
def undisturbed(process: Preloaded, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The tables of a run that nobody disturbed, after one of three people."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        job = Job(process, sandbox, folder / "out")
        for emails in (PEOPLE[:3], PEOPLE):
            assert job.begun(write_list(folder / "people.txt", emails)).wait() == 0
    return tables(folder / "out" / "latest")


class Reader(threading.Thread):
    """Somebody who reads `latest` all the time, and notes whatever is not whole."""

    def __init__(self, out: Path) -> None:
        super().__init__()
        self._latest = out / "latest"
        self._done = threading.Event()
        self.seen: set[str] = set()
        self.trouble: list[str] = []

    def run(self) -> None:
        """Check again and again."""
        while not self._done.wait(0.005):
            try:
                self._check(self._latest.resolve(strict=True))
            except (OSError, ValueError, KeyError) as error:
                self.trouble.append(repr(error))

    def _check(self, run: Path) -> None:
        manifest = json.loads((run / "manifest.json").read_bytes())
        files = [file for table in manifest["tables"].values() for file in table["files"]]
        damaged = [f["name"] for f in files if sha256((run / f["name"]).read_bytes()).hexdigest() != f["sha256"]]
        self.trouble += damaged
        self.seen.add(run.name)

    def __enter__(self) -> Self:
        """Begin."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End."""
        self._done.set()
        self.join()


Moment = tuple[object, ...]
"""When to kill a run: before a step (a pattern, and a number), or, if it is one number, after that many answers."""
DICE = random.Random(1)
WHILE_ASKING: list[Moment] = [
    *((READING, DICE.randint(1, 8)) for _ in range(3)),
    *((number,) for number in sorted(DICE.sample(range(1, 455), 5))),
]
WHILE_WRITING: list[Moment] = [
    *((STAGING, DICE.randint(1, 26)) for _ in range(5)),
    *((PUBLISHING, number) for number in (DICE.randint(1, 2), 3)),
    *((SWITCHING, number) for number in (1, 2, 3)),
    (TIDYING, DICE.randint(1, 3)),
]


@pytest.mark.parametrize("chain", [WHILE_ASKING, WHILE_WRITING], ids=["asking", "writing"])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    undisturbed: dict[str, pd.DataFrame], process: Preloaded, tmp_path: Path, chain: list[Moment]
) -> None:
    """Killed 8 or 11 times: the same tables, only calls in flight repeated, `latest` always complete.

    Once its run is published, the same command is that of the next night: it tidies up and asks everybody again.
    """
    people, three = write_list(tmp_path / "people.txt", PEOPLE), write_list(tmp_path / "three.txt", PEOPLE[:3])
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        job = Job(process, sandbox, tmp_path / "out")
        assert job.begun(three).wait() == 0
        sandbox.control(reset_stats=True, latency_ms=5)
        with Reader(job.out) as reader:
            for moment in chain:
                if len(moment) == 1:
                    job.killed_while_asking(people, int(str(moment[0])))
                else:
                    assert job.begun(people, *moment).wait() == -signal.SIGKILL, moment
            before, killed = sandbox.stats(), (job.out / "latest").resolve()
            assert job.begun(people).wait() == 0
        after = sandbox.stats()
    is_published = chain is WHILE_WRITING  # by the run that was killed last
    asking = sum(len(moment) == 1 for moment in chain)
    assert (len(chain), asking) == ((11, 0) if is_published else (8, 5))
    assert (after["asked"], after["answered"] - before["answered"] == 460) == (460, is_published)
    assert (before if is_published else after)["answered_twice_or_more"] <= asking * (CONCURRENCY + RATE * 0.25)
    assert (reader.trouble, len(reader.seen)) == ([], 3 if is_published else 2)
    assert {path.name for path in (job.out / ".lead-export").iterdir()} - REPORTS == {"lock"}
    for number, run in enumerate((killed, job.out / "latest") if is_published else (job.out / "latest",)):
        found = tables(run)
        # Those who joined are news once; the run after that has the same people.
        assert bool(len(found["changes"])) == (number == 0)
        for name, table in found.items():
            if number == 0 or name != "changes":
                pd.testing.assert_frame_equal(table, undisturbed[name])

"""Runs that are killed again and again, and resumed by the same command."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Self

import pandas as pd
import pytest
from cli_command import REPORTS
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


# Counts what the process does to files, and kills it without warning right before the chosen one of these steps.
KILLED_AT = """
import os, re, signal, sys
pattern, at = re.compile(sys.argv.pop(1)), int(sys.argv.pop(1))
seen = 0
def hook(event, arguments):
    global seen
    if event in ("open", "os.mkdir", "os.remove", "os.rename", "os.symlink", "shutil.rmtree", "sqlite3.connect"):
        if any(isinstance(word, (str, os.PathLike)) and pattern.search(f"{event} {word}") for word in arguments):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
from pipeline.cli.main import main
main()
"""
READING = r"\.lead-export/(lock$|.*\.journal)|people\.txt$"
STAGING = r"\.staging/"
PUBLISHING = r"(mkdir|open|rename) .*\.staging$"
SWITCHING = r"\.link$"
TIDYING = r"remove .*\.journal"


def begun(sandbox: RunningSandbox, people: Path, out: Path, *kill: object) -> subprocess.Popen[bytes]:
    """The run, at some 300 calls a second; with a pattern and a number it is killed before that step."""
    words = ["run", people, "--out", out, "--api-url", sandbox.url, "--rate", RATE, "--concurrency", CONCURRENCY, "-q"]
    program = ["-c", KILLED_AT, *kill] if kill else ["-m", "pipeline"]
    return subprocess.Popen(
        [sys.executable, *map(str, [*program, *words])],
        env={**os.environ, **{f"KARTRA_{key.upper()}": value for key, value in CREDENTIALS.items()}},
    )


def tables(run: Path) -> dict[str, pd.DataFrame]:
    """Every table of a run, without times."""
    frames = {table.name: pd.read_parquet(run / f"{table.name}.parquet") for table in TABLES}
    return {name: frame.drop(columns=TIMES, errors="ignore") for name, frame in frames.items()}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    """The tables of a run that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        assert begun(sandbox, write_list(folder / "people.txt", PEOPLE), folder / "out").wait(60) == 0
    return tables(folder / "out" / "latest")


def killed_while_asking(sandbox: RunningSandbox, run: subprocess.Popen[bytes], answered: int) -> None:
    """Kill a run as soon as the sandbox has given that many answers."""
    while sandbox.stats()["answered"] < answered:
        assert run.poll() is None
        time.sleep(0.005)
    run.kill()
    run.wait()


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


def moments(dice: random.Random) -> list[tuple[object, ...]]:
    """When to kill each run: before a step, or, if it is a single number, after that many answers."""
    return [
        *((READING, dice.randint(1, 8)) for _ in range(3)),
        *((number,) for number in sorted(dice.sample(range(1, 455), 5))),
        *((STAGING, dice.randint(1, 26)) for _ in range(5)),
        *((PUBLISHING, number) for number in (dice.randint(1, 2), 3)),
        *((SWITCHING, number) for number in (1, 2, 3)),
        (TIDYING, dice.randint(1, 3)),
    ]


@pytest.mark.parametrize("seed", [1])
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(
    undisturbed: dict[str, pd.DataFrame], tmp_path: Path, seed: int
) -> None:
    """Killed 19 times, in every phase: the same tables, only calls in flight repeated, `latest` always complete.

    Once its run is published, the same command is that of the next night: it tidies up and asks everybody again.
    """
    people, out = write_list(tmp_path / "people.txt", PEOPLE), tmp_path / "out"
    before = write_list(tmp_path / "before.txt", PEOPLE[:3])
    chain = moments(random.Random(seed))
    with running(SandboxOptions(limit_per_s=0)) as sandbox:
        assert begun(sandbox, before, out).wait(60) == 0
        sandbox.control(reset_stats=True, latency_ms=5)
        with Reader(out) as reader:
            for moment in chain:
                if len(moment) == 1:
                    killed_while_asking(sandbox, begun(sandbox, people, out), int(str(moment[0])))
                else:
                    assert begun(sandbox, people, out, *moment).wait(60) == -signal.SIGKILL, moment
            twice, answered = sandbox.stats()["answered_twice_or_more"], sandbox.stats()["answered"]
            killed = (out / "latest").resolve()
            assert begun(sandbox, people, out).wait(60) == 0
        asked, again = sandbox.stats()["asked"], sandbox.stats()["answered"] - answered
    asking = sum(len(moment) == 1 for moment in chain)
    assert (len(chain), asking, asked, again) == (19, 5, 460, 460)
    assert twice <= asking * (CONCURRENCY + RATE * 0.25)
    assert (reader.trouble, len(reader.seen)) == ([], 3)
    assert {path.name for path in (out / ".lead-export").iterdir()} - REPORTS == {"lock"}
    for run in (killed, out / "latest"):
        for name, table in tables(run).items():
            pd.testing.assert_frame_equal(table, undisturbed[name])

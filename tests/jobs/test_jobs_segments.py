"""Batches of answers to tables, by one process or by several."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pipeline.jobs.segments import MOST_WORKERS, WORTH_A_WORKER, gather_all, workers_for
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator


def batches(count: int, size: int = 5) -> Iterator[list[Answer]]:
    """Batches of answers, the last of each of them not found."""
    for number in range(count):
        names = [f"p{number}.{n}@example.com" for n in range(size)]
        body = '{"status":"Success","lead_details":{"id":"7","email":"%s","new":"x","tags":[{"tag_name":"t"}]}}'
        yield [
            Answer(
                name,
                Outcome.FOUND if n < size - 1 else Outcome.NOT_FOUND,
                answered_at_ms=1,
                body=(body % name).encode(),
            )
            for n, name in enumerate(names)
        ]


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_tables_come_in_order_whoever_makes_them(workers: int) -> None:
    """Each batch with its own tables: only what was found, in the order of the answers, drift counted."""
    expected = list(batches(12))
    seen = list(gather_all(iter(expected), timezone="EST", workers=workers))
    assert [batch for batch, _ in seen] == expected
    for batch, gathered in seen:
        assert gathered.tables["leads"].column("requested_email").to_pylist() == [a.email for a in batch[:-1]]
        assert gathered.tables["tags"].num_rows == len(gathered.parents["tags"]) == len(batch) - 1
        assert gathered.drift.unknown_keys == {"leads.new": len(batch) - 1}
        assert str(gathered.tables["leads"].schema.field("date_joined").type) == "timestamp[s, tz=UTC]"


def children() -> list[int]:
    """The workers that this process has started and that still run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = re.search(r"^PPid:\s+(\d+)$", (process / "status").read_text(), re.MULTILINE)
            ours = b"pipeline.jobs.segments" in (process / "cmdline").read_bytes()
            if ours and parent and int(parent[1]) == os.getpid():
                found.append(int(process.name))
    return found


def test_a_worker_that_is_killed_does_not_stop_the_job() -> None:
    """Its batches are made here instead, and no process is left over."""
    made = gather_all(batches(20), timezone=None, workers=2)
    rows = next(made)[1].tables["leads"].num_rows
    for pid in children():
        os.kill(pid, signal.SIGKILL)
    assert rows + sum(gathered.tables["leads"].num_rows for _, gathered in made) == 80
    assert children() == []


def test_workers_end_when_nobody_takes_their_tables() -> None:
    """A job that stops halfway leaves no process behind."""
    made = gather_all(batches(20), timezone=None, workers=2)
    next(made)
    assert len(children()) == 2
    made.close()  # type: ignore[attr-defined]  # it is a generator
    assert children() == []


ORPHAN = """
import os, signal, sys
from pipeline.jobs.segments import gather_all
sys.path.insert(0, sys.argv[1])
from test_jobs_segments import batches, children
made = gather_all(batches(20), timezone=None, workers=1)
next(made)
print(*children(), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_their_parent() -> None:
    """Even if that is killed: their input ends."""
    words = [sys.executable, "-c", ORPHAN, str(Path(__file__).parent)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL
    worker = int(done.stdout)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{worker}/cmdline").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{worker}/cmdline").exists()


def test_few_answers_are_not_worth_a_worker() -> None:
    """Starting one takes longer than so few tables; never more than there are cores."""
    cores = len(os.sched_getaffinity(0))
    assert workers_for(0) == workers_for(WORTH_A_WORKER - 1) == 0
    assert workers_for(1_000 * WORTH_A_WORKER) == (min(cores, MOST_WORKERS) if cores > 1 else 0)


ELSEWHERE = """
from pipeline.jobs.segments import gather_all
from pipeline.sandbox.process import running
from test_jobs_segments import batches
with running():
    print(sum(gathered.tables["leads"].num_rows for _, gathered in gather_all(batches(3), timezone=None, workers=1)))
"""


def test_nothing_is_loaded_from_where_one_stands(tmp_path: Path) -> None:
    """A folder of the same name in the current one, which may be anybody's, is not run by workers or the sandbox."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("import pathlib\npathlib.Path('loaded').touch()\n")
    program = f"import sys; sys.path.append({str(Path(__file__).parent)!r})\n{ELSEWHERE}"
    words = [sys.executable, "-P", "-c", program]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("12\n", "")
    assert not (tmp_path / "loaded").exists()

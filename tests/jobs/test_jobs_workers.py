"""Work in pieces, by one process or by several."""

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

from pipeline.errors import InternalError, StorageError
from pipeline.files.parquet import ParquetFile
from pipeline.files.published import PublishedAnswers
from pipeline.jobs.segments import LeadSegments, OutcomeSegments
from pipeline.jobs.workers import MOST_WORKERS, WORTH_A_WORKER, crew, workers_for
from pipeline.journal.records import ListRow
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome
from pipeline.tables.records import reply_table

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 5


def answers(segments: int) -> Iterator[Answer]:
    """Five answers for each segment, the last of each not found."""
    body = '{"status":"Success","lead_details":{"id":"7","email":"%s","new":"x","tags":[{"tag_name":"t"}]}}'
    for number in range(segments * SIZE):
        name = f"p{number}@example.com"
        outcome = Outcome.NOT_FOUND if number % SIZE == SIZE - 1 else Outcome.FOUND
        yield Answer(name, outcome, answered_at_ms=1, body=(body % name).encode())


def kept(folder: Path, segments: int = 20, group: int = 7) -> LeadSegments:
    """Work on answers that lie in a file, with row groups that are no segments."""
    path = folder / "replies.parquet"
    table = reply_table(list(answers(segments)))
    with ParquetFile(path, table.schema) as file:
        for start in range(0, len(table), group):
            file.write(table.slice(start, group))
    return LeadSegments(PublishedAnswers(path, len(table)), SIZE, "EST", replies=True)


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_tables_come_in_order_whoever_makes_them(
    tmp_path: Path, workers: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Each segment with its own tables: only what was found, in the order of the answers, drift counted."""
    expected = list(answers(12))
    with crew(workers) as ours:
        made = list(ours.do(kept(tmp_path, 12)))
    assert caplog.messages == []
    assert len(made) == 12
    for number, segment in enumerate(made):
        mine = [answer.email for answer in expected[number * SIZE : (number + 1) * SIZE]]
        assert segment.tables["replies"].column("email").to_pylist() == mine
        assert segment.tables["leads"].column("requested_email").to_pylist() == mine[:-1]
        assert segment.tables["tags"].column("email").to_pylist() == mine[:-1]
        assert segment.drift.unknown_keys == {"leads.new": SIZE - 1}
        assert str(segment.tables["leads"].schema.field("date_joined").type) == "timestamp[s, tz=UTC]"


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_is_the_same_whoever_meets_it(tmp_path: Path, workers: int) -> None:
    """Answers that cannot be read, or that are missing, end the job with the sentence that says so."""
    work = kept(tmp_path)
    missing = LeadSegments(PublishedAnswers(work.answers.path, 101), SIZE, None, replies=True)  # type: ignore[attr-defined]
    with crew(workers) as ours:
        with pytest.raises(InternalError, match="1 records were to be read, and 0 are there"):
            list(ours.do(missing))
        (tmp_path / "replies.parquet").write_bytes(b"no table")
        with pytest.raises(StorageError, match=r"replies\.parquet: "):
            list(ours.do(work))
    assert children() == []


def children() -> list[int]:
    """The workers that this process has started and that still run."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parent = re.search(r"^PPid:\s+(\d+)$", (process / "status").read_text(), re.MULTILINE)
            ours = b"pipeline.jobs.workers" in (process / "cmdline").read_bytes()
            if ours and parent and int(parent[1]) == os.getpid():
                found.append(int(process.name))
    return found


def test_a_worker_that_is_killed_does_not_stop_the_job(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Its segments are made here instead, which is said once for each, and no process is left over."""
    with crew(2) as ours:
        made = ours.do(kept(tmp_path))
        rows = next(made).tables["leads"].num_rows
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        assert rows + sum(segment.tables["leads"].num_rows for segment in made) == 80
    assert children() == []
    assert 1 <= len(caplog.messages) <= 2
    assert caplog.messages[0] == "A worker process was ended by signal 9; its work is done without it."


NOISE = "import sys\nprint('hello', flush=True)\nprint('there', file=sys.stderr, flush=True)\n"


def test_what_a_worker_prints_is_no_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody's start-up file that says hello costs a worker, and neither a result nor the job."""
    (tmp_path / "sitecustomize.py").write_text(NOISE)
    work = kept(tmp_path, 300)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with crew(1) as ours:
        assert sum(segment.tables["leads"].num_rows for segment in ours.do(work)) == 1_200
    assert caplog.messages == ["A worker process gave no usable result; its work is done without it."]
    assert children() == []


def stop_over_a_frozen_worker(work: LeadSegments) -> None:
    """Begin, have the worker hang, and press Ctrl-C."""
    with crew(1) as ours:
        next(ours.do(work))
        for pid in children():
            os.kill(pid, signal.SIGSTOP)
        raise KeyboardInterrupt


def test_a_worker_that_hangs_does_not_hold_up_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Frozen by its disk, say: whoever stops the job, by Ctrl-C or an error, is not made to wait for it."""
    with pytest.raises(KeyboardInterrupt):
        stop_over_a_frozen_worker(kept(tmp_path))
    assert children() == []
    assert caplog.messages == []


def test_as_many_workers_as_can_be_started_do_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """None, where this Python cannot be started once more; it is said, and the work is done."""
    work = kept(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with crew(2) as ours:
        assert sum(segment.tables["leads"].num_rows for segment in ours.do(work)) == 80
    assert caplog.messages == ["No more than 0 of 2 workers could be started (No such file or directory)."]


async def test_workers_read_a_journal_that_is_open(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Answers, and the rows of the lists, as the process has them that writes the journal."""
    given = list(answers(3))
    with Journal.create(tmp_path / "a.journal") as journal:
        journal.add_list("a.csv", [ListRow(one.email, one.email, one.email) for one in given], sha256=str)
        for place, one in enumerate(given, 1):
            await journal.append(place, one)
        await journal.flush()
        leads = LeadSegments(journal.answers(), SIZE, None, replies=True)
        outcomes = OutcomeSegments(journal.rows(), 4)
        with crew(2) as ours:
            replies = [row for made in ours.do(leads) for row in made.tables["replies"].to_pylist()]
            rows = [row for made in ours.do(outcomes) for row in made.tables["outcomes"].to_pylist()]
    assert [(row["email"], row["body"]) for row in replies] == [(one.email, one.body) for one in given]
    assert [(row["email"], row["outcome"]) for row in rows] == [(one.email, one.outcome) for one in given]
    assert caplog.messages == []


def test_workers_end_when_nobody_takes_their_tables(tmp_path: Path) -> None:
    """A job that stops halfway leaves no process behind."""
    with crew(2) as ours:
        next(ours.do(kept(tmp_path)))
        assert len(children()) == 2
    assert children() == []


ORPHAN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from pipeline.jobs.workers import crew
from test_jobs_workers import children, kept
with crew(1) as ours:
    next(ours.do(kept(Path(sys.argv[2]))))
    print(*children(), flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_workers_end_with_their_parent(tmp_path: Path) -> None:
    """Even if that is killed: their input ends."""
    words = [sys.executable, "-c", ORPHAN, str(Path(__file__).parent), str(tmp_path)]
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
import sys
from pathlib import Path
from pipeline.jobs.workers import crew
from pipeline.sandbox.process import running
from test_jobs_workers import kept
with running(), crew(1) as ours:
    print(sum(segment.tables["leads"].num_rows for segment in ours.do(kept(Path(sys.argv[1]), 3))))
"""


def test_nothing_is_loaded_from_where_one_stands(tmp_path: Path) -> None:
    """A folder of the same name in the current one, which may be anybody's, is not run by workers or the sandbox."""
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "__init__.py").write_text("import pathlib\npathlib.Path('loaded').touch()\n")
    program = f"import sys; sys.path.append({str(Path(__file__).parent)!r})\n{ELSEWHERE}"
    words = [sys.executable, "-P", "-c", program, str(tmp_path)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("12\n", "")
    assert not (tmp_path / "loaded").exists()

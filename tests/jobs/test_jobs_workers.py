"""Tables in batches, built in this process or by workers, and how many workers are started."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from pipeline.errors import InternalError, StorageError
from pipeline.files.formats.parquet import ParquetWriter
from pipeline.files.output_format import WriteOptions
from pipeline.files.published import PublishedRecords
from pipeline.jobs.batches import LeadBatches, OutcomeBatches
from pipeline.jobs.workers import (
    ANSWERS_PER_WORKER,
    MAX_WORKERS,
    RESERVED_BYTES,
    WORKER_BYTES,
    WorkerPool,
    automatic_count,
    available_memory,
    count_for,
    open_pool,
)
from pipeline.journal.records import ListRow
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome
from pipeline.settings import Settings
from pipeline.tables.frames import reply_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.jobs.batches import Batch

SIZE = 5
MIB = 1024**2
HERE = str(Path(__file__).parent)
SHARED: set[int] = set()
"""The workers of `shared`."""


def answers(batches: int) -> Iterator[Answer]:
    """Five answers for each batch, the last of each not found."""
    body = '{"status":"Success","lead_details":{"id":"7","email":"%s","new":"x","tags":[{"tag_name":"t"}]}}'
    for number in range(batches * SIZE):
        email = f"p{number}@example.com"
        outcome = Outcome.NOT_FOUND if number % SIZE == SIZE - 1 else Outcome.FOUND
        yield Answer(email, outcome, answered_at_ms=1, body=(body % email).encode())


def published(folder: Path, batches: int = 20, group: int = 7) -> LeadBatches:
    """Batches of answers in a file whose row groups do not coincide with batches."""
    path = folder / "replies.parquet"
    frame = reply_frame(list(answers(batches)))
    with ParquetWriter(path, frame.head(0), WriteOptions()) as file:
        for start in range(0, len(frame), group):
            file.write(frame.iloc[start : start + group])
    return LeadBatches(PublishedRecords(path, len(frame), Answer), SIZE, "EST", replies=True)


def build_all(pool: WorkerPool, work: LeadBatches | OutcomeBatches) -> Iterator[Batch]:
    """Every batch, in order."""
    return pool.map(work.build, range(work.count))


def leads(batches: Iterator[Batch]) -> int:
    """How many leads these batches have."""
    return sum(len(batch.tables["leads"]) for batch in batches)


def workers() -> list[int]:
    """The worker processes of this process that are running, but for those that are shared."""
    running = (child.pid for child in multiprocessing.active_children())
    return [pid for pid in running if pid is not None and pid not in SHARED]


@pytest.fixture(scope="module")
def shared() -> Iterator[WorkerPool]:
    """Two workers for whatever does not end them."""
    with open_pool(Settings(workers=2), 100) as pool:
        SHARED.update(workers())
        yield pool
    SHARED.clear()


def wait_until_gone(pid: int) -> bool:
    """Whether a process ends within some seconds."""
    deadline = time.monotonic() + 10
    while (gone := not is_running(pid)) is False and time.monotonic() < deadline:
        time.sleep(0.05)
    return gone


def is_running(pid: int) -> bool:
    """Whether there is such a process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_worker_costs_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Batches that have no result yet are built in this process, whether in this call or a later one."""
    work = published(tmp_path)
    with open_pool(Settings(workers=2), 100) as pool:
        built = build_all(pool, work)
        first = len(next(built).tables["leads"])
        os.kill(workers()[0], signal.SIGKILL)
        assert first + leads(built) == 80
        assert leads(build_all(pool, work)) == 80
    assert workers() == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_workers_that_cannot_start_cost_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Everything is built in this process instead."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with open_pool(Settings(workers=2), 100) as pool:
        assert leads(build_all(pool, published(tmp_path))) == 80
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def stop_with_a_frozen_worker(work: LeadBatches) -> None:
    """Start, freeze the workers, and press Ctrl-C."""
    with open_pool(Settings(workers=2), 100) as pool:
        next(build_all(pool, work))
        for pid in workers():
            os.kill(pid, signal.SIGSTOP)
        raise KeyboardInterrupt


def test_a_hanging_worker_does_not_delay_a_stop(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever stops the job kills the workers at once."""
    with pytest.raises(KeyboardInterrupt):
        stop_with_a_frozen_worker(published(tmp_path))
    assert workers() == []
    assert caplog.messages == []


def test_workers_end_when_their_results_are_not_wanted(tmp_path: Path) -> None:
    """A block that ends halfway leaves no process behind."""
    with open_pool(Settings(workers=2), 100) as pool:
        next(build_all(pool, published(tmp_path)))
        assert len(workers()) == 2
    assert workers() == []


def test_any_executor_will_do() -> None:
    """Results of another executor come in order too, and no more calls are submitted than may be in flight."""
    submitted: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(50):
            submitted.append(number)
            yield number

    with ThreadPoolExecutor(2) as executor:
        squares = WorkerPool(executor, 3).map(partial(pow, exp=2), numbers())
        assert [next(squares), next(squares)] == [0, 1]
        assert submitted == [0, 1, 2, 3, 4]
        assert list(squares) == [n * n for n in range(2, 50)]


SCRIPT = """
import os, signal, sys, time
from pathlib import Path
sys.path.append({here!r})
from pipeline.jobs.workers import open_pool
from pipeline.settings import Settings
from test_jobs_workers import build_all, leads, published, workers
print("started", flush=True)
with open_pool(Settings(workers=2), 100) as pool:
    batches = build_all(pool, published(Path({folder!r})))
    rows = len(next(batches).tables["leads"])
    {then}
"""


def script(folder: Path, then: str) -> Path:
    """A script without a `__main__` guard that has workers build a batch, and then something else."""
    path = folder / "script.py"
    path.write_text(SCRIPT.format(here=HERE, folder=str(folder), then=then))
    return path


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    """They notice that it is gone, whatever they are doing."""
    then = "print(*workers(), flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    with (tmp_path / "out").open("w+") as out:  # not a pipe, which would be open for as long as a worker lives
        done = subprocess.run([sys.executable, str(script(tmp_path, then))], stdout=out, stderr=out, check=False)
        out.seek(0)
        pids = [int(word) for word in out.readlines()[1].split()]
    assert done.returncode == -signal.SIGKILL
    assert len(pids) == 2
    assert all(wait_until_gone(pid) for pid in pids)


def test_a_script_without_a_guard_runs_once_and_imports_nothing_from_the_current_folder(tmp_path: Path) -> None:
    """Workers neither run the script again nor load modules that happen to lie where it was started."""
    current = tmp_path / "current"
    current.mkdir()
    for name in ("pipeline.py", "loky.py", "multiprocessing.py", "argparse.py"):
        (current / name).write_text("import pathlib\npathlib.Path('imported').touch()\n")
    words = [sys.executable, str(script(tmp_path, "print(rows + leads(batches))"))]
    done = subprocess.run(words, cwd=current, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("started\n80\n", "")
    assert not (current / "imported").exists()


def test_ctrl_c_prints_no_tracebacks_of_workers(tmp_path: Path) -> None:
    """The signal goes to all processes of the terminal; only the parent's own traceback is printed."""
    words = [sys.executable, str(script(tmp_path, "print('ready', flush=True); time.sleep(60)"))]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["started\n", "ready\n"]
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=30)
    assert output == ""
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")


@pytest.mark.parametrize(
    ("answers", "cores", "memory", "count"),
    [
        (10_000_000, 2, None, 2),
        (10_000_000, 64, None, MAX_WORKERS),
        (10_000_000, 1, None, 0),
        (2 * ANSWERS_PER_WORKER - 1, 4, None, 0),
        (3 * ANSWERS_PER_WORKER, 4, None, 3),
        (10_000_000, 4, 512 * MIB, 0),
        (10_000_000, 4, RESERVED_BYTES + 2 * WORKER_BYTES - 1, 0),
        (10_000_000, 4, RESERVED_BYTES + 2 * WORKER_BYTES, 2),
        (10_000_000, 4, 0, 0),
    ],
)
def test_workers_are_started_where_cores_memory_and_answers_allow(
    answers: int, cores: int, memory: int | None, count: int
) -> None:
    """The scarcest of the three decides; a single worker is not worth starting."""
    assert count_for(answers, cores, memory) == count


def test_a_small_job_starts_no_workers() -> None:
    """Whatever the machine."""
    assert automatic_count(0) == automatic_count(2 * ANSWERS_PER_WORKER - 1) == 0


def machine(folder: Path, groups: str, files: dict[str, str], *, available_kib: int = 8_000_000) -> Path:
    """A root folder of a machine with so much memory, and control groups with these files."""
    meminfo = f"MemTotal:       16000000 kB\nMemAvailable:   {available_kib} kB\nHugePages_Total:       0\n"
    for name, content in {"proc/meminfo": meminfo, "proc/self/cgroup": groups, **files}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


V1 = "12:cpu,cpuacct:/user\n4:memory:/docker/f00\n1:name=systemd:/docker/f00\n"
UNLIMITED_V1 = "9223372036854771712\n"


@pytest.mark.parametrize(
    ("groups", "files", "available"),
    [
        pytest.param("0::/\n", {}, 8_000_000 * 1024, id="no limit"),
        pytest.param("0::/\n", {"memory.max": "max\n", "memory.current": "5\n"}, 8_000_000 * 1024, id="v2, unlimited"),
        pytest.param(
            "0::/\n",
            {"memory.max": f"{512 * MIB}\n", "memory.current": f"{200 * MIB}\n", "memory.stat": "anon 5\n"},
            312 * MIB,
            id="v2, in a container",
        ),
        pytest.param(
            "0::/a/b\n",
            {
                "a/memory.max": f"{400 * MIB}",
                "a/memory.current": f"{300 * MIB}",
                "a/memory.stat": f"anon 7\ninactive_file {50 * MIB}\n",
                "a/b/memory.max": "max",
                "a/b/memory.current": "9",
            },
            150 * MIB,
            id="v2, limit of a group above, with reclaimable pages",
        ),
        pytest.param(
            V1,
            {
                "memory/docker/f00/memory.limit_in_bytes": f"{900 * MIB}\n",
                "memory/docker/f00/memory.usage_in_bytes": f"{500 * MIB}\n",
                "memory/docker/f00/memory.stat": f"inactive_file 1\ntotal_inactive_file {100 * MIB}\n",
                "memory/memory.limit_in_bytes": UNLIMITED_V1,
                "memory/memory.usage_in_bytes": "1\n",
            },
            500 * MIB,
            id="v1",
        ),
        pytest.param(
            V1,
            {
                "memory/memory.limit_in_bytes": f"{512 * MIB}\n",
                "memory/memory.usage_in_bytes": f"{600 * MIB}\n",
            },
            0,
            id="v1, in a container that sees only its own group, overdrawn",
        ),
    ],
)
def test_available_memory_is_what_the_tightest_limit_allows(
    tmp_path: Path, groups: str, files: dict[str, str], available: int
) -> None:
    """The machine's, and that of every control group above the process, of either version."""
    root = machine(tmp_path, groups, {f"sys/fs/cgroup/{name}": content for name, content in files.items()})
    assert available_memory(root) == available


def test_available_memory_may_be_unknown(tmp_path: Path) -> None:
    """Without /proc, as on macOS, cores and answers alone decide."""
    assert available_memory(tmp_path) is None


# With workers that are shared.


@pytest.fixture(params=[1, 2])
def pool(request: pytest.FixtureRequest) -> Iterator[WorkerPool]:
    """A pool that works in this process, or with two workers."""
    if request.param == 2:
        pool: WorkerPool = request.getfixturevalue("shared")
        yield pool
        assert (len(SHARED), workers()) == (2, [])
        return
    with open_pool(Settings(workers=1), 100) as pool:
        yield pool
        assert workers() == []


def test_batches_are_in_order_whichever_process_builds_them(
    pool: WorkerPool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Each batch has the rows of its own answers: only what was found, with drift counted."""
    expected = list(answers(12))
    built = list(build_all(pool, published(tmp_path, 12)))
    assert caplog.messages == []
    assert len(built) == 12
    for number, batch in enumerate(built):
        emails = [answer.email for answer in expected[number * SIZE : (number + 1) * SIZE]]
        assert batch.tables["replies"]["email"].tolist() == emails
        assert batch.tables["leads"]["requested_email"].tolist() == emails[:-1]
        assert batch.tables["tags"]["email"].tolist() == emails[:-1]
        assert batch.drift.unknown_keys == {"leads.new": SIZE - 1}
        assert str(batch.tables["leads"]["date_joined"].dtype) == "timestamp[s, tz=UTC][pyarrow]"


def test_errors_are_the_same_whichever_process_meets_them(pool: WorkerPool, tmp_path: Path) -> None:
    """Missing or unreadable answers raise the same exception with the same message."""
    work = published(tmp_path)
    missing = LeadBatches(PublishedRecords(tmp_path / "replies.parquet", 101, Answer), SIZE, None, replies=True)
    with pytest.raises(InternalError, match=r"\b1 .* 0\b"):
        list(build_all(pool, missing))
    (tmp_path / "replies.parquet").write_bytes(b"no table")
    with pytest.raises(StorageError, match=r"replies\.parquet"):
        list(build_all(pool, work))


async def test_workers_read_an_open_journal(
    shared: WorkerPool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Answers and rows are the same in a process other than the one that has the journal open."""
    given = list(answers(3))
    with Journal.create(tmp_path / "a.journal") as journal:
        journal.add_list("a.csv", [ListRow(one.email, one.email, one.email) for one in given], sha256=str)
        for address, one in enumerate(given, 1):
            await journal.append(address, one)
        await journal.flush()
        lead_batches = LeadBatches(journal.answers(), SIZE, None, replies=True)
        outcome_batches = OutcomeBatches(journal.rows(), 4)
        replies = pd.concat([one.tables["replies"] for one in build_all(shared, lead_batches)])
        rows = pd.concat([one.tables["outcomes"] for one in build_all(shared, outcome_batches)])
    assert [*zip(replies["email"], replies["body"], strict=True)] == [(one.email, one.body) for one in given]
    assert [*zip(rows["email"], rows["outcome"], strict=True)] == [(one.email, one.outcome) for one in given]
    assert caplog.messages == []


def fails_on_three(number: int) -> int:
    """A function with a bug."""
    if number == 3:
        raise KeyError("ann@example.com")
    return number


def test_a_bug_in_a_worker_has_its_frames(shared: WorkerPool) -> None:
    """The exception comes from this process, so its traceback leads to the line, not to the one that waited for it."""
    with pytest.raises(KeyError) as caught:
        list(shared.map(fails_on_three, range(6)))
    assert caught.traceback[-1].name == "fails_on_three"
    assert caught.value.__cause__ is None

"""Answers on their way to the disk: when they get there, and what may go wrong."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from journal_samples import JIM, JOE, answer, append, numbered, on_disk, started

from pipeline.errors import StorageError
from pipeline.journal.database import remove_journal
from pipeline.journal.records import PACK_BYTES
from pipeline.journal.store import Journal
from pipeline.journal.writer import MAX_WAITING
from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test is."""
    return tmp_path / "night.journal"


async def test_appending_does_not_wait_for_the_disk(path: Path) -> None:
    """Until it is flushed an answer may be in memory only; flushing nothing is fine."""
    with started(path, [JOE, JIM]) as journal:
        await journal.flush()
        await journal.append(1, answer(JOE))
        assert on_disk(path) == []
        await journal.flush()
        assert on_disk(path) == [answer(JOE)]


async def test_an_answer_is_on_the_disk_soon(path: Path) -> None:
    """Nobody has to flush; the margin is for a busy machine."""
    with started(path, [JOE, JIM]) as journal:
        for number, email in ((1, JOE), (2, JIM)):
            before = time.monotonic()
            await journal.append(number, answer(email))
            while len(on_disk(path)) < number:  # noqa: ASYNC110 - only another process can tell
                await asyncio.sleep(0.01)
            assert time.monotonic() - before < 0.25 + 2


def test_closing_writes_what_is_waiting(path: Path) -> None:
    """Even when the event loop that took the answers has ended, as it does on Ctrl-C."""
    with started(path, [JOE, JIM]) as journal:
        asyncio.run(append(journal, {1: answer(JOE), 2: answer(JIM)}, flush=False))
        assert on_disk(path) == []
    assert on_disk(path) == [answer(JOE), answer(JIM)]


async def test_calls_wait_while_the_disk_is_far_behind(path: Path) -> None:
    """Answers do not pile up without bound, however many tasks append; none is lost or doubled."""
    emails = numbered(2 * MAX_WAITING)
    appended = 0
    with started(path, emails) as journal, closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # nothing can be written while another process holds this lock

        async def worker(addresses: Iterator[tuple[int, str]]) -> None:
            nonlocal appended
            for number, email in addresses:
                await journal.append(number, answer(email))
                appended += 1

        addresses = iter(list(journal.pending()))
        workers = [asyncio.create_task(worker(addresses)) for _ in range(50)]
        done, _ = await asyncio.wait(workers, timeout=0.3)
        assert not done
        assert MAX_WAITING / 2 < appended <= 1.5 * MAX_WAITING + 50
        other.execute("ROLLBACK")
        await asyncio.gather(*workers)
        await journal.flush()
        assert [one.email for one in journal.answers()] == emails


async def test_each_answer_keeps_its_own_reply(path: Path) -> None:
    """In whatever order they come, however they are packed, and when a failure is replaced by a later answer."""
    emails, order = numbered(3_000), list(range(1, 3_001))
    random.Random(1).shuffle(order)
    sizes = {0: 0, 1: 1, 2: 2 * PACK_BYTES}
    bodies = {n: b"%d" % n * sizes.get(n % 100, 500) if n % 7 else None for n in order}
    expected = {n: answer(emails[n - 1], body=bodies[n]) for n in order}
    with started(path, emails) as journal:
        await append(journal, {n: answer(emails[n - 1], Outcome.FAILED, body=b"?") for n in order[:700]})
        await append(journal, expected)
        found = journal.answers()
        assert list(found) == [expected[n] for n in range(1, 3_001)]
        assert list(found.slice(1_000, 1_003)) == [expected[n] for n in (1_001, 1_002, 1_003)]
        assert list(found.of_addresses([2_999, 5, 70])) == [expected[n] for n in (5, 70, 2_999)]


CHILD = """
import asyncio, os, resource, signal, sys
from pathlib import Path
from pipeline.errors import StorageError
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome

async def append(journal, first, last, size):
    for number in range(first, last + 1):
        await journal.append(number, Answer(f"p{number}@example.com", Outcome.FOUND, body=os.urandom(size)))

async def killed(journal):
    await append(journal, 1, 500, 100)
    await journal.flush()
    await append(journal, 501, 600, 100)
    os.kill(os.getpid(), signal.SIGKILL)

async def out_of_space(journal):
    await append(journal, 1, 10, 1_000)
    await journal.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    try:
        await append(journal, 11, 600, 10_000)
        await journal.flush()
    except StorageError as error:
        sys.exit(str(error))

journal = Journal.open(Path(sys.argv[2]))
asyncio.run(globals()[sys.argv[1]](journal))
"""


def run_child(job: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Append answers in a process of its own."""
    return subprocess.run([sys.executable, "-c", CHILD, job, path], capture_output=True, text=True, check=False)


def test_what_was_flushed_survives_a_kill(path: Path) -> None:
    """After kill -9 the journal opens, holds every flushed answer, and the rest is pending."""
    started(path, numbered(600)).close()
    assert run_child("killed", path).returncode == -signal.SIGKILL
    with Journal.open(path) as journal:
        assert [one.email for one in journal.answers()][:500] == numbered(500)
        assert journal.summary().answered + len(list(journal.pending())) == 600


def test_a_full_disk_keeps_what_was_written(path: Path) -> None:
    """The error has the path; earlier answers are there, and the rest is pending."""
    started(path, numbered(600)).close()
    child = run_child("out_of_space", path)
    assert child.returncode == 1
    assert f"{path}: " in child.stderr
    assert "ulimit -f" in child.stderr
    with Journal.open(path) as journal:
        assert [one.email for one in journal.answers()][:10] == numbered(10)
        assert journal.summary().answered + len(list(journal.pending())) == 600


def move(path: Path, target: Path) -> None:
    """Take a file away from under whoever has it open."""
    path.rename(target)


async def test_a_journal_that_is_gone_is_noticed(path: Path) -> None:
    """The system would take every further answer and keep none; if it comes back, nothing was lost."""
    with started(path, [JOE, JIM]) as journal:
        await append(journal, {1: answer(JOE)})
        move(path, path.with_suffix(".aside"))
        with pytest.raises(StorageError, match=f"^{path}: "):
            await append(journal, {2: answer(JIM, body=b"{}")})
        with pytest.raises(StorageError):
            await journal.append(1, answer(JOE, Outcome.FAILED))
        move(path.with_suffix(".aside"), path)
    assert on_disk(path) == [answer(JOE), answer(JIM, body=b"{}")]


async def test_a_cancelled_commit_loses_nothing(path: Path) -> None:
    """Cancelled at any moment, as all tasks are on Ctrl-C, closing writes what was not written."""
    for turns in range(12):
        with started(path, [JOE]) as journal:
            await journal.append(1, answer(JOE))
            flushing = asyncio.create_task(journal.flush())
            for _ in range(turns):
                await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, flushing, return_exceptions=True)
        assert on_disk(path) == [answer(JOE)]
        remove_journal(path)

"""What keeps a command from resuming its run: lists that are pipes, and large ones that need not be read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from jobs_lists import settings

from pipeline.jobs.obstacles import Given, obstacles
from pipeline.jobs.request import subject
from pipeline.journal.records import ListSummary, RunRecord
from pipeline.journal.replay import JournalSummary
from pipeline.outcomes import now_ms

ROWS = b"email\nann@example.com\n"


def seen(path: Path, started_at_ms: int | None = None, sha256: str = "0" * 64) -> list[str]:
    """The obstacles to a run that began then over a list with this hash, which is at `path` now."""
    run = RunRecord("night", now_ms() if started_at_ms is None else started_at_ms, subject(settings()))
    summary = JournalSummary(path, run, [ListSummary(path.name, 1, sha256)], 1, 0, 0, None)
    return obstacles(Given(settings(), [path]), summary)


@pytest.mark.parametrize("kind", ["/dev/fd", "/proc/self/fd", "named pipe"])
def test_a_pipe_is_neither_read_nor_waited_for(tmp_path: Path, kind: str) -> None:
    """Whoever it is for finds in it all that was written; it has to be given again."""
    os.mkfifo(tmp_path / "people.csv")
    pipe = os.open(tmp_path / "people.csv", os.O_RDWR | os.O_NONBLOCK)
    try:
        os.write(pipe, ROWS)
        path = tmp_path / "people.csv" if kind == "named pipe" else Path(kind, str(pipe))
        (obstacle,) = seen(path)
        assert os.read(pipe, 1_000) == ROWS
    finally:
        os.close(pipe)
    assert [fact for fact in (str(path), "pipe the same list") if fact not in obstacle] == []
    assert seen(path) == [obstacle]  # also if it is empty, or not even open


@pytest.mark.parametrize("name", ["-", "/dev/stdin", "/dev/fd/0"])
def test_standard_input_is_not_read(name: str) -> None:
    """Under whichever name."""
    (obstacle,) = seen(Path(name))
    assert [fact for fact in (name.replace("-", "standard input"), "pipe the same list") if fact not in obstacle] == []


def test_a_large_list_is_read_only_if_it_may_have_changed(tmp_path: Path) -> None:
    """If all its times are before the run it is the list of then; otherwise its bytes tell."""
    people = tmp_path / "people.csv"
    people.write_bytes(ROWS)
    os.truncate(people, 33 << 20)  # the rest is a hole
    assert seen(people, now_ms() + 60_000) == []
    (changed,) = seen(people, now_ms() - 10_000)
    assert "people.csv has changed" in changed
    with people.open("rb") as file:
        assert seen(people, now_ms() - 10_000, hashlib.file_digest(file, "sha256").hexdigest()) == []
    os.utime(people, (0, 0))  # like a file that was put in its place, and keeps its own time
    assert seen(people, now_ms() - 10_000) == [changed]


def test_a_small_list_is_always_read(tmp_path: Path) -> None:
    """It takes no time."""
    people = tmp_path / "people.csv"
    people.write_bytes(ROWS)
    assert "people.csv has changed" in seen(people, now_ms() + 60_000)[0]

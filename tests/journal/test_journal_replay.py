"""A look into journals from outside."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_samples import ANN, JIM, JOE, RUN, answer, append, started

from pipeline.errors import StorageError
from pipeline.journal.records import ListSummary, StopRecord
from pipeline.journal.replay import JournalSummary, read_summary
from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    from pathlib import Path


def test_a_summary_says_how_far_a_run_got(tmp_path: Path) -> None:
    """While the run is writing, and after it; no file is left behind."""
    path = tmp_path / "night.journal"
    expected = JournalSummary(path, RUN, [ListSummary("a.csv", 3, "a" * 64)], 3, 1, 1, None)
    with started(path, [JOE, JIM, ANN]) as journal:
        asyncio.run(append(journal, {1: answer(JOE, body=b"{}"), 2: answer(JIM, Outcome.FAILED)}))
        assert read_summary(path) == expected == journal.summary()
    assert read_summary(path) == expected
    assert list(tmp_path.iterdir()) == [path]


def test_the_last_stop_counts(tmp_path: Path) -> None:
    """A run may stop more than once."""
    with started(tmp_path / "night.journal", [JOE]) as journal:
        journal.stopped("unavailable", "The API is away.")
        journal.stopped("terminated", "Stopped by SIGTERM.")
    seen = read_summary(tmp_path / "night.journal")
    assert seen is not None
    assert seen.stop is not None
    assert seen.stop == StopRecord(seen.stop.stopped_at_ms, "terminated", "Stopped by SIGTERM.")
    assert seen.stop.stopped_at_ms > 1_000_000_000_000


def test_any_folder_name_will_do(tmp_path: Path) -> None:
    """Question marks, percent signs and spaces are part of a name, not of a URI."""
    folder = tmp_path / "a b?c%20d#e"
    folder.mkdir()
    started(folder / "night.journal", [JOE]).close()
    seen = read_summary(folder / "night.journal")
    assert seen is not None
    assert seen.run == RUN


def test_answers_without_a_run_are_damage(tmp_path: Path) -> None:
    """Such a journal is not what a killed import leaves, and must not be removed like one."""
    path = tmp_path / "night.journal"
    with started(path, [JOE]) as journal:
        asyncio.run(append(journal, {1: answer(JOE)}))
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM run")
        db.commit()
    with pytest.raises(StorageError, match=f"^{path}: "):
        read_summary(path)


@given(st.binary(min_size=1, max_size=300))
def test_any_other_file_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever it holds, the message has the path, and the file stays as it is."""
    path = tmp_path_factory.mktemp("any") / "any.journal"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=f"^{path}: "):
        read_summary(path)
    assert path.read_bytes() == content

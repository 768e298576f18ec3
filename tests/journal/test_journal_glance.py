"""A look into journals from outside."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import StorageError
from pipeline.journal.glance import Glance, glance
from pipeline.journal.records import ListRow, ListSummary, RunRecord, StopRecord
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

RUN = RunRecord("night", 1_000, "{}", "lead-export run a.csv", "/srv", replaces=True)
EMAILS = ["ann@example.com", "bob@example.com", "cat@example.com"]


def begun(path: Path) -> Journal:
    """A journal over three addresses: one found, one failed, one open."""
    journal = Journal(path)
    number = journal.add_list("a.csv", [ListRow(email, email, email) for email in EMAILS])
    journal.seal_list(number, rows=3, sha256="a" * 64)
    journal.start(RUN)
    asyncio.run(answer(journal))
    return journal


async def answer(journal: Journal) -> None:
    """Answer two of them."""
    await journal.append(1, Answer(EMAILS[0], Outcome.FOUND, body=b"{}"))
    await journal.append(2, Answer(EMAILS[1], Outcome.FAILED))
    await journal.flush()


def test_a_glance_tells_how_far_a_run_got(tmp_path: Path) -> None:
    """While the run is writing, and after it; nothing is left beside the journal that was not there."""
    path = tmp_path / "night.journal"
    expected = Glance(path, RUN, [ListSummary("a.csv", 3, "a" * 64)], 3, 1, 1, None)
    with begun(path):
        assert glance(path) == expected
    assert glance(path) == expected
    assert list(tmp_path.iterdir()) == [path]


def test_the_last_stop_counts(tmp_path: Path) -> None:
    """A run may stop more than once."""
    with begun(tmp_path / "night.journal") as journal:
        journal.stopped("unavailable", "The API is away.")
        journal.stopped("terminated", "Stopped by SIGTERM.")
    stop = glance(tmp_path / "night.journal").stop
    assert stop is not None
    assert stop == StopRecord(stop.stopped_at_ms, "terminated", "Stopped by SIGTERM.")
    assert stop.stopped_at_ms > 1_000_000_000_000


def test_a_name_with_odd_characters_is_found(tmp_path: Path) -> None:
    """Question marks, percent signs and blanks belong to the name of a folder, not to an URL."""
    folder = tmp_path / "a b?c%20d#e"
    folder.mkdir()
    begun(folder / "night.journal").close()
    assert glance(folder / "night.journal").run == RUN


@given(st.binary(max_size=300))
def test_what_is_no_journal_is_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever lies there, the message has the path."""
    path = tmp_path_factory.mktemp("any") / "any.journal"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=f"^{path}: "):
        glance(path)
    assert path.read_bytes() == content


def test_a_journal_without_a_run_is_refused(tmp_path: Path) -> None:
    """As one whose beginning was cut off would be."""
    Journal(tmp_path / "none.journal").close()
    with pytest.raises(StorageError, match="cannot be read"):
        glance(tmp_path / "none.journal")

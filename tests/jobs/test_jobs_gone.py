"""A run that stopped because leads were gone, and waits for somebody to accept that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jobs_lists import journal, settings

from pipeline.errors import LeadsGone, StorageError
from pipeline.jobs.gone import ended_before
from pipeline.jobs.unfinished import is_of_another_night
from pipeline.journal.replay import read_summary
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

YEAR_MS = 366 * 86_400_000


@pytest.mark.parametrize(
    ("code", "share", "resumed"),
    [(LeadsGone.code, 1, True), (LeadsGone.code, 0.5, False), (StorageError.code, 1, False)],
)
def test_it_is_published_however_long_ago_it_stopped(tmp_path: Path, code: str, share: float, resumed: bool) -> None:
    """Once any number of gone leads is accepted; another run is not resumed then."""
    with journal(tmp_path, "ann@example.com") as taken:
        taken.stopped(code, "enough")
    seen = read_summary(tmp_path / "test.journal")
    assert seen is not None
    assert is_of_another_night(seen, settings(max_gone_share=share), YEAR_MS) is not resumed


async def test_addresses_without_an_answer_stay_pending(tmp_path: Path) -> None:
    """Where a limit had ended the calls before their turn."""
    with journal(tmp_path, "ann@example.com", "bob@example.com") as taken:
        await taken.append(1, Answer("ann@example.com", Outcome.NOT_FOUND))
        await taken.flush()
        assert ended_before(taken) == "max_calls"
        await taken.append(2, Answer("bob@example.com", Outcome.FAILED))
        await taken.flush()
        assert ended_before(taken) == "done"

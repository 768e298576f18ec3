"""A run that stopped because leads were gone, and waits for somebody to accept that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jobs_lists import SUBJECT, journal, settings, write_list

from pipeline.emails.lists import EmailList
from pipeline.errors import LeadsGone, StorageError
from pipeline.jobs.gone import ended_before
from pipeline.jobs.import_lists import import_lists
from pipeline.jobs.unfinished import is_of_another_night
from pipeline.journal.carried import CarriedWriter
from pipeline.journal.records import RunRecord
from pipeline.journal.replay import read_summary
from pipeline.journal.selection import Choice, select_due
from pipeline.journal.suppress import suppress
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.journal.store import Journal

DAY_MS = 86_400_000
YEAR_MS = 366 * DAY_MS
EMAILS = [f"{name}@example.com" for name in ("ann", "bob", "cem", "dee")]


def everybody(_journal: Journal, run: RunRecord) -> RunRecord:
    """A run without an earlier one asks for everybody."""
    return run


def half(journal: Journal, run: RunRecord) -> RunRecord:
    """One that carries over what is known, and asks for half of it."""
    with CarriedWriter(journal.path) as writer:
        writer.write({n: Answer(email, Outcome.NOT_FOUND, answered_at_ms=1) for n, email in enumerate(EMAILS, 1)})
    choice = Choice(must_ms=0, may_ms=DAY_MS, ahead_ms=DAY_MS, new_ms=0, share=2, night_ms=DAY_MS)
    return run._replace(selected=select_due(journal.path, choice).selected)


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


@pytest.mark.parametrize(
    ("choose", "forget"), [(everybody, False), (everybody, True), (half, False)], ids=["all", "suppressed", "half"]
)
async def test_only_whom_the_run_asks_for_count(
    tmp_path: Path, choose: Callable[[Journal, RunRecord], RunRecord], forget: bool
) -> None:
    """Neither an answer that it carries over nor a suppressed address makes it look as if a limit had ended it."""
    people = write_list(tmp_path / "people.txt", EMAILS)
    path = tmp_path / "test.journal"
    with import_lists([EmailList(people)], path, RunRecord("test", 1_000, SUBJECT), choose) as taken:
        if forget:
            assert suppress(path, lambda email: email == EMAILS[1]) == 1
        for address in [*taken.pending()]:
            assert ended_before(taken) == "max_calls"
            await taken.append(address.id, Answer(address.email, Outcome.NOT_FOUND))
            await taken.flush()
        assert ended_before(taken) == "done"

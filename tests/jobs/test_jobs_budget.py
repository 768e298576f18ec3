"""Nights with a budget, on a clock that is set by hand: which run a command takes up, and what becomes of others."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from jobs_lists import settings, write_list

from pipeline.errors import ApiUnavailable, CredentialsRefused, UsageError
from pipeline.jobs.budget import SAME_NIGHT_H, SAME_RUN_H, deadline_of, is_over
from pipeline.jobs.export import export
from pipeline.jobs.plan_budget import PlannedBudget
from pipeline.journal.records import RunRecord
from pipeline.journal.replay import JournalSummary, read_summary
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest

HOUR_MS = 3_600_000
TWO_MS = round(datetime(2026, 11, 24, 2, tzinfo=UTC).timestamp() * 1000)
SIX = "2026-11-24T06:00Z"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    """One sandbox for all tests of this file."""
    with running(SandboxOptions(limit_per_s=0)) as started:
        yield started


@pytest.fixture
def sandbox(server: RunningSandbox) -> RunningSandbox:
    """A sandbox that has not been asked anything and answers everybody."""
    server.control(revoke_after=0, outage_from=0, reset_stats=True)
    return server


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Forty addresses that are all found."""
    return write_list(tmp_path / "people.txt", [f"person.{number}@example.com" for number in range(40)])


def at(hour: float, *, seconds_a_look: float = 0.0) -> Callable[[], int]:
    """A clock that begins at that hour after midnight of 24 November, and moves on each time it is looked at."""
    start = TWO_MS + round((hour - 2) * HOUR_MS)
    looks = itertools.count()
    return lambda: start + round(next(looks) * seconds_a_look * 1000)


def night(sandbox: RunningSandbox, people: Path, clock: Callable[[], int], **changes: object) -> Manifest:
    """Run the job."""
    chosen = settings(sandbox.url, **changes)
    return export(chosen, [people], people.parent / "out", clock=clock)


def stopped(sandbox: RunningSandbox, people: Path, *, after: int, **changes: object) -> None:
    """A run of two o'clock that the API refuses after so many calls."""
    sandbox.control(revoke_after=after, reset_stats=True)
    with pytest.raises(CredentialsRefused):
        night(sandbox, people, at(2), **changes)
    sandbox.control(revoke_after=0, reset_stats=True)


def test_a_clock_that_passes_the_deadline_ends_the_night(sandbox: RunningSandbox, people: Path) -> None:
    """Whatever the clock of the process says: here each look at it takes ten minutes."""
    manifest = night(sandbox, people, at(2, seconds_a_look=600), deadline=SIX, concurrency=1)
    assert manifest.freshness is not None
    assert (manifest.freshness.ended_by, manifest.status) == ("deadline", "incomplete")
    assert manifest.rows.pending
    assert sandbox.stats()["calls"] == manifest.rows.found < 24


@pytest.mark.parametrize(("hour", "resumed"), [(3, True), (6.5, True), (9.9, True), (10.1, False), (26, False)])
def test_a_run_is_finished_the_same_night_and_taken_over_later(
    sandbox: RunningSandbox, people: Path, caplog: pytest.LogCaptureFixture, hour: float, resumed: bool
) -> None:
    """Until its deadline with calls; some hours after it without any, as when a machine starts again.

    After that a new run takes over its answers; none is lost.
    """
    stopped(sandbox, people, after=15, deadline=SIX)
    (journal,) = people.parent.glob("out/.lead-export/*.journal")
    before = read_summary(journal)
    assert before is not None
    deadline = SIX if resumed else "2026-11-25T06:00Z"
    manifest = night(sandbox, people, at(hour), deadline=deadline)
    assert (manifest.run_id == before.run.run_id) == resumed
    assert manifest.freshness is not None
    assert manifest.freshness.deadline == f"{deadline[:16]}:00.000+00:00"
    if hour > 6 and resumed:
        assert sandbox.stats()["calls"] == 0
        assert (manifest.rows.found, manifest.status) == (before.answered, "incomplete")
        assert "is over: no more calls are made" in caplog.text
    else:
        assert manifest.rows.found == 40
        assert sandbox.stats()["calls"] == (40 if hour > 24 else 40 - before.answered)
    assert ("is not resumed: its deadline was 2026-11-24 06:00 UTC" in caplog.text) == (not resumed)
    assert not [*people.parent.glob("out/.lead-export/*.journal")]


def test_a_deadline_that_is_given_later_holds(sandbox: RunningSandbox, people: Path) -> None:
    """A run that has none gets that of the command that resumes it, and keeps it."""
    stopped(sandbox, people, after=10)
    sandbox.control(revoke_after=12, reset_stats=True)
    with pytest.raises(CredentialsRefused):
        night(sandbox, people, at(2.5), deadline=SIX)
    sandbox.control(revoke_after=0)
    manifest = night(sandbox, people, at(3), deadline="2026-11-24T09:00Z")
    assert manifest.freshness is not None
    assert manifest.freshness.deadline == "2026-11-24T06:00:00.000+00:00"


def test_a_night_without_any_answer_publishes_nothing(sandbox: RunningSandbox, people: Path) -> None:
    """Exit 5, however often it is tried in that night; the next one begins anew."""
    sandbox.control(outage_from=1)
    for clock in (at(2, seconds_a_look=1_800), at(6.1), at(9)):
        with pytest.raises(ApiUnavailable, match=r"The deadline has come, and no call was answered\."):
            night(sandbox, people, clock, deadline=SIX, retry_max_delay_s=0)
    assert not [*people.parent.glob("out/run=*")]
    sandbox.control(outage_from=0)
    assert night(sandbox, people, at(26), deadline="2026-11-25T06:00Z").rows.found == 40


def test_a_deadline_before_the_first_call(sandbox: RunningSandbox, people: Path) -> None:
    """Nothing was asked, so nothing is published; a deadline that is over is refused outright."""
    with pytest.raises(ApiUnavailable, match="none had been made"):
        night(sandbox, people, at(2, seconds_a_look=14_401), deadline=SIX)
    with pytest.raises(UsageError, match="is over"):
        night(sandbox, people, at(26), deadline=SIX)
    assert sandbox.stats()["calls"] == 0


def test_older_answers_are_carried_whatever_their_age(sandbox: RunningSandbox, people: Path) -> None:
    """Without `max_age_days` such a run asks first for those who were never asked, and then for the stalest."""
    for day, found in enumerate((15, 30, 40, 40)):
        sandbox.control(reset_stats=True)
        manifest = night(sandbox, people, at(2 + 24 * day), max_calls=15)
        assert manifest.rows.found == found
        assert sandbox.stats()["calls"] == 15
        assert manifest.freshness is not None
        assert manifest.freshness.carried == found - 15
        assert (manifest.rows.pending or 0) == 40 - found
        assert (manifest.status == "complete") == (found == 40)
        assert manifest.freshness.ended_by == "max_calls"


def summary(*, deadline_ms: int | None, calls: int) -> JournalSummary:
    """An unfinished run of two o'clock."""
    run = RunRecord("one", TWO_MS, "", deadline_ms=deadline_ms)
    return JournalSummary(None, run, [], 40, 10, 0, None, calls=calls)  # type: ignore[arg-type]  # no file


def test_a_budget_is_over_some_hours_after_it_has_ended() -> None:
    """By its deadline, or, if it has made all its calls, by its start."""
    end_ms = TWO_MS + 4 * HOUR_MS
    for run, most, over_ms in (
        (summary(deadline_ms=end_ms, calls=5), 0, end_ms + SAME_NIGHT_H * HOUR_MS),
        (summary(deadline_ms=None, calls=60), 60, TWO_MS + SAME_RUN_H * HOUR_MS),
    ):
        assert not is_over(run, settings(max_calls=most), over_ms)
        assert is_over(run, settings(max_calls=most), over_ms + 1)
    assert not is_over(summary(deadline_ms=None, calls=59), settings(max_calls=60), TWO_MS + 100 * HOUR_MS)


def test_a_plan_of_the_night_in_the_documentation() -> None:
    """A million addresses, four hours, 18 calls a second: a quarter of a million calls, and four nights."""
    chosen = settings(rate_per_s=18, deadline=SIX, max_age_days=3)
    planned = PlannedBudget.of(chosen, 1_000_000, TWO_MS)
    assert planned is not None
    assert planned.calls == pytest.approx(259_200 / 1.015, abs=10)
    assert (planned.nights, planned.least_max_age_days, planned.fits) == (4, 4, False)
    resumed = summary(deadline_ms=TWO_MS + HOUR_MS, calls=100)
    rest = PlannedBudget.of(settings(rate_per_s=18, max_calls=300), 1_000, TWO_MS, resumed)
    assert rest is not None
    assert (rest.calls, rest.deadline) == (200, "2026-11-24T03:00:00.000+00:00")
    assert PlannedBudget.of(settings(), 10, TWO_MS) is None
    assert deadline_of(settings(), TWO_MS) is None

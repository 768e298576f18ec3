"""Nights that ask for a share only: what is carried over, what is asked for, and what becomes of failures."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from jobs_lists import settings, write_list
from simulated_nights import Nights

from pipeline.errors import CredentialsRefused, ExitCode, StorageError, UsageError
from pipeline.jobs.export import export
from pipeline.jobs.plan import plan
from pipeline.jobs.rebuild import rebuild
from pipeline.jobs.verify import verify
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = [
    *(f"person{n}@example.com" for n in range(6)),
    "not-found.1@example.com",
    "deleted.1@example.com",
    *(f"new-keys.{n}@example.com" for n in range(4)),
]


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    """One sandbox for all tests of this file."""
    with running(SandboxOptions(limit_per_s=0)) as started:
        yield started


@pytest.fixture
def nights(server: RunningSandbox, tmp_path: Path) -> Nights:
    """A job over a dozen addresses, one of them twice, and one row that is none."""
    server.control(revoke_after=0, fault_rate=0.0, reset_stats=True)
    people = write_list(tmp_path / "people.txt", [*PEOPLE, "PERSON0@example.com", "nobody"])
    return Nights(server, tmp_path / "out", people)


def test_a_night_asks_for_its_share_and_carries_the_rest(nights: Nights) -> None:
    """Of twelve addresses and three nights four a night, the oldest first; tables hold all, old dates and no calls."""
    first = nights.run(0)
    assert (first.calls.sent, first.freshness and first.freshness.carried) == (12, 0)
    before = nights.outcomes().set_index("email")
    second = nights.run(1)
    assert nights.asked() == dict.fromkeys(PEOPLE[:4], 1)
    fresh = second.freshness
    assert fresh is not None
    assert (fresh.asked, fresh.carried, fresh.ages, fresh.overdue) == (4, 8, {"0": 4, "1": 8}, 0)
    assert (second.status, second.rows) == ("complete", first.rows)
    now = nights.outcomes().set_index("email")
    assert (now.loc[PEOPLE[4:], "attempts"] == 0).all()
    assert (now.loc[PEOPLE[4:], "answered_at"] == before.loc[PEOPLE[4:], "answered_at"]).all()
    for night, asked in ((2, PEOPLE[4:8]), (3, PEOPLE[8:]), (4, PEOPLE[:4])):
        nights.run(night)
        assert [*nights.asked()] == asked


def test_tables_of_carried_answers_are_those_of_a_rebuild(nights: Nights, tmp_path: Path) -> None:
    """Byte for byte, the manifest included; and the run verifies."""
    nights.run(0)
    run = nights.out / f"run={nights.run(1).run_id}"
    again = rebuild(run, tmp_path / "again")
    for path in run.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / f"run={again.run_id}" / path.name).read_bytes(), path.name
    assert verify(run).ok


MOODY = ["fails-1.a@example.com", "ann@example.com", "bob@example.com", "fails-1.b@example.com"]
"""Two of these need a second call every night, and so fail where only one is allowed."""


def test_a_failed_refresh_keeps_the_older_answer(nights: Nights) -> None:
    """Its row says so and is listed with the failures; neither outcome, lead nor date change, and the tables hold it.

    In the same night it is not tried again; the night after it is, and once that succeeds it is as if nothing had been.
    """
    people = write_list(nights.people, MOODY)
    before = nights.run(0, people, max_age_days=1)
    old = nights.outcomes().set_index("email")
    failing = nights.run(1, people, max_age_days=1, max_attempts=1)
    fresh, run = failing.freshness, nights.out / "latest"
    assert fresh is not None
    assert (fresh.asked, fresh.carried, fresh.refresh_failed, fresh.ages) == (4, 0, 2, {"0": 2, "1": 2})
    assert (failing.status, failing.exit_code) == ("complete_with_failures", ExitCode.ROWS_FAILED)
    assert (failing.rows, failing.codes) == (before.rows, {"found": {"kept:http_502": 2}})
    kept = nights.outcomes().set_index("email").loc[[MOODY[0], MOODY[3]]]
    assert [*kept["attempts"]] == [1, 1]
    for name in ("outcome", "answered_at", "lead_id"):
        assert (kept[name] == old.loc[kept.index, name]).all()
    failures = (run / "failures.csv").read_text().splitlines()[1:]
    assert [line.partition(",")[0] for line in failures] == [*kept.index]
    assert [row.line for row in failing.first_failed or []] == [1, 4]
    assert verify(run).ok
    nights.run(2, people, max_age_days=30)
    assert [*nights.asked()] == [MOODY[0]]
    now = nights.outcomes().set_index("email")
    assert now["code"].isna().all()
    assert (now["answered_at"] == old["answered_at"]).tolist() == [False, False, False, True]


def test_overdue_answers_are_counted_and_have_an_exit_code(nights: Nights) -> None:
    """Refreshes that fail several nights in a row leave answers that are older than was promised: exit code 8."""
    people = write_list(nights.people, MOODY)
    nights.run(0, people, max_age_days=1)
    codes = []
    for night in (1, 2):
        manifest = nights.run(night, people, max_age_days=1, max_attempts=1)
        assert manifest.freshness is not None
        codes.append((manifest.exit_code, manifest.freshness.overdue))
    assert codes == [(ExitCode.ROWS_FAILED, 0), (ExitCode.INCOMPLETE, 2)]
    assert verify(nights.out / "latest").ok


def test_a_refresh_that_failed_is_tried_once_a_night(nights: Nights) -> None:
    """A resumed run does not try again where an older answer is kept, and does where there is none."""
    people = write_list(nights.people, [*MOODY, "fails-1.c@example.com", *PEOPLE])
    nights.run(0, write_list(nights.people.with_name("moody.txt"), MOODY), max_age_days=1)
    stopped(nights, 1, 6, people, max_age_days=1, max_attempts=1, concurrency=1)
    nights.run(1.1, people, max_age_days=1, max_attempts=1)
    assert {MOODY[0], MOODY[3]}.isdisjoint(nights.asked())
    assert "fails-1.c@example.com" in nights.asked()


def test_new_addresses_are_asked_for_and_those_that_left_are_forgotten(nights: Nights, tmp_path: Path) -> None:
    """Another list the night after: what both have is carried over, in the spelling and order of the new one."""
    nights.run(0)
    other = write_list(tmp_path / "other.txt", ["new@example.com", *(email.upper() for email in reversed(PEOPLE[3:]))])
    manifest = nights.run(1, other)
    assert manifest.freshness is not None
    assert ([*nights.asked()], manifest.freshness.carried) == (["new@example.com", *PEOPLE[3:6]], 6)
    assert [*nights.outcomes()["email"]] == ["new@example.com", *(email.upper() for email in reversed(PEOPLE[3:]))]
    nights.run(2)
    assert set(PEOPLE[:3]) <= set(nights.asked())


def test_leads_of_another_address_are_carried_over_only_where_they_are_accepted(nights: Nights) -> None:
    """Once the setting is off, such an answer does not come back by way of an earlier run; it is asked for again."""
    people = write_list(nights.people, ["other-lead@example.com", "ann@example.com"])
    accepted = nights.run(0, people, accept_mismatch=True)
    assert (accepted.rows.found, accepted.codes) == (2, {"found": {"email_mismatch": 1}})
    assert nights.run(0.2, people, accept_mismatch=True).codes == accepted.codes
    assert nights.asked() == {}
    strict = nights.run(0.3, people)
    assert (strict.rows.failed, strict.codes) == (1, {"failed": {"email_mismatch": 1}})
    assert "ann@example.com" not in nights.asked()


def test_nobody_is_asked_again_within_the_fresh_hours(nights: Nights) -> None:
    """A second run in the same night asks for nobody, whatever the share is."""
    nights.run(0)
    nights.run(0.4)
    assert nights.asked() == {}
    nights.run(0.6)
    assert len(nights.asked()) == 4


def test_new_asks_everybody_and_carries_nothing(nights: Nights) -> None:
    """--new takes nothing from earlier runs, not even where they are damaged."""
    nights.run(0)
    (nights.out / "latest" / "replies.parquet").write_bytes(b"damaged")
    manifest = nights.run(1, resume=False)
    assert (manifest.calls.sent, manifest.freshness and manifest.freshness.carried) == (12, 0)


def test_answers_of_a_damaged_run_come_from_the_one_before(nights: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning; what only the damaged run had is asked for anew, in two parts, as there are two nights left."""
    nights.run(0)
    nights.run(1)
    (nights.out / "latest" / "replies.parquet").write_bytes(b"damaged")
    nights.run(2)
    assert "damaged" in caplog.text
    assert [*nights.asked()] == PEOPLE[:6]


def test_no_intact_run_stops_before_the_first_call(nights: Nights) -> None:
    """No night for everybody unless somebody says so: exit code 6, with both ways out; plan says it, too."""
    nights.run(0)
    (nights.out / "latest" / "replies.parquet").write_bytes(b"damaged")
    with pytest.raises(StorageError, match=r"backup.*--new") as caught:
        nights.run(1)
    assert (caught.value.exit_code, nights.asked()) == (ExitCode.STORAGE, {})
    refused = plan(settings(nights.sandbox.url, max_age_days=3), [nights.people], nights.out).refused
    assert refused == str(caught.value)


def test_runs_without_replies_have_nothing_to_carry(nights: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """That is nobody's damage: a notice, and everybody is asked."""
    nights.run(0, max_age_days=0, keep_replies=False)
    assert nights.run(1).calls.sent == 12
    assert "--no-keep-replies" in caplog.text


def test_replies_must_be_kept(nights: Nights) -> None:
    """Without them the next night would have nothing to carry over: refused before anything is done."""
    with pytest.raises(UsageError, match="--no-keep-replies"):
        nights.run(0, keep_replies=False)
    chosen = settings(max_age_days=3, keep_replies=False)
    assert "--no-keep-replies" in (plan(chosen, [nights.people]).refused or "")
    assert not nights.out.exists()


def test_another_app_is_not_carried_over(nights: Nights) -> None:
    """Nor are runs of which nobody knows whose they are."""
    nights.run(0)
    assert nights.run(1, app_id="sandbox-app-2").calls.sent == 12
    for run in nights.out.glob("run=*"):
        manifest = json.loads((run / "manifest.json").read_text())
        (run / "manifest.json").write_text(json.dumps({**manifest, "account": None}))
    assert nights.run(2).calls.sent == 12


def test_answers_from_the_future_are_due_now(nights: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """A clock that was wrong once does not keep answers for ever: a warning, and all of them are asked for."""
    nights.run(400)
    caplog.clear()
    manifest = nights.run(1)
    assert manifest.calls.sent == 12
    (notice,) = [record for record in caplog.records if "future" in record.getMessage()]
    assert "12 answers" in notice.getMessage()


def stopped(nights: Nights, night: float, after: int, *lists: Path, **changes: Any) -> None:
    """A run in which credentials are refused after so many calls."""
    nights.sandbox.control(revoke_after=after)
    with pytest.raises(CredentialsRefused):
        nights.run(night, *lists, **changes)
    nights.sandbox.control(revoke_after=0)


def test_a_stopped_run_keeps_its_choice(nights: Nights) -> None:
    """Resumed hours later it asks for the rest of its share only, and dates ages from when it began."""
    nights.run(0)
    stopped(nights, 1, 2)
    resumed = nights.run(1.4)
    assert [*nights.asked()] == PEOPLE[2:4]
    assert resumed.freshness is not None
    assert (resumed.freshness.asked, resumed.freshness.ages) == (4, {"0": 4, "1": 8})
    assert resumed.calls.resumed == 2


def test_a_run_that_was_stopped_a_night_before_is_taken_over(nights: Nights, caplog: pytest.LogCaptureFixture) -> None:
    """Its answers are a night old and are not asked for again; what it did not reach is due first, in two parts."""
    nights.run(0)
    stopped(nights, 1, 2)
    caplog.clear()
    manifest = nights.run(2.1)
    assert "takes over its 2 answers" in caplog.text
    assert [*nights.asked()] == PEOPLE[2:7]
    assert manifest.freshness is not None
    assert manifest.freshness.ages == {"0": 5, "1": 2, "2": 5}
    assert [path.name for path in (nights.out / ".lead-export").glob("*.journal")] == []


def test_a_changed_list_loses_no_answer(nights: Nights, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without max_age_days, too, and with no published run: what was answered tonight is not asked for again."""
    stopped(nights, 0, 5, max_age_days=0)
    caplog.clear()
    other = write_list(tmp_path / "other.txt", ["new@example.com", *PEOPLE])
    manifest = nights.run(0.2, other, max_age_days=0)
    assert [*nights.asked()] == ["new@example.com", *PEOPLE[5:]]
    assert (manifest.rows.found, manifest.freshness and manifest.freshness.carried) == (11, 5)
    assert len([record for record in caplog.records if record.levelname == "WARNING"]) == 1
    assert [path.name for path in (nights.out / ".lead-export").glob("*.journal")] == []


def test_plan_tells_what_a_night_asks_for(nights: Nights) -> None:
    """As many calls as the run then makes, an ordinary night's share, and what is carried over."""
    planned = plan(settings(nights.sandbox.url, max_age_days=5), [nights.people], nights.out)
    assert (planned.to_ask, planned.carried, planned.share) == (12, 0, 3)
    real = settings(nights.sandbox.url, max_age_days=5, fresh_hours=0)
    export(real, [nights.people], nights.out)
    planned = plan(real, [nights.people], nights.out)
    assert (planned.to_ask, planned.carried, planned.share, planned.refused) == (3, 9, 3, None)
    assert export(real, [nights.people], nights.out).calls.sent == 3

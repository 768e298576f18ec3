"""`run` with a deadline or a number of calls, against a real server and a real clock."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, Running, lead_export, manifest_of, run, target, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox


@pytest.fixture
def crowd(tmp_path: Path) -> Path:
    """A list of 400 addresses that are all found."""
    return write_list(tmp_path / "crowd.csv", [f"person.{number}@example.com" for number in range(400)])


def in_s(seconds: float) -> str:
    """The instant this many seconds from now, as an option has it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


def unfinished(out: Path) -> dict[str, Any]:
    """What `status` says of the only unfinished run."""
    (found,) = lead_export("status", out, "--json").json["unfinished"]
    return found  # type: ignore[no-any-return]  # JSON


def test_the_night_ends_at_the_deadline_and_the_next_one_goes_on(
    sandbox: RunningSandbox, crowd: Path, tmp_path: Path
) -> None:
    """All tables are there, exit 8 says that rows are pending, and nobody is asked twice."""
    out, deadline = tmp_path / "out", in_s(2.0)
    first = run(crowd, sandbox, out, "--rate", 100, "--deadline", deadline)
    ended = datetime.now(UTC)
    manifest = manifest_of(out)
    rows, freshness = manifest["rows"], manifest["freshness"]
    assert (first.code, manifest["status"], freshness["ended_by"]) == (8, "incomplete", "deadline")
    assert datetime.fromisoformat(freshness["deadline"]) == datetime.fromisoformat(deadline)
    assert 0 < rows["found"] == 400 - rows["pending"] == freshness["asked"] < 220
    assert sandbox.stats()["calls"] == manifest["calls"]["sent"] == rows["found"]
    answered = pd.read_parquet(out / "latest" / "outcomes.parquet")["answered_at"].max()
    assert datetime.fromisoformat(deadline) - timedelta(seconds=0.6) < answered.to_pydatetime()
    assert answered.to_pydatetime() < datetime.fromisoformat(deadline)
    assert ended < datetime.fromisoformat(deadline) + timedelta(seconds=10)
    assert f"the deadline ({deadline[:16].replace('T', ' ')} UTC) ended the calls" in first.err
    assert lead_export("verify", out / "latest").code == 0
    second = run(crowd, sandbox, out, "--deadline", in_s(60))
    assert (second.code, manifest_of(out)["status"]) == (0, "complete")
    assert manifest_of(out)["freshness"]["carried"] == rows["found"]
    assert sandbox.stats()["answered_twice_or_more"] == 0
    assert sandbox.stats()["calls"] == 400


def test_never_one_call_more_than_allowed_however_often_it_is_resumed(
    sandbox: RunningSandbox, crowd: Path, tmp_path: Path
) -> None:
    """Retries, probes and the calls of attempts that stopped count; the next run has its own."""
    out = tmp_path / "out"
    for revoked in (10, 25):
        sandbox.control(revoke_after=revoked)
        assert run(crowd, sandbox, out, "--max-calls", 60, "--concurrency", 2).code == 4
    sandbox.control(revoke_after=0)
    assert run(crowd, sandbox, out, "--max-calls", 60).code == 8
    manifest = manifest_of(out)
    assert (sandbox.stats()["calls"], manifest["freshness"]["ended_by"]) == (60, "max_calls")
    assert sum(manifest["rows"][name] for name in ("found", "failed", "pending")) == 400
    assert run(crowd, sandbox, out, "--max-calls", 60).code == 8
    assert sandbox.stats()["calls"] == 120
    assert manifest_of(out)["freshness"]["carried"] == manifest["rows"]["found"]


def test_a_kill_neither_moves_the_deadline_nor_makes_a_call_more(
    process: Preloaded, sandbox: RunningSandbox, crowd: Path, tmp_path: Path
) -> None:
    """The run is resumed until the same instant, and with the calls that are left."""
    out = tmp_path / "out"
    sandbox.control(latency_ms=20)
    words = ["run", crowd, *target(sandbox, out), "--max-calls", 150, "--concurrency", 4, "--deadline"]
    running = Running(process, *words, "23:59", **CREDENTIALS, **NO_DELAYS)
    running.wait_for(sandbox, 50)
    running.child.kill()
    running.ended()
    deadline = unfinished(out)["deadline"]
    again = lead_export(*words, "12:00", **CREDENTIALS, **NO_DELAYS)
    assert again.code == 8
    freshness = manifest_of(out)["freshness"]
    assert freshness["deadline"][:19] == deadline[:19]
    assert freshness["ended_by"] == "max_calls"
    assert 148 <= sandbox.stats()["calls"] <= 150
    assert sandbox.stats()["asked_twice_or_more"] <= 50  # those of the last quarter of a second


def test_a_run_that_is_resumed_after_its_deadline_makes_no_call(
    process: Preloaded, sandbox: RunningSandbox, crowd: Path, tmp_path: Path
) -> None:
    """What was answered is published; `status` has told until when there were calls."""
    out, deadline = tmp_path / "out", in_s(2.0)
    words = ["run", crowd, *target(sandbox, out), "--rate", 40, "--deadline", deadline]
    running = Running(process, *words, **CREDENTIALS, **NO_DELAYS)
    running.wait_for(sandbox, 10)
    running.child.kill()
    running.ended()
    calls = sandbox.stats()["calls"]
    assert f"calls until {deadline[:16].replace('T', ' ')} UTC" in lead_export("status", out).out
    time.sleep(max(0.0, (datetime.fromisoformat(deadline) - datetime.now(UTC)).total_seconds()))
    done = lead_export(*words, **CREDENTIALS, **NO_DELAYS)
    assert (done.code, sandbox.stats()["calls"]) == (8, calls)
    assert "no more calls are made" in done.err
    assert 0 < manifest_of(out)["rows"]["found"] <= calls


def test_an_outage_is_waited_out_until_the_deadline(sandbox: RunningSandbox, crowd: Path, tmp_path: Path) -> None:
    """However impatient the settings are; without any answer it is exit 5, and the tables of before stay."""
    out, impatient = tmp_path / "out", {"LEAD_EXPORT_OUTAGE_PATIENCE_S": "0.1"}
    assert run(crowd, sandbox, out, "--max-calls", 30).code == 8
    before = (out / "latest").readlink()
    sandbox.control(outage_from=1, outage_calls=0)
    started, wait_s = time.monotonic(), 1.5
    none = run(crowd, sandbox, out, "--rate", 200, "--deadline", in_s(wait_s), **impatient)
    assert (none.code, (out / "latest").readlink()) == (5, before)
    assert time.monotonic() - started >= wait_s - 0.5
    assert "The deadline has come, and no call was answered" in none.err
    sandbox.control(outage_from=0)
    assert run(crowd, sandbox, out, "--new").code == 0


def test_a_file_has_an_answer_for_every_row(sandbox: RunningSandbox, crowd: Path, tmp_path: Path) -> None:
    """`enrich` has no limits, even if the settings that it shares with `run` have some."""
    env = {**CREDENTIALS, **NO_DELAYS, "LEAD_EXPORT_MAX_CALLS": "3", "LEAD_EXPORT_DEADLINE": "2020-01-01T00:00Z"}
    done = lead_export("enrich", crowd, *target(sandbox, tmp_path / "out.csv"), **env)
    assert (done.code, sandbox.stats()["calls"]) == (0, 400)


@pytest.mark.parametrize(
    ("option", "value", "sentence"),
    [
        ("--deadline", "2020-01-01T00:00Z", "--deadline: 2020-01-01 00:00 UTC is over; name a later one, or"),
        *(
            ("--deadline", value, "--deadline: must be a time of day such as 06:00, or an instant with its offset")
            for value in ("25:00", "6", "06:00:99")
        ),
        ("--max-calls", "NaN", "--max-calls: input should be a valid integer"),
        ("--max-calls", "-3", "--max-calls: input should be greater than or equal to 0"),
    ],
)
def test_nonsense_is_one_sentence_and_no_call(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, option: str, value: str, sentence: str
) -> None:
    """Exit 2, before anything is done."""
    assert run(people, sandbox, tmp_path / "out", f"{option}={value}").sentence.startswith(sentence)
    assert sandbox.stats()["calls"] == 0
    assert not list(tmp_path.glob("out/run=*"))


def test_a_run_that_starts_after_todays_deadline_is_told_so(
    sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Also where no warning is wanted: the next one is tomorrow's."""
    past = (datetime.now(UTC).astimezone() - timedelta(minutes=2)).strftime("%H:%M")
    done = run(people, sandbox, tmp_path / "out", "--quiet", "--deadline", past)
    assert done.code == 0
    assert f"Today's deadline, {past}, is over: the run may call until " in done.err
    deadline = datetime.fromisoformat(manifest_of(tmp_path / "out")["freshness"]["deadline"])
    assert timedelta(hours=23) < deadline - datetime.now(UTC) < timedelta(hours=25)


def test_a_plan_says_what_fits_into_a_night(tmp_path: Path) -> None:
    """How many calls, how many nights everybody takes, and the smallest age that can be kept; nothing is called."""
    emails = write_list(tmp_path / "many.csv", [f"p{n}@example.com" for n in range(30_000)])
    plan = ["plan", emails, "--at", "2026-11-24T02:00Z", "--deadline", "2026-11-24T02:10Z", "--json"]
    budget = lead_export(*plan, "--max-age", 2).json["budget"]
    assert budget["calls"] == pytest.approx(10 * 60 * 18, rel=0.02)
    assert (budget["nights"], budget["least_max_age_days"], budget["fits"]) == (3, 3, False)
    assert budget["starts_at"].startswith("2026-11-24T02:00:00")
    assert lead_export(*plan, "--max-age", 3).json["budget"]["fits"] is True
    assert lead_export(*plan, "--max-calls", 100).json["budget"]["calls"] == 100
    assert lead_export(*plan, "--rate", 0).json["budget"]["calls"] is None
    text = lead_export(*plan[:-1]).out
    assert "from 2026-11-24 02:00 UTC until the deadline, 2026-11-24 02:10 UTC" in text
    assert "all addresses take 3 nights: it does not fit; the smallest --max-age that fits is 3" in text
    late = lead_export("plan", emails, "--deadline", "2020-01-01T00:00Z", "--json").json
    assert late["refused"].startswith("--deadline: 2020-01-01 00:00 UTC is over")
    assert lead_export("plan", emails, "--at", "7").code == 2
    assert lead_export("plan", emails, "--json").json["budget"] is None


def test_a_check_says_what_fits_for_the_list_of_the_newest_run(
    sandbox: RunningSandbox, crowd: Path, tmp_path: Path
) -> None:
    """It has no list of its own."""
    out = tmp_path / "out"
    words = ["check", "--out", out, "--api-url", sandbox.url, "--json"]
    env = {**CREDENTIALS, "LEAD_EXPORT_MAX_CALLS": "150"}

    def budget() -> list[str]:
        return [one["text"] for one in json.loads(lead_export(*words, **env).out)["checks"] if one["name"] == "budget"]

    assert budget() == ["room for 150 calls"]
    assert run(crowd, sandbox, out).code == 0
    assert budget() == [
        "room for 150 calls; all addresses take 3 nights: it does not fit; the smallest --max-age that fits is 3"
    ]
    late = lead_export(*words, **{**env, "LEAD_EXPORT_DEADLINE": "2020-01-01T00:00Z"})
    assert late.code == 2

"""Runs that are stopped, by the API or by a signal: what is said, what is kept, and that the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from cli_command import (
    CREDENTIALS,
    NO_DELAYS,
    SECRETS,
    Result,
    command,
    environment,
    manifest_of,
    run,
    target,
    write_list,
)

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

PEOPLE = [f"person.{number}@example.com" for number in range(40)]
CONCURRENCY = 2


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of addresses that are all found."""
    return write_list(tmp_path / "people.csv", PEOPLE)


def interrupted(sandbox: RunningSandbox, people: Path, out: Path, number: signal.Signals) -> Result:
    """Run slowly, send a signal once some addresses were answered, and wait for the end."""
    sandbox.control(latency_ms=20)
    words = command("run", people, *target(sandbox, out), "--concurrency", CONCURRENCY)
    with subprocess.Popen(
        words, env=environment({**CREDENTIALS, **NO_DELAYS}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        while sandbox.stats()["answered"] < 10:
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(number)
        out_text, err_text = child.communicate()
    sandbox.control(latency_ms=0)
    return Result(child.returncode, out_text, err_text)


def test_wrong_password_stops_after_one_call(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Exit 4 after at most two calls; the variable is named, its value never said, nothing published."""
    result = run(people, sandbox, tmp_path / "export", "-vv", "--json", KARTRA_API_PASSWORD="Guess-Nr-7")
    assert result.code == 4
    assert result.err.splitlines()[-1] == "lead-export: the API password is wrong (KARTRA_API_PASSWORD) (type 233)"
    assert "  nothing was answered yet; this tries again:" in result.err.splitlines()
    assert sandbox.stats()["calls"] <= 2
    assert [secret for secret in ("Guess-Nr-7", "@", "Traceback", *SECRETS) if secret in result.out + result.err] == []
    report = result.json
    assert (report["status"], report["reason"]) == (
        "stopped",
        result.err.splitlines()[-1].removeprefix("lead-export: "),
    )
    assert report["rows"]["pending"] == report["rows"]["read"] == len(PEOPLE)
    assert not (tmp_path / "export" / "latest").exists()


def test_revoked_run_goes_on_with_good_credentials(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Refused in mid-run: exit 4, the answers are kept, and the same command asks for the rest only."""
    sandbox.control(revoke_after=20)
    stopped = run(people, sandbox, tmp_path / "export", "--json")
    assert (stopped.code, "Traceback" in stopped.err) == (4, False)
    assert "  what was answered is kept; this goes on from there:" in stopped.err.splitlines()
    rows = stopped.json["rows"]
    assert rows["found"] + rows["pending"] == rows["read"] == len(PEOPLE)
    assert rows["found"] == sandbox.stats()["answered"] == 20
    sandbox.control(revoke_after=0)
    resumed = run(people, sandbox, tmp_path / "export", "--json")
    assert (resumed.code, resumed.json["run_id"]) == (0, stopped.json["run_id"])
    assert resumed.json["rows"]["found"] == len(PEOPLE)
    assert resumed.json["calls"] == {
        "sent": 20,
        "answered": 20,
        "retried": 0,
        "throttled": 0,
        "probes": 0,
        "resumed": 20,
    }
    assert sandbox.stats()["answered_twice_or_more"] == 0
    assert "20 kept from before" in resumed.err


@pytest.mark.parametrize(("number", "code", "what"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")])
def test_signal_stops_a_run_and_the_same_command_goes_on(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, number: signal.Signals, code: int, what: str
) -> None:
    """The documented exit code, an account and one sentence; calls in flight finish, and no call is made again."""
    out = tmp_path / "export"
    stopped = interrupted(sandbox, people, out, number)
    asked = sandbox.stats()["answered"]
    assert (stopped.code, stopped.out) == (code, "")
    lines = stopped.err.splitlines()
    assert lines[-1] == f"lead-export: Stopped by {what}."
    assert f"{asked:>11,} found" in lines
    assert f"{len(PEOPLE) - asked:>11,} pending" in lines
    assert not (out / "latest").exists()
    resumed = run(people, sandbox, out, "-q")
    assert resumed == Result(0, "", "")
    calls = manifest_of(out)["calls"]
    assert (calls["resumed"], calls["sent"]) == (asked, len(PEOPLE) - asked)
    assert sandbox.stats()["calls"] == len(PEOPLE)


def test_bug_is_one_line_without_data(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """A request that the API calls malformed is a bug of ours: exit 1, no traceback, and the answers are kept."""
    write_list(people, [*PEOPLE[:3], "error-236@example.com"])
    result = run(people, sandbox, tmp_path / "export", "--json")
    assert result.code == 1
    last = result.err.splitlines()[-1]
    assert last == "lead-export: the API calls our request malformed; please report this (type 236)"
    assert "@" not in result.out + result.err
    assert result.json["rows"]["found"] == 3

"""Runs stopped by the API or a signal: what is reported, what is kept, and that the same command resumes them."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from cli_command import (
    CREDENTIALS,
    NO_DELAYS,
    SECRETS,
    Result,
    Running,
    environment,
    manifest_of,
    run,
    target,
    write_list,
)
from preloaded import COMMAND

if TYPE_CHECKING:
    from pathlib import Path

    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox

PEOPLE = [f"person.{number}@example.com" for number in range(40)]
CONCURRENCY = 2


def interrupted(
    process: Preloaded,
    sandbox: RunningSandbox,
    people: Path,
    out: Path,
    number: signal.Signals,
    program: str = COMMAND,
) -> Result:
    """Run slowly, send a signal once some addresses have answers, and wait for the end."""
    sandbox.control(latency_ms=20)
    words = ["run", people, *target(sandbox, out), "--concurrency", CONCURRENCY]
    running = Running(process, *words, program=program, **CREDENTIALS, **NO_DELAYS)
    running.wait_for(sandbox, 10)
    running.child.send(number)
    done = running.ended()
    sandbox.control(latency_ms=0)
    return done


def test_wrong_password_stops_after_one_call(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Exit 4 after at most two calls; the variable is named, its value is not, and nothing is published."""
    result = run(people, sandbox, tmp_path / "export", "-vv", "--json", KARTRA_API_PASSWORD="Guess-Nr-7")
    assert result.code == 4
    assert "KARTRA_API_PASSWORD" in result.err.splitlines()[-1]
    assert sandbox.stats()["calls"] <= 2
    assert [secret for secret in ("Guess-Nr-7", "@", "Traceback", *SECRETS) if secret in result.out + result.err] == []
    report = result.json
    assert report["status"] == "stopped"
    last = result.err.splitlines()[-1]
    assert last.startswith(f"lead-export: {report['reason']}. Run {report['run_id']} ")
    assert [fact for fact in ("exit code 4", "0 of 40 rows", "same command") if fact not in last] == []
    assert report["rows"]["pending"] == report["rows"]["read"] == len(PEOPLE)
    assert not (tmp_path / "export" / "latest").exists()


def test_revoked_run_is_resumed_with_valid_credentials(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Refused in mid-run: exit 4, the answers are kept, and the same command looks up only the rest."""
    sandbox.control(revoke_after=20)
    stopped = run(people, sandbox, tmp_path / "export", "--json")
    assert (stopped.code, "Traceback" in stopped.err) == (4, False)
    assert list(stopped.json)[-3:] == ["settings", "reason", "resume"]
    assert f"    {stopped.json['resume']}" in stopped.err.splitlines()
    rows = stopped.json["rows"]
    assert list(rows) == ["read", "found", "not_found", "deleted", "failed", "invalid", "duplicate", "pending"]
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
    assert "20 answers from the previous attempt" in resumed.err


@pytest.mark.parametrize(
    ("number", "code", "what"),
    [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM"), (signal.SIGHUP, 143, "SIGHUP")],
)
def test_signal_stops_a_run_and_the_same_command_resumes_it(
    process: Preloaded,
    sandbox: RunningSandbox,
    people: Path,
    tmp_path: Path,
    number: signal.Signals,
    code: int,
    what: str,
) -> None:
    """The documented exit code, a summary and one sentence; calls in flight finish, and none is repeated."""
    out = tmp_path / "export"
    stopped = interrupted(process, sandbox, people, out, number)
    asked = sandbox.stats()["answered"]
    assert (stopped.code, stopped.out) == (code, "")
    lines = stopped.err.splitlines()
    assert what in lines[-1]
    assert f"{asked:>11,} found" in lines
    assert f"{len(PEOPLE) - asked:>11,} pending" in lines
    assert not (out / "latest").exists()
    resumed = run(people, sandbox, out, "-q")
    assert resumed.is_quiet
    calls = manifest_of(out)["calls"]
    assert (calls["resumed"], calls["sent"]) == (asked, len(PEOPLE) - asked)
    assert sandbox.stats()["calls"] == len(PEOPLE)


def test_a_hangup_is_ignored_under_nohup(
    process: Preloaded, sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Whoever ignores SIGHUP wants the run to outlive the terminal."""
    ignoring = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {COMMAND}"
    done = interrupted(process, sandbox, people, tmp_path / "export", signal.SIGHUP, ignoring)
    assert done.code == 0
    assert manifest_of(tmp_path / "export")["rows"]["found"] == len(PEOPLE)


@pytest.mark.parametrize("quotes", ['""', "''", "\u201c\u201d"])
@pytest.mark.parametrize("variable", ["KARTRA_API_KEY", "KARTRA_API_PASSWORD"])
def test_a_credential_in_quotation_marks_is_told(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, variable: str, quotes: str
) -> None:
    """`docker --env-file` and others keep them: the refusal says so, and shows no credential."""
    env = {variable: f"{quotes[0]}{CREDENTIALS[variable]}{quotes[1]}"}
    refused = run(people, sandbox, tmp_path / "export", **env)
    assert (refused.code, sandbox.stats()["calls"]) == (4, 1)
    last = refused.err.splitlines()[-1]
    assert (last.count(variable), "quotation marks" in last) == (2, True)
    assert [secret for secret in SECRETS if secret in refused.err] == []
    plain = run(people, sandbox, tmp_path / "export", **{variable: "wrong' \""})
    assert (plain.code, "quotation" in plain.err) == (4, False)


WITHOUT_FCNTL = "import sys; sys.modules['fcntl'] = None; from pipeline.cli.main import main; main()"


def test_a_system_without_file_locks_is_told_in_one_sentence(people: Path) -> None:
    """Python on Windows has no fcntl: exit 2, and what to use instead."""
    words = [sys.executable, "-c", WITHOUT_FCNTL, "run", str(people), "--out", "export"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert [fact for fact in ("lead-export: ", "Windows", "WSL") if fact not in done.stderr] == []


def test_a_home_folder_that_does_not_exist(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """The pace cannot be shared: the run goes on, and the warning names the setting."""
    env = {"HOME": "/dev/null", "XDG_STATE_HOME": ""}
    done = run(people, sandbox, tmp_path / "export", "--rate", 1_000, **env)
    assert done.code == 0
    warning = next(line for line in done.err.splitlines() if "rate limit is not shared" in line)
    assert "state_folder" in warning


@pytest.mark.parametrize("switches", [{"outage_from": 20, "outage_calls": 1}, {"limit_per_s": 30}], ids=["503", "429"])
def test_a_run_keeps_to_retry_after(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, switches: dict[str, int]
) -> None:
    """Nobody is called before the time that the server asks for, and nobody fails."""
    sandbox.control(retry_after_s=2, **switches)
    started = time.monotonic()
    done = run(people, sandbox, tmp_path / "export", "--json", "--concurrency", 1)
    seconds = time.monotonic() - started
    sandbox.control(retry_after_s=0, outage_from=0, outage_calls=0, limit_per_s=0)
    assert (done.code, done.json["rows"]["found"]) == (0, len(PEOPLE))
    assert seconds >= 2
    assert done.json["calls"]["sent"] <= len(PEOPLE) + 3


# Bugs.

BUG = """
from pipeline.cli.main import cli, main
from pipeline.cli.options import takes_output_options

@cli.command("fails")
@takes_output_options
def fails(output):
    try:
        {}["ann@example.com"]
    except KeyError:
        raise ExceptionGroup("of bob@example.com", [ValueError("cat@example.com")])

main()
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_bug_is_reported_with_its_frames_and_without_data(tmp_path: Path, log_format: str) -> None:
    """Exit 1, file, line and function of each frame, the innermost last; no message and no value."""
    script = tmp_path / "script.py"
    script.write_text(BUG)
    words = [sys.executable, str(script), "fails", "--log-format", log_format]
    done = subprocess.run(words, env=environment({}), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert [data for data in ("@", "Traceback", str(tmp_path)) if data in done.stderr] == []
    if log_format == "json":
        assert done.stderr.count("\n") == 1
        message = json.loads(done.stderr)["message"]
    else:
        message = done.stderr
    frames = [line.strip() for line in message.splitlines()[2:]]
    assert frames[:2] == ["script.py:9 fails", "KeyError"]
    assert any(re.fullmatch(r"pipeline/cli/main\.py:\d+ _execute", frame) for frame in frames)
    assert frames[-3:] == ["script.py:11 fails", "ExceptionGroup", "ValueError"]


def test_a_request_that_the_api_calls_malformed_is_a_bug(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """For address after address: exit 1 with the API's error type and the frames, and the answers are kept."""
    write_list(people, [*PEOPLE[:3], *(f"error-236.{number}@example.com" for number in range(30))])
    result = run(people, sandbox, tmp_path / "export", "--json", "--concurrency", 1)
    assert result.code == 1
    assert "236" in result.err
    assert result.err.splitlines()[-1].strip() == "pipeline.errors.InternalError"
    assert "@" not in result.out + result.err
    assert result.json["rows"]["found"] == 3

"""The ending of every way out of `run`: what last-attempt.json, history, metrics and ping say of each exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, Result, Running, lead_export, run, target, write_list
from monitoring_service import Service, service
from prometheus_client.parser import text_string_to_metric_families

from pipeline.reporters.history import Attempt, read_history

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox

FOUND = [f"person.{number}@example.com" for number in range(20)]


@dataclass
class Night:
    """A folder of runs that is monitored."""

    sandbox: RunningSandbox
    process: Preloaded
    service: Service
    folder: Path

    @property
    def out(self) -> Path:
        """The output folder."""
        return self.folder / "leads"

    @property
    def env(self) -> dict[str, str]:
        """Credentials, and where to report."""
        return {
            **CREDENTIALS,
            **NO_DELAYS,
            "LEAD_EXPORT_PING_URL": f"{self.service.url}/secret-token",
            "LEAD_EXPORT_METRICS_FILE": str(self.folder / "leads.prom"),
        }

    def run(self, emails: list[str], *options: object, **env: str) -> Result:
        """A run over a list."""
        return run(
            write_list(self.folder / "people.csv", emails), self.sandbox, self.out, *options, **{**self.env, **env}
        )

    def begin(self, *options: object) -> Running:
        """A run in a process of its own, two calls at a time."""
        words = ("run", write_list(self.folder / "people.csv", FOUND), *target(self.sandbox, self.out))
        return Running(self.process, *words, "--concurrency", 2, *options, **self.env)

    @property
    def attempts(self) -> list[Attempt]:
        """The history."""
        return read_history(self.out / ".lead-export")

    @property
    def last(self) -> dict[str, Any]:
        """What last-attempt.json says."""
        value: dict[str, Any] = json.loads((self.out / ".lead-export" / "last-attempt.json").read_text())
        return value

    def metric(self, name: str) -> float:
        """The value of a metric with no label of its own."""
        text = (self.folder / "leads.prom").read_text()
        families = {family.name: family for family in text_string_to_metric_families(text)}
        (sample,) = families[f"lead_export_{name}"].samples
        assert sample.labels == {"export": "leads"}
        value: float = sample.value
        return value

    def check(self, code: int, *, pinged: str, success: bool) -> dict[str, Any]:
        """All of them say the same about the newest attempt; returns the last one."""
        last = self.last
        assert (last["exit_code"], last["is_success"]) == (code, success)
        assert self.attempts[-1].attempt_id == last["attempt_id"]
        assert (self.metric("last_attempt_exit_code"), self.metric("last_attempt_success")) == (code, success)
        told = self.service.told[-1]
        assert told.path == f"/secret-token/{pinged}"
        assert told.query["rid"] == [last["attempt_id"]]
        assert last["sentence"] in told.body
        return last


@pytest.fixture
def night(process: Preloaded, sandbox: RunningSandbox, tmp_path: Path) -> Iterator[Night]:
    """A folder that is monitored by a service which takes everything."""
    with service() as started:
        yield Night(sandbox, process, started, tmp_path)


def test_0_all_is_well(night: Night) -> None:
    """A start and an end with the same rid, and a summary in one sentence."""
    done = night.run(FOUND)
    assert (done.code, "Monitoring" in done.err) == (0, False)
    last = night.check(0, pinged="0", success=True)
    assert night.service.signals == ["start", "0"]
    assert night.service.told[0].query == night.service.told[1].query
    assert (last["rows"]["found"], last["status"]) == (20, "complete")
    assert time.time() - night.metric("last_success_timestamp_seconds") < 60


def test_1_a_bug(night: Night) -> None:
    """What the API calls a malformed request, for address after address."""
    emails = [*FOUND[:3], *(f"error-236.{number}@example.com" for number in range(30))]
    assert night.run(emails, "--concurrency", 1).code == 1
    assert night.check(1, pinged="1", success=False)["status"] == "stopped"


def test_2_wrong_settings_and_lists(night: Night) -> None:
    """The settings themselves are wrong: only the files beside the runs can say so. A list is: everybody is told."""
    assert night.run(FOUND).code == 0
    assert night.run(FOUND, "--rate", -1).code == 2
    assert (night.last["exit_code"], len(night.attempts), night.metric("last_attempt_exit_code")) == (2, 2, 0)
    assert night.run(FOUND, "--email-column", "nothing").code == 2
    last = night.check(2, pinged="2", success=False)
    assert "run_id" not in last
    assert night.service.signals == ["start", "0", "start", "2"]


def test_3_some_rows_failed(night: Night) -> None:
    """Too many are a failure, and few enough are a success, though the exit code says that there are some."""
    emails = [*FOUND, "unknown-error.1@example.com"]
    done = night.run(emails, "-q")
    assert done.code == 3
    last = night.check(3, pinged="3", success=False)
    line = next(line for line in done.err.splitlines() if "failed" in line)
    where = str(night.out / f"run={last['run_id']}" / "failures.csv")
    assert [fact for fact in (last["run_id"], "1 of 21 rows", where) if fact not in line] == []
    assert night.run(emails, LEAD_EXPORT_MAX_FAILED_SHARE="0.05").code == 3
    night.check(3, pinged="0", success=True)


def test_4_refused(night: Night) -> None:
    """After half of the list: the sentence says which run, how far it got, the exit code, and what to do."""
    night.sandbox.control(revoke_after=10)
    assert night.run(FOUND, "--concurrency", 1, "-q").code == 4
    last = night.check(4, pinged="4", success=False)
    facts = (f"Run {last['run_id']}", "exit code 4", "10 of 20 rows", "same command", "KARTRA_")
    assert [fact for fact in facts if fact not in last["sentence"]] == []
    assert night.metric("last_success_timestamp_seconds") == 0


def test_5_unavailable_keeps_the_last_success(night: Night) -> None:
    """The API answers nothing but errors; the good run of before stays the last success."""
    assert night.run(FOUND).code == 0
    before = night.metric("last_success_timestamp_seconds")
    night.sandbox.control(outage_from=1)
    failed = night.run(FOUND, LEAD_EXPORT_OUTAGE_PATIENCE_S="0", LEAD_EXPORT_MAX_ATTEMPTS="1")
    assert failed.code == 5
    assert night.check(5, pinged="5", success=False)["status"] == "stopped"
    assert night.metric("last_success_timestamp_seconds") == before > 0


def test_7_busy(night: Night) -> None:
    """A second run changes no state of the service, and neither does it hide that the first is at work."""
    night.sandbox.control(latency_ms=100)
    first = night.begin("-q")
    first.wait_for(night.sandbox, 2)
    assert night.run(FOUND).code == 7
    night.check(7, pinged="log", success=False)
    assert first.ended().code == 0
    night.check(0, pinged="0", success=True)
    assert [attempt.exit_code for attempt in night.attempts] == [7, 0]
    assert night.service.signals == ["start", "log", "0"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_130_and_143_signals(night: Night, number: signal.Signals, code: int) -> None:
    """The reporters still run."""
    night.sandbox.control(latency_ms=50)
    running = night.begin("-q")
    running.wait_for(night.sandbox, 4)
    running.child.send(number)
    assert running.ended().code == code
    last = night.check(code, pinged=str(code), success=False)
    assert last["rows"]["pending"] > 0


def test_a_killed_attempt_is_told_by_the_next(night: Night) -> None:
    """After kill -9, `status` says that it ended without a word, and so does the next attempt, to everybody."""
    night.sandbox.control(latency_ms=100)
    running = night.begin("-q", "--run-id", "killed")
    running.wait_for(night.sandbox, 2)
    assert lead_export("status", night.out, "--json").json["attempts"] == []
    running.child.kill()
    assert running.ended().code == -signal.SIGKILL
    (seen,) = lead_export("status", night.out, "--json").json["attempts"]
    assert (seen["exit_code"], seen["run_id"], "without a word" in seen["sentence"]) == (None, "killed", True)
    night.sandbox.control(latency_ms=0)
    done = night.run(FOUND, "-q")
    assert done.code == 0
    assert "without a word" in done.err.splitlines()[0]
    last = night.check(0, pinged="0", success=True)
    assert "without a word" in last["notes"][0]
    assert last["notes"][0] in night.service.told[-1].body
    assert [(attempt.exit_code, attempt.run_id) for attempt in night.attempts] == [(None, "killed"), (0, "killed")]
    assert night.run(FOUND, "-q").is_quiet


@pytest.mark.parametrize("status", [404, 302])
def test_a_service_that_does_not_know_us_changes_no_exit_code(night: Night, status: int) -> None:
    """The run ends as it would have; one warning says what is wrong, without the URL."""
    night.service.status = status
    done = night.run(FOUND)
    assert done.code == 0
    (warning,) = [line for line in done.err.splitlines() if "Monitoring" in line]
    assert (str(status) in warning, "secret-token" in done.err) == (True, False)
    assert night.last["exit_code"] == 0


def test_a_signal_skips_reporters_that_hang(night: Night) -> None:
    """Ctrl-C while a service hangs: at once, with the exit code of the run."""
    night.service.hangs.set()
    running = night.begin()
    while not (night.out / ".lead-export" / "last-attempt.json").exists():
        assert running.child.runs
        time.sleep(0.01)
    time.sleep(0.1)
    before = time.monotonic()
    running.child.send(signal.SIGINT)
    done = running.ended()
    assert (done.code, time.monotonic() - before < 5) == (0, True)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("words", [["--sandbox"], ["--no-monitor"]])
def test_rehearsals_report_nothing(night: Night, words: list[str]) -> None:
    """Unless they are asked to."""
    people = write_list(night.folder / "people.csv", FOUND[:2])
    plain = {key: value for key, value in night.env.items() if "PING" in key or "METRICS" in key}
    env = plain if words == ["--sandbox"] else night.env
    goal = [] if words == ["--sandbox"] else ["--api-url", night.sandbox.url]
    assert lead_export("run", people, "--out", night.out, *goal, *words, **env).code == 0
    assert night.service.told == []
    assert not (night.out / ".lead-export" / "history.jsonl").exists()
    assert not (night.folder / "leads.prom").exists()


def test_enrich_reports_if_it_is_asked_to(night: Night) -> None:
    """By hand it is nobody's business; with --monitor it pings, and keeps no history beside its file."""
    people = write_list(night.folder / "people.csv", FOUND[:2])
    words = ["enrich", people, *target(night.sandbox, night.folder / "rich.csv"), "--force"]
    assert lead_export(*words, **night.env).code == 0
    assert night.service.told == []
    assert lead_export(*words, "--monitor", **night.env).code == 0
    assert night.service.signals == ["start", "0"]
    assert [path.name for path in night.folder.iterdir() if path.name.startswith(".")] == []


def test_a_probe(night: Night) -> None:
    """0 while the newest good run is young enough, 3 otherwise; one line that says why."""
    night.out.mkdir()
    never = lead_export("status", night.out, "--max-age", "26h")
    assert (never.code, never.out.count("\n"), never.out.startswith("LATE")) == (3, 1, True)
    assert night.run(FOUND).code == 0
    young = lead_export("status", night.out, "--max-age", "26h")
    assert (young.code, young.out.count("\n"), young.out.startswith("OK")) == (0, 1, True)
    assert lead_export("status", night.out, "--max-age", "26h", "-q").out == ""
    night.sandbox.control(revoke_after=1)
    assert night.run(FOUND, "--concurrency", 1).code == 4
    late = lead_export("status", night.out, "--max-age", "0s", "-q")
    assert (late.code, late.out.count("\n"), "exit 4" in late.out) == (3, 1, True)
    assert lead_export("status", night.out, "--max-age", "26h", "--json").json["ok"] is True
    for wrong in ("26", "h", "1w", "-1h", "1e9h"):
        assert lead_export("status", night.out, "--max-age", wrong).code == 2


def test_check_tries_the_ping(night: Night) -> None:
    """With --ping, a text that changes no state; without, nobody is told. What would fail is exit code 2."""
    words = ["check", "--api-url", night.sandbox.url, "--out", night.out]
    assert lead_export(*words, **night.env).code == 0
    assert night.service.told == []
    done = lead_export(*words, "--ping", **night.env)
    assert (done.code, night.service.signals, "secret-token" in done.out) == (0, ["log"], False)
    night.service.status = 404
    assert lead_export(*words, "--ping", **night.env).code == 2
    assert lead_export(*words, **{**night.env, "LEAD_EXPORT_METRICS_FILE": "/none/leads.prom"}).code == 2
    assert lead_export(*words, "--ping", **{**night.env, "LEAD_EXPORT_PING_URL": ""}).code == 2


BUG = """
from pathlib import Path
from pipeline.cli.main import cli, main
from pipeline.cli.monitor import Monitor
from pipeline.cli.options import takes_settings

@cli.command("fails")
@takes_settings()
def fails(settings):
    monitor = Monitor.current()
    monitor.attempt("run", Path("leads"))
    monitor.knows(settings.load())
    monitor.began()
    monitor.named("nightly")
    MISHAP

main()
"""


def test_1_an_unexpected_exception(night: Night) -> None:
    """What nobody has thought of is reported like everything else, without a value."""
    (night.out / ".lead-export").mkdir(parents=True)
    program = BUG.replace("MISHAP", '{}["ann@example.com"]')
    done = Running(night.process, "fails", program=program, cwd=str(night.folder), **night.env).ended()
    assert done.code == 1
    last = night.check(1, pinged="1", success=False)
    assert ("Run nightly" in last["sentence"], "@" in json.dumps(last) + done.err) == (True, False)


def test_6_too_little_memory(night: Night) -> None:
    """One sentence with what to do, and no bug, wherever the memory runs out."""
    (night.out / ".lead-export").mkdir(parents=True)
    program = BUG.replace("MISHAP", "bytearray(1 << 62)")
    done = Running(night.process, "fails", program=program, cwd=str(night.folder), **night.env).ended()
    assert (done.code, done.err.count("\n"), "memory" in done.err) == (6, 1, True)
    assert "Run nightly" in night.check(6, pinged="6", success=False)["sentence"]


def test_forgotten_and_replaced_runs_are_told_in_quiet_nights(night: Night) -> None:
    """A warning of what is taken over or left over is never silent; other warnings are."""
    night.sandbox.control(revoke_after=5)
    assert night.run(FOUND, "-q", "--run-id", "old", "--concurrency", 1).code == 4
    night.sandbox.control(revoke_after=0)
    left = night.run(FOUND[:3], "-q", "--run-id", "other")
    assert (left.code, "old" in left.err) == (0, True)
    replaced = night.run(FOUND[:4], "-q", "--unfinished", "replace", LEAD_EXPORT_NOTHING="1")
    assert (replaced.code, "old" in replaced.err, "takes over" in replaced.err) == (0, True, True)
    assert "LEAD_EXPORT_NOTHING" not in replaced.err
    assert any("takes over" in note for note in night.last["notes"])


def test_drift_is_told_once(night: Night) -> None:
    """The first quiet night names it; the next is silent, until there is more of it."""
    first = night.run(FOUND, "-q")
    assert (first.is_quiet, "account_tier" in first.err) == (True, True)
    assert night.run(FOUND, "-q") == Result(0, "", "")


def test_the_reason_survives_a_full_disk(night: Night) -> None:
    """The journal cannot take it any more, but last-attempt.json has room, and `status` shows it."""
    disk = night.folder / "disk"
    disk.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=10m", "tmpfs", str(disk)]
    if subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    try:
        out = disk / "leads"
        people = write_list(night.folder / "people.csv", [f"person.{number}@example.com" for number in range(300)])
        night.sandbox.control(latency_ms=20)
        run_words: list[object] = ["run", people, *target(night.sandbox, out), "--concurrency", 2, "-q"]
        running = Running(night.process, *run_words, **night.env)
        running.wait_for(night.sandbox, 50)
        with (disk / "ballast").open("wb", buffering=0) as file:
            while os.statvfs(disk).f_bavail:
                file.write(b"x" * 4_096)
        done = running.ended()
        assert done.code == 6
        assert (night.service.signals[-1], night.metric("last_attempt_exit_code")) == ("6", 6)
        last = json.loads((out / ".lead-export" / "last-attempt.json").read_text())
        assert (last["exit_code"], last["sentence"] in done.err) == (6, True)
        (unfinished,) = lead_export("status", out, "--json").json["unfinished"]
        assert "full" in unfinished["reason"]
        (disk / "ballast").unlink()
        assert run(people, night.sandbox, out, **night.env).code == 0
        assert [attempt.exit_code for attempt in read_history(out / ".lead-export")] == [6, 0]
    finally:
        subprocess.run(["umount", disk], check=False, capture_output=True)  # noqa: S607 - found on PATH

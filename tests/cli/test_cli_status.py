"""`lead-export status`: the runs in a folder, as text and as JSON."""

from __future__ import annotations

import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, command, environment, lead_export, run, target, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

PEOPLE = [f"person.{number}@example.com" for number in range(30)]
PUBLISHED_KEYS = ["run_id", "status", "started_at", "finished_at", "rows", "bytes", "latest"]
UNFINISHED_KEYS = [
    *("run_id", "started_at", "addresses", "answered", "failed", "stopped_at", "reason", "command", "bytes", "file"),
    *("written_at", "kept_until"),
]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of addresses of which one is not found."""
    return write_list(tmp_path / "people.csv", [*PEOPLE, "not-found@example.com"])


def test_published_and_stopped_runs_are_shown(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Time, rows by outcome and size; progress, reason of the stop and the command that resumes the run."""
    out = tmp_path / "export"
    assert run(people, sandbox, out, "--run-id", "first").code == 0
    sandbox.control(revoke_after=40)
    assert run(people, sandbox, out, "--run-id", "second", "--new").code == 4
    done, shown = lead_export("status", out), lead_export("status", out, "--json").json
    assert (done.code, done.err) == (0, "")
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", re.sub(r"\d\.\d MB", "SIZE", done.out)).splitlines() == [
        "first: complete, latest",
        "  published TIME UTC, SIZE",
        "  31 rows: 30 found, 1 not found",
        "second: unfinished",
        "  9 of 31 addresses answered, SIZE",
        f"  started TIME UTC; stopped TIME UTC: {shown['unfinished'][0]['reason']}",
        f"  resume with: {shown['unfinished'][0]['command']}",
    ]
    assert [(r["run_id"], r["status"], r["latest"], r["rows"]["found"]) for r in shown["published"]] == [
        ("first", "complete", True, 30)
    ]
    stopped = shown["unfinished"][0]
    assert (stopped["run_id"], stopped["addresses"], stopped["answered"]) == ("second", 31, 9)
    assert shown["holder"] is None
    assert "@" not in done.out


@pytest.mark.usefixtures("people")
def test_the_command_it_shows_resumes_the_run(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """From any folder, with or without a shell's quotes; no address is looked up twice."""
    (tmp_path / "a b").mkdir()
    words = command("run", "../people.csv", "--out", "ex port", "--api-url", sandbox.url, "--rate", 0, "--new")
    sandbox.control(revoke_after=10)
    subprocess.run(words, cwd=tmp_path / "a b", env=environment({**CREDENTIALS, **NO_DELAYS}), check=False)
    sandbox.control(revoke_after=0)
    shown = lead_export("status", tmp_path / "a b" / "ex port", "--json").json["unfinished"][0]["command"]
    assert "--new" not in shown
    assert "&& python -m pipeline run ../people.csv --out 'ex port'" in shown
    script = shown.replace("python -m pipeline", " ".join(command()))
    subprocess.run(["/bin/sh", "-c", script], env=environment({**CREDENTIALS, **NO_DELAYS}), check=True)
    assert (tmp_path / "a b" / "ex port" / "latest" / "manifest.json").exists()
    assert (sandbox.stats()["asked"], sandbox.stats()["answered_twice_or_more"]) == (31 + 1, 0)  # and a probe


def test_a_run_at_work_and_a_killed_one(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """A running one is shown with its process and is not disturbed; of a killed one no reason is known."""
    sandbox.control(latency_ms=100)
    words = command("run", people, *target(sandbox, tmp_path / "export"), "--concurrency", 1, "-q")
    with subprocess.Popen(words, env=environment({**CREDENTIALS, **NO_DELAYS})) as child:
        while sandbox.stats()["answered"] < 3:
            assert child.poll() is None
        at_work = lead_export("status", tmp_path / "export")
        assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    assert f"process {child.pid}, running since " in at_work.out
    killed = lead_export("status", tmp_path / "export", "--json").json
    assert (killed["holder"], killed["unfinished"][0]["reason"]) == (None, None)
    assert "killed" in lead_export("status", tmp_path / "export").out


def test_damaged_runs_are_listed(tmp_path: Path) -> None:
    """A run without a manifest, and a journal that cannot be read."""
    (tmp_path / "run=broken").mkdir()
    (tmp_path / ".lead-export").mkdir()
    (tmp_path / ".lead-export" / "odd.journal").write_text("x" * 5_000)
    done = lead_export("status", tmp_path)
    assert (done.code, done.err) == (0, "")
    assert "broken: damaged" in done.out
    assert "odd: unfinished\n" in done.out
    shown = lead_export("status", tmp_path, "--json").json
    assert list(shown) == ["folder", "holder", "published", "unfinished"]
    assert list(shown["published"][0]) == PUBLISHED_KEYS
    assert (shown["published"][0]["run_id"], shown["published"][0]["rows"]) == ("broken", {})
    assert list(shown["unfinished"][0]) == UNFINISHED_KEYS
    assert "odd.journal" in shown["unfinished"][0]["reason"]
    assert (shown["unfinished"][0]["run_id"], shown["unfinished"][0]["answered"]) == ("odd", None)


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    """A folder without runs is fine; a missing folder is exit 2. Nothing is created or changed."""
    done = lead_export("status", tmp_path)
    assert (done.code, done.out.count("\n")) == (0, 1)
    assert list(tmp_path.iterdir()) == []
    for name in ("none", "file"):
        (tmp_path / "file").touch()
        assert str(tmp_path / name) in lead_export("status", tmp_path / name).sentence

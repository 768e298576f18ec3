"""`lead-export status`: the runs in a folder, as text and as JSON."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import (
    CREDENTIALS,
    NO_DELAYS,
    Running,
    command,
    environment,
    lead_export,
    own_process,
    run,
    target,
    write_list,
)

if TYPE_CHECKING:
    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox

PEOPLE = [f"person.{number}@example.com" for number in range(30)]
PUBLISHED_KEYS = [
    "run_id",
    "status",
    "started_at",
    "finished_at",
    "rows",
    "bytes",
    "latest",
    "answers",
    "tables_removed_at",
]
UNFINISHED_KEYS = [
    *(
        "run_id",
        "started_at",
        "addresses",
        "answered",
        "failed",
        "to_ask",
        "carried",
        "deadline",
        "stopped_at",
        "reason",
        "command",
        "bytes",
        "file",
    ),
    *("written_at", "kept_until"),
    "obstacles",
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
        "last attempts:",
        "  TIME UTC, exit 0: Run first: 31 rows read, 30 found, 1 not found.",
        f"  TIME UTC, exit 4: {shown['attempts'][1]['sentence']}",
    ]
    assert [(r["run_id"], r["status"], r["latest"], r["rows"]["found"]) for r in shown["published"]] == [
        ("first", "complete", True, 30)
    ]
    stopped = shown["unfinished"][0]
    assert (stopped["run_id"], stopped["addresses"], stopped["answered"]) == ("second", 31, 9)
    assert shown["holder"] is None
    assert "@" not in done.out


@pytest.mark.usefixtures("people")
def test_the_command_it_shows_resumes_the_run(process: Preloaded, sandbox: RunningSandbox, tmp_path: Path) -> None:
    """From any folder, with no search path, with a shell's quotes; no address is looked up twice."""
    (tmp_path / "a b").mkdir()
    words = ["run", "../people.csv", "--out", "ex port", "--api-url", sandbox.url, "--rate", 0, "--new"]
    sandbox.control(revoke_after=10)
    assert Running(process, *words, cwd=str(tmp_path / "a b"), **CREDENTIALS, **NO_DELAYS).ended().code == 4
    sandbox.control(revoke_after=0)
    shown = lead_export("status", tmp_path / "a b" / "ex port", "--json").json["unfinished"][0]["command"]
    assert "--new" not in shown
    assert f"&& {shlex.join(command())} run ../people.csv --out 'ex port'" in shown
    subprocess.run(["/bin/sh", "-c", shown], env={**CREDENTIALS, **NO_DELAYS}, check=True)
    assert (tmp_path / "a b" / "ex port" / "latest" / "manifest.json").exists()
    assert (sandbox.stats()["asked"], sandbox.stats()["answered_twice_or_more"]) == (31 + 1, 0)  # and a probe


def test_the_command_names_the_program_in_full(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the program was found: on the search path, or by a relative path."""
    installed = Path(sys.executable).parent / "lead-export"
    sandbox.control(revoke_after=10)
    monkeypatch.chdir(installed.parents[1])
    env = environment({**CREDENTIALS, **NO_DELAYS, "PATH": str(installed.parent)})
    for number, program in enumerate(("lead-export", f"{installed.parent.name}/lead-export")):
        out = tmp_path / str(number)
        subprocess.run([program, "run", people, *map(str, target(sandbox, out)), "-q"], env=env, check=False)
        shown = lead_export("status", out, "--json").json["unfinished"][0]["command"]
        assert shown.startswith(f"{installed} run ")


def test_what_keeps_the_command_from_resuming_is_said(
    process: Preloaded, sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Credentials that are not set here, and a list that has changed or gone meanwhile; with all in order, nothing."""
    out, before = tmp_path / "export", people.read_bytes()
    sandbox.control(revoke_after=10)
    words = ["run", people.name, *target(sandbox, out)]
    assert Running(process, *words, cwd=str(tmp_path), **CREDENTIALS, **NO_DELAYS).ended().code == 4

    def said(**env: str) -> str:
        obstacles = lead_export("status", out, "--json", **env).json["unfinished"][0]["obstacles"]
        text = " ".join(obstacles)
        assert [one for one in obstacles if one not in lead_export("status", out, **env).out] == []
        return text

    assert said(**CREDENTIALS) == ""
    assert "KARTRA_API_KEY" in said()
    assert "App id" not in said()
    assert "App id" in said(**{**CREDENTIALS, "KARTRA_APP_ID": "another"})
    people.write_bytes(before + b"new@example.com\n")
    assert "people.csv has changed since (it had 31 rows)" in said(**CREDENTIALS)
    assert "a new run that takes over its answers" in said(**CREDENTIALS, LEAD_EXPORT_UNFINISHED="replace")
    another = {**CREDENTIALS, "KARTRA_APP_ID": "another"}
    assert "start over" in said(**another, LEAD_EXPORT_UNFINISHED="replace")
    people.unlink()
    assert "No such file" in said(**CREDENTIALS)
    people.write_bytes(before)
    assert said(**CREDENTIALS) == ""


def test_a_command_that_needs_the_settings_of_then(
    process: Preloaded, sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Credentials in the file of the command are found from any folder; without the file, that is what is said."""
    config, out = tmp_path / "job.toml", tmp_path / "export"
    config.write_text("".join(f'{name[7:].lower()} = "{value}"\n' for name, value in CREDENTIALS.items()))
    config.chmod(0o600)
    sandbox.control(revoke_after=10)
    words = ["run", people, *target(sandbox, out), "--config", config.name]
    assert Running(process, *words, cwd=str(tmp_path), **NO_DELAYS).ended().code == 4
    assert lead_export("status", out, "--json").json["unfinished"][0]["obstacles"] == []
    config.unlink()
    (obstacle,) = lead_export("status", out, "--json").json["unfinished"][0]["obstacles"]
    assert str(config) in obstacle


def test_a_list_that_was_piped_in_has_to_be_piped_in_again(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Nobody can tell whether a pipe would give the same."""
    out = tmp_path / "export"
    sandbox.control(revoke_after=10)
    assert own_process("run", "-", *target(sandbox, out), stdin="\n".join(PEOPLE), **CREDENTIALS, **NO_DELAYS).code == 4
    (obstacle,) = lead_export("status", out, "--json", **CREDENTIALS).json["unfinished"][0]["obstacles"]
    assert "standard input" in obstacle


def test_a_run_at_work_and_a_killed_one(
    process: Preloaded, sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """A running one is shown with its process and is not disturbed; of a killed one no reason is known."""
    sandbox.control(latency_ms=100)
    words = ["run", people, *target(sandbox, tmp_path / "export"), "--concurrency", 1, "-q"]
    running = Running(process, *words, **CREDENTIALS, **NO_DELAYS)
    running.wait_for(sandbox, 3)
    at_work = lead_export("status", tmp_path / "export")
    assert running.child.runs
    running.child.kill()
    assert running.ended().code == -signal.SIGKILL
    assert f"process {running.child.pid}, running since " in at_work.out
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
    assert list(shown) == ["folder", "holder", "published", "unfinished", "attempts", "expires"]
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

"""`lead-export status`: what lies in a folder, in words and as JSON."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, OPTIONS, command, environment, lead_export, run, target, write_list

from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PEOPLE = [f"person.{number}@example.com" for number in range(30)]


@pytest.fixture
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox whose switches a test may change."""
    with running(OPTIONS) as started:
        yield started


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of addresses that are all found but one."""
    return write_list(tmp_path / "people.csv", [*PEOPLE, "not-found@example.com"])


def test_published_and_stopped_runs_are_shown(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """When, how many rows of each class, how large; how far, why it stopped and the command that goes on."""
    out = tmp_path / "export"
    assert run(people, sandbox, out, "--run-id", "first").code == 0
    sandbox.control(revoke_after=40)
    assert run(people, sandbox, out, "--run-id", "second", "--new").code == 4
    said, shown = lead_export("status", out), lead_export("status", out, "--json").json
    assert (said.code, said.err) == (0, "")
    assert re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "TIME", re.sub(r"\d\.\d MB", "SIZE", said.out)).splitlines() == [
        "first: complete, latest",
        "  published TIME UTC, SIZE",
        "  31 rows: 30 found, 1 not found",
        "second: unfinished",
        "  9 of 31 addresses answered, SIZE",
        f"  begun TIME UTC; stopped TIME UTC: {shown['unfinished'][0]['reason']}",
        f"  goes on with: lead-export run {people} --out {out} --api-url {sandbox.url} --rate 0 --run-id second",
    ]
    assert [(r["run_id"], r["status"], r["latest"], r["rows"]["found"]) for r in shown["published"]] == [
        ("first", "complete", True, 30)
    ]
    stopped = shown["unfinished"][0]
    assert (stopped["run_id"], stopped["addresses"], stopped["answered"]) == ("second", 31, 9)
    assert shown["holder"] is None
    assert "@" not in said.out


@pytest.mark.usefixtures("people")
def test_command_it_shows_goes_on(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Given in a shell, wherever one stands: it finishes the run, and nothing is asked twice."""
    (tmp_path / "a b").mkdir()
    words = command("run", "../people.csv", "--out", "ex port", "--api-url", sandbox.url, "--rate", 0, "--new")
    sandbox.control(revoke_after=10)
    subprocess.run(words, cwd=tmp_path / "a b", env=environment({**CREDENTIALS, **NO_DELAYS}), check=False)
    sandbox.control(revoke_after=0)
    shown = lead_export("status", tmp_path / "a b" / "ex port", "--json").json["unfinished"][0]["command"]
    assert "--new" not in shown
    script = shown.replace("lead-export", " ".join(command()))
    subprocess.run(["/bin/sh", "-c", script], env=environment({**CREDENTIALS, **NO_DELAYS}), check=True)
    assert (tmp_path / "a b" / "ex port" / "latest" / "manifest.json").exists()
    assert (sandbox.stats()["asked"], sandbox.stats()["answered_twice_or_more"]) == (31, 0)


def test_a_run_at_work_and_a_killed_one(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """While it runs its process is named, and it is not disturbed; after kill -9 it says so."""
    sandbox.control(latency_ms=100)
    words = command("run", people, *target(sandbox, tmp_path / "export"), "--concurrency", 1, "-q")
    with subprocess.Popen(words, env=environment({**CREDENTIALS, **NO_DELAYS})) as child:
        while sandbox.stats()["answered"] < 3:
            assert child.poll() is None
        at_work = lead_export("status", tmp_path / "export")
        assert child.poll() is None
        child.send_signal(signal.SIGKILL)
    assert "a run is at work here" in at_work.out
    assert f"process {child.pid}, running since " in at_work.out
    assert "it ended without a word: killed" in lead_export("status", tmp_path / "export").out


def test_what_is_damaged_is_said(tmp_path: Path) -> None:
    """A run without a manifest and a journal that is none are listed as what they are."""
    (tmp_path / "run=broken").mkdir()
    (tmp_path / ".lead-export").mkdir()
    (tmp_path / ".lead-export" / "odd.journal").write_text("x" * 5_000)
    said = lead_export("status", tmp_path)
    assert (said.code, said.err) == (0, "")
    assert "broken: damaged: the manifest cannot be read" in said.out
    assert "odd: unfinished\n" in said.out
    assert "file is not a database" in said.out
    assert json.loads(lead_export("status", tmp_path, "--json").out)["unfinished"][0]["answered"] is None


def test_an_empty_folder_and_none(tmp_path: Path) -> None:
    """No runs is no error; no folder is exit 2 with one sentence. Nothing is made or changed."""
    said = lead_export("status", tmp_path)
    assert (said.code, said.out) == (0, f"{tmp_path}: there are no runs here.\n")
    assert list(tmp_path.iterdir()) == []
    for name in ("none", "file"):
        (tmp_path / "file").touch()
        said = lead_export("status", tmp_path / name)
        assert (said.code, said.out) == (2, "")
        assert said.err == f"lead-export: {tmp_path / name}: there is no such folder; name the --out of a run.\n"


def test_nobody_has_to_read_it_to_the_end(tmp_path: Path) -> None:
    """A reader that has gone is no error and no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(command("status", tmp_path), stdout=writing, stderr=subprocess.PIPE, text=True) as child:
        os.close(writing)
        assert child.communicate()[1] == ""
    assert child.returncode == 0

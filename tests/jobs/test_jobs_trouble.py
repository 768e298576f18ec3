"""The limit and its trouble for real: the command against the sandbox's strict window, two processes, outages."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from cli_command import command
from jobs_lists import CREDENTIALS, write_list

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {f"KARTRA_{key.upper()}": value for key, value in CREDENTIALS.items()}


def started(
    sandbox: RunningSandbox, folder: Path, name: str, addresses: int, **settings: object
) -> subprocess.Popen[str]:
    """A run over that many new addresses, at the default pace unless settings say otherwise."""
    people = write_list(folder / f"{name}.txt", [f"{name}{n}@example.com" for n in range(addresses)])
    chosen = {f"LEAD_EXPORT_{key.upper()}": str(value) for key, value in settings.items()}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", str(people), "--out", str(folder / name), "--api-url", sandbox.url],
        env={**os.environ, **ENVIRONMENT, "LEAD_EXPORT_STATE_FOLDER": str(folder / "state"), **chosen},
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(run: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit code and standard error of a run that has ended."""
    _, said = run.communicate(timeout=60)
    return run.returncode, said


def test_two_processes_of_one_app_share_the_pace(tmp_path: Path) -> None:
    """Together they hold the limit and both go on; when one is killed the other ends undisturbed."""
    with running(SandboxOptions(limit_per_s=20, latency_ms=20)) as sandbox:
        runs = [started(sandbox, tmp_path, name, count) for name, count in (("one", 30), ("two", 30), ("killed", 900))]
        assert [ended(run)[0] for run in runs[:2]] == [0, 0]
        runs[2].kill()
        ended(runs[2])
        assert ended(started(sandbox, tmp_path, "after", 10))[0] == 0
        stats = sandbox.stats(addresses=True)
    mine = [sum(address.startswith(name) for address in stats["addresses"]) for name in ("one", "two", "after")]
    assert (stats["throttled"], mine) == (0, [30, 30, 10])
    assert stats["worst_second"] <= 20
    shared_while_both_ran = sum(address.startswith("killed") for address in stats["addresses"])
    assert shared_while_both_ran >= 20


@pytest.mark.parametrize("style", ["http", "body", "message"])
def test_every_kind_of_429_is_understood(tmp_path: Path, style: str) -> None:
    """However the API says that it is too much, the run waits and finds everybody."""
    with running(SandboxOptions(limit_per_s=4, throttle_style=style)) as sandbox:
        code, said = ended(started(sandbox, tmp_path, "person", 10))
        stats = sandbox.stats()
    assert (code, stats["answered"], stats["answered_twice_or_more"]) == (0, 10, 0)
    assert 1 <= stats["throttled"] <= 4
    assert f"{stats['throttled']} throttled" in said
    manifest = json.loads((tmp_path / "person" / "latest" / "manifest.json").read_text())
    assert manifest["speed"]["bound_by"] == "server-throttled"
    assert sum(spell["times"] for spell in manifest["trouble"]["throttled"]) == stats["throttled"]
    assert manifest["trouble"]["outages"] == []


def test_an_outage_is_waited_for(tmp_path: Path) -> None:
    """After two seconds of outage the run continues, finds everybody and repeats no answered call."""
    with running(SandboxOptions(limit_per_s=0, outage_from=20, outage_s=2)) as sandbox:
        code, said = ended(started(sandbox, tmp_path, "person", 100, rate_per_s=100, max_attempts=2))
        stats = sandbox.stats()
    assert (code, stats["answered_twice_or_more"]) == (0, 0)
    assert "100 found" in said
    assert said.count("WARNING: ") == 2  # when the outage began, and when it was over
    manifest = json.loads((tmp_path / "person" / "latest" / "manifest.json").read_text())
    (spell,) = manifest["trouble"]["outages"]
    assert manifest["started_at"] < spell["since"] < spell["until"] < manifest["finished_at"]


def test_a_permanent_outage_is_exit_5_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """After the patience the run stops; when the API is back the same command asks for the rest only."""
    settings = {"rate_per_s": 0, "concurrency": 4, "outage_patience_s": 0.5, "retry_first_delay_s": 0.05}
    with running(SandboxOptions(limit_per_s=0, outage_from=30)) as sandbox:
        code, said = ended(started(sandbox, tmp_path, "person", 60, **settings))
        assert (code, "@" in said) == (5, False)
        assert "29 found" in said
        assert "0.5 s" in said.splitlines()[-1]
        assert f"\n    {shlex.join(command())} run " in said
        sandbox.control(outage_from=0)
        code, said = ended(started(sandbox, tmp_path, "person", 60, **settings))
        stats = sandbox.stats()
    assert (code, stats["answered_twice_or_more"]) == (0, 0)
    assert "31 calls" in said
    assert "29 from the previous attempt" in said

"""The limit and its trouble for real: the command against the sandbox's strict window, two processes, outages."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from cli_command import Running, command, manifest_of
from jobs_lists import CREDENTIALS, write_list

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from pathlib import Path

    from preloaded import Preloaded

Begin = Callable[..., Running]


@pytest.fixture
def begin(process: Preloaded, tmp_path: Path) -> Begin:
    """Begins a run over so many new addresses, at the default pace unless settings say otherwise."""

    def begun(sandbox: RunningSandbox, name: str, addresses: int, **settings: object) -> Running:
        people = write_list(tmp_path / f"{name}.txt", [f"{name}{n}@example.com" for n in range(addresses)])
        chosen = {f"LEAD_EXPORT_{key.upper()}": str(value) for key, value in settings.items()}
        credentials = {f"KARTRA_{key.upper()}": value for key, value in CREDENTIALS.items()}
        env = {**credentials, "LEAD_EXPORT_STATE_FOLDER": str(tmp_path / "state"), **chosen}
        return Running(process, "run", people, "--out", tmp_path / name, "--api-url", sandbox.url, **env)

    return begun


def test_two_processes_of_one_app_share_the_pace(begin: Begin) -> None:
    """Together they hold the limit and both go on; when one is killed the other ends undisturbed."""
    with running(SandboxOptions(limit_per_s=20, latency_ms=20)) as sandbox:
        runs = [begin(sandbox, name, count) for name, count in (("one", 30), ("two", 30), ("killed", 900))]
        assert [run.ended().code for run in runs[:2]] == [0, 0]
        runs[2].child.kill()
        assert runs[2].ended().code == -signal.SIGKILL
        assert begin(sandbox, "after", 10).ended().code == 0
        stats = sandbox.stats(addresses=True)
    mine = [sum(address.startswith(name) for address in stats["addresses"]) for name in ("one", "two", "after")]
    assert (stats["throttled"], mine) == (0, [30, 30, 10])
    assert stats["worst_second"] <= 20
    shared_while_both_ran = sum(address.startswith("killed") for address in stats["addresses"])
    assert shared_while_both_ran >= 20


def test_a_429_is_waited_for(begin: Begin, tmp_path: Path) -> None:
    """The API says that it is too much: the run waits, finds everybody, and says what it was bound by."""
    with running(SandboxOptions(limit_per_s=4)) as sandbox:
        done = begin(sandbox, "person", 10).ended()
        stats = sandbox.stats()
    assert (done.code, stats["answered"], stats["answered_twice_or_more"]) == (0, 10, 0)
    assert 1 <= stats["throttled"] <= 4
    assert f"{stats['throttled']} throttled" in done.err
    manifest = manifest_of(tmp_path / "person")
    assert manifest["speed"]["bound_by"] == "server-throttled"
    assert sum(spell["times"] for spell in manifest["trouble"]["throttled"]) == stats["throttled"]
    assert manifest["trouble"]["outages"] == []


def test_an_outage_is_waited_for(begin: Begin, tmp_path: Path) -> None:
    """After two seconds of outage the run continues, finds everybody and repeats no answered call."""
    with running(SandboxOptions(limit_per_s=0, outage_from=20, outage_s=2)) as sandbox:
        done = begin(sandbox, "person", 100, rate_per_s=100, max_attempts=2).ended()
        stats = sandbox.stats()
    assert (done.code, stats["answered_twice_or_more"]) == (0, 0)
    assert "100 found" in done.err
    assert done.err.count("WARNING: ") == 2  # when the outage began, and when it was over
    manifest = manifest_of(tmp_path / "person")
    (spell,) = manifest["trouble"]["outages"]
    assert manifest["started_at"] < spell["since"] < spell["until"] < manifest["finished_at"]


def test_a_permanent_outage_is_exit_5_and_the_same_command_goes_on(begin: Begin) -> None:
    """After the patience the run stops; when the API is back the same command asks for the rest only."""
    settings = {"rate_per_s": 0, "concurrency": 4, "outage_patience_s": 0.5, "retry_first_delay_s": 0.05}
    with running(SandboxOptions(limit_per_s=0, outage_from=30)) as sandbox:
        stopped = begin(sandbox, "person", 60, **settings).ended()
        assert (stopped.code, "@" in stopped.err) == (5, False)
        assert "29 found" in stopped.err
        assert "0.5 s" in stopped.err.splitlines()[-1]
        assert f"\n    {shlex.join(command())} run " in stopped.err
        sandbox.control(outage_from=0)
        resumed = begin(sandbox, "person", 60, **settings).ended()
        stats = sandbox.stats()
    assert (resumed.code, stats["answered_twice_or_more"]) == (0, 0)
    assert "31 calls" in resumed.err
    assert "29 answers from the previous attempt" in resumed.err

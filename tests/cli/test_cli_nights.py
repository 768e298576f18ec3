"""`lead-export rebuild` of many runs by processes of this machine."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from cli_command import OPTIONS, Running, lead_export, run, write_list
from copied_nights import Trap, contents, copies, hidden, kill, night, wait_until_gone, write_manifest

from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from preloaded import Preloaded

EMAILS = [*(f"person.{number}@example.com" for number in range(30)), "not-found@example.com", "wrong-types@example.com"]
needs_proc = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc for who has a file open")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published run without failed rows."""
    folder = tmp_path_factory.mktemp("published")
    with running(OPTIONS) as sandbox:
        assert run(write_list(folder / "people.csv", EMAILS), sandbox, folder / "out").code == 0
    return (folder / "out" / "latest").resolve()


@pytest.fixture
def nights(published: Path, tmp_path: Path) -> list[Path]:
    """Four nights."""
    return copies(published, tmp_path / "export", 4)


@pytest.fixture(scope="module")
def serial(published: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the four nights are, rebuilt one after the other."""
    folder = tmp_path_factory.mktemp("serial")
    assert (
        lead_export("rebuild", *copies(published, folder / "export", 4), "--out", folder / "out", "--workers", 1).code
        == 0
    )
    return contents(folder / "out")


@contextmanager
def meanwhile(*steps: object) -> Iterator[None]:
    """Do these steps, which are functions, one after the other in a thread during the block."""
    errors: list[BaseException] = []

    def do() -> None:
        try:
            for step in steps:
                assert callable(step)
                step()
        except BaseException as error:  # noqa: BLE001 - raised below, in the test's own thread
            errors.append(error)

    thread = threading.Thread(target=do)
    thread.start()
    yield
    thread.join()
    if errors:
        raise errors[0]


def wait_for(out: Path, runs: int, command: Running) -> None:
    """Wait until that many runs are published."""
    while len(list(out.glob("run=*"))) < runs:
        assert command.child.runs
        time.sleep(0.01)


def test_many_runs_are_rebuilt_byte_for_byte(nights: list[Path], serial: dict[str, bytes], tmp_path: Path) -> None:
    """By two processes in any order the files are those of one, and of the runs; `latest` is the newest."""
    out = tmp_path / "out"
    (tmp_path / "export" / "latest").symlink_to(nights[1].name)
    done = lead_export("rebuild", *reversed(nights), tmp_path / "export" / "latest", "--out", out, "--workers", 2)
    assert (done.code, done.out) == (0, "")
    assert done.err.splitlines() == [
        "4 runs: 4 rebuilt",
        "  128 rows read",
        f"  tables in {out}; the newest run is night-3",
    ]
    assert contents(out) == serial
    assert {name: content for name, content in serial.items() if name != "latest"} == {
        name: content for name, content in contents(tmp_path / "export").items() if name != "latest"
    }
    assert hidden(out) == []


def test_the_same_command_goes_on(nights: list[Path], serial: dict[str, bytes], tmp_path: Path) -> None:
    """What is there is left as it is, what is missing is rebuilt, and `latest` is set right."""
    out = tmp_path / "out"
    assert lead_export("rebuild", *nights[:2], "--out", out, "--workers", 1).code == 0
    before = (out / "run=night-0" / "manifest.json").stat().st_ino
    done = lead_export("rebuild", *nights, "--out", out, "--workers", 1, "--json", "-q")
    told = done.json
    assert (done.code, told["rebuilt"], told["present"], told["failed"], told["latest"]) == (0, 2, 2, 0, "night-3")
    assert [(ending["run_id"], ending["status"], ending["rows"]) for ending in told["runs"]] == [
        ("night-0", "present", 32),
        ("night-1", "present", 32),
        ("night-2", "rebuilt", 32),
        ("night-3", "rebuilt", 32),
    ]
    assert contents(out) == serial
    assert (out / "run=night-0" / "manifest.json").stat().st_ino == before
    assert lead_export("rebuild", nights[0], "--out", out).code == 0
    assert contents(out) == serial


def test_a_run_of_other_settings_or_versions_is_not_taken_for_the_same(nights: list[Path], tmp_path: Path) -> None:
    """It is exit 2, and nothing is rebuilt; a run that was damaged there fails alone."""
    out = tmp_path / "out"
    assert lead_export("rebuild", *nights[:2], "--out", out, "--workers", 1).code == 0
    assert str(out / "run=night-0") in lead_export("rebuild", *nights, "--out", out, "--timezone", "EST").sentence
    manifest = json.loads((out / "run=night-1" / "manifest.json").read_bytes())
    write_manifest(out / "run=night-1", manifest | {"tool": {"name": "lead-export", "version": "0.0.1"}})
    assert str(out / "run=night-1") in lead_export("rebuild", *nights, "--out", out).sentence
    write_manifest(out / "run=night-1", manifest)
    with (out / "run=night-1" / "tags.parquet").open("ab") as file:
        file.write(b"x")
    done = lead_export("rebuild", *nights[:3], "--out", out, "--workers", 1)
    assert done.code == 3
    assert "3 runs: 1 rebuilt, 1 there already, 1 failed" in done.err
    assert f"{out / 'run=night-1' / 'tags.parquet'}: differs from what the manifest describes" in done.err


def test_damaged_runs_fail_alone(nights: list[Path], published: Path, tmp_path: Path) -> None:
    """Each is one sentence, and exit 3; the others are published, and the newest of them is `latest`."""
    (nights[0] / "manifest.json").write_text("{")
    with (nights[3] / "replies.parquet").open("ab") as file:
        file.write(b"x")
    bare = json.loads((published / "manifest.json").read_bytes())["tables"]
    del bare["replies"]
    without = night(published, tmp_path / "export", 4, tables=bare)
    out = tmp_path / "out"
    done = lead_export("rebuild", *nights, without, "--out", out, "--workers", 1, "--json")
    assert (done.code, done.json["rebuilt"], done.json["failed"], done.json["latest"]) == (3, 2, 3, "night-2")
    sentences = [line for line in done.err.splitlines() if line.startswith("lead-export: ")]
    assert sorted(sentence.split()[1].rstrip(":") for sentence in sentences) == sorted(
        map(str, [nights[0], nights[3] / "replies.parquet", without])
    )
    assert sorted(path.name for path in out.glob("run=*")) == ["run=night-1", "run=night-2"]
    assert [ending["exit_code"] for ending in done.json["runs"]] == [2, 0, 0, 6, 2]


def test_failed_rows_are_exit_3(published: Path, tmp_path: Path) -> None:
    """As for one run: it was rebuilt, and some of its rows have no answer."""
    folder = tmp_path / "failing"
    with running(OPTIONS) as sandbox:
        people = write_list(tmp_path / "people.csv", ["always-500@example.com", *EMAILS[:3]])
        assert run(people, sandbox, folder, LEAD_EXPORT_MAX_ATTEMPTS="1").code == 3
    runs = [(folder / "latest").resolve(), night(published, tmp_path / "export", 0)]
    done = lead_export("rebuild", *runs, "--out", tmp_path / "out", "--workers", 1)
    assert (done.code, "36 rows read; 1 row failed in 1 run" in done.err) == (3, True)


def test_what_cannot_be_meant_is_exit_2(nights: list[Path], tmp_path: Path) -> None:
    """A run that is not there, two of one name, the folder of the runs itself, a wrong setting: nothing is made."""
    out = tmp_path / "out"
    twin = tmp_path / "other" / nights[0].name
    shutil.copytree(nights[0], twin)
    for runs, options, named in (
        ([*nights, tmp_path / "run=none"], (), str(tmp_path / "run=none")),
        ([*nights, twin], (), f"{nights[0]} and {twin}"),
        (nights, ("--timezone", "Nowhere"), "timezone"),
        (nights, ("--format", "docx"), "docx"),
    ):
        assert named in lead_export("rebuild", *runs, "--out", out, *options).sentence
    assert not out.exists()
    assert "--out" in lead_export("rebuild", *nights, "--out", nights[0].parent).sentence


def test_latest_never_goes_back(nights: list[Path], published: Path, tmp_path: Path) -> None:
    """A newer run that is there already stays the newest."""
    out = tmp_path / "out"
    assert lead_export("rebuild", night(published, tmp_path / "newer", 9), "--out", out).code == 0
    assert lead_export("rebuild", *nights, "--out", out, "--workers", 1).code == 0
    assert (out / "latest").readlink().name == "run=night-9"


@needs_proc
def test_killed_workers_cost_retries_and_a_night_that_kills_fails_alone(
    nights: list[Path], serial: dict[str, bytes], tmp_path: Path
) -> None:
    """A night is tried again; after two workers it comes alone, after all others, and then it has failed.

    The others are published, and the same command goes on once the cause is gone.
    """
    out, trap, unlucky = tmp_path / "out", Trap(nights[0]), Trap(nights[2])

    def kill_the_last() -> None:
        pid = trap.catch()
        assert {path.name for path in out.glob("run=*")} == {path.name for path in nights[1:]}
        kill(pid)

    with meanwhile(trap.kill, lambda: unlucky.kill(restore=True), trap.kill, kill_the_last):
        done = lead_export("rebuild", *nights, "--out", out, "--workers", 2, "--json")
    assert (done.code, done.json["rebuilt"], done.json["failed"], done.json["latest"]) == (3, 3, 1, "night-3")
    assert sorted(line for line in done.err.splitlines() if line.startswith("WARNING")) == [
        f"WARNING: {nights[0]}: the worker that rebuilt it was killed; it is tried again.",
        f"WARNING: {nights[0]}: the worker that rebuilt it was killed; it is tried alone, after the others.",
        f"WARNING: {nights[2]}: the worker that rebuilt it was killed; it is tried again.",
    ]
    reasons = [ending["reason"] for ending in done.json["runs"] if ending["reason"]]
    assert [reason.startswith(f"{nights[0]}: each worker that rebuilt it was killed") for reason in reasons] == [True]
    assert hidden(out) == []
    trap.restore()
    assert lead_export("rebuild", *nights, "--out", out, "--workers", 1).code == 0
    assert contents(out) == serial


@needs_proc
def test_a_stop_keeps_what_is_published(
    process: Preloaded, nights: list[Path], serial: dict[str, bytes], tmp_path: Path
) -> None:
    """SIGTERM ends the workers, removes what is half done, and leaves the finished nights; the same command goes on."""
    out, trap = tmp_path / "out", Trap(nights[3])
    command = Running(process, "rebuild", *nights, "--out", out, "--workers", 2)
    pid = trap.catch()
    second = lead_export("rebuild", *nights, "--out", out)
    assert (second.code, "holds this folder" in second.err) == (7, True)
    wait_for(out, 3, command)
    command.child.send(signal.SIGTERM)
    ended = command.ended()
    assert (ended.code, "Stopped by SIGTERM" in ended.err, "Traceback" in ended.err) == (143, True, False), ended.err
    wait_until_gone(pid)
    assert hidden(out) == []
    assert (out / "latest").readlink().name == "run=night-2"
    trap.restore()
    assert "1 rebuilt, 3 there already" in lead_export("rebuild", *nights, "--out", out, "--workers", 1).err
    assert contents(out) == serial


@needs_proc
def test_a_kill_of_everything_costs_only_what_was_at_work(
    process: Preloaded, nights: list[Path], serial: dict[str, bytes], tmp_path: Path
) -> None:
    """After kill -9 of the command its workers end; the same command rebuilds what is missing."""
    out, trap = tmp_path / "out", Trap(nights[0])
    command = Running(process, "rebuild", *nights, "--out", out, "--workers", 2)
    pid = trap.catch()
    wait_for(out, 3, command)
    command.child.kill()
    command.ended()
    trap.restore()
    with meanwhile(lambda: kill(pid)):  # it was frozen, and could not notice
        again = lead_export("rebuild", *nights, "--out", out, "--workers", 1)
    assert "1 rebuilt, 3 there already" in again.err
    assert contents(out) == serial
    assert hidden(out) == []

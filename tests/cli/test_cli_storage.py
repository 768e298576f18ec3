"""Storage errors: full, read-only and deleted folders end in exit 6 and one sentence, and lose no answer."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cli_command import (
    CREDENTIALS,
    NO_DELAYS,
    Result,
    Running,
    command,
    environment,
    lead_export,
    manifest_of,
    run,
    target,
    write_list,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox

PEOPLE = [f"person.{number}@example.com" for number in range(300)]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of addresses that are all found."""
    return write_list(tmp_path / "people.csv", PEOPLE)


class Disk:
    """A small disk in memory, which can be resized or made read-only while it is in use."""

    def __init__(self, place: Path) -> None:
        self.place = place
        place.mkdir()

    def mounted(self, *options: str) -> bool:
        """Mount it, or remount it with other options; False if this user may not."""
        words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(self.place)]
        return subprocess.run(words, check=False, capture_output=True).returncode == 0

    def unmount(self) -> None:
        """Remove it."""
        subprocess.run(["umount", self.place], check=False, capture_output=True)  # noqa: S607 - found on PATH


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk of one megabyte."""
    made = Disk(tmp_path / "disk")
    if not made.mounted("size=1m"):
        pytest.skip("only root may mount a small disk")
    yield made
    made.unmount()


def disturbed(
    process: Preloaded, sandbox: RunningSandbox, people: Path, out: Path, disturb: Callable[[], object]
) -> Result:
    """Run slowly, and do something to the folder once some addresses have answers."""
    sandbox.control(latency_ms=20)
    words = ["run", people, *target(sandbox, out), "--concurrency", 2]
    running = Running(process, *words, **CREDENTIALS, **NO_DELAYS)
    running.wait_for(sandbox, 50)
    disturb()
    done = running.ended()
    sandbox.control(latency_ms=0)
    return done


def assert_reported(result: Result, *facts: str) -> None:
    """Exit 6, and a last line with these facts; no traceback, no address."""
    assert (result.code, result.out) == (6, "")
    assert [fact for fact in facts if fact not in result.err.splitlines()[-1]] == []
    assert [bad for bad in ("Traceback", "@") if bad in result.err] == []


def assert_resumed(sandbox: RunningSandbox, people: Path, out: Path, *, lost: int) -> None:
    """The same command finishes; at most `lost` calls are repeated."""
    kept = sandbox.stats()["answered"]
    resumed = run(people, sandbox, out)
    assert resumed.code == 0
    calls = manifest_of(out)["calls"]
    assert kept - lost <= calls["resumed"] <= kept
    assert calls["sent"] + calls["resumed"] == len(PEOPLE)
    assert sandbox.stats()["answered_twice_or_more"] <= lost


def test_a_disk_that_is_too_small_is_refused_before_the_first_call(
    sandbox: RunningSandbox, people: Path, disk: Disk
) -> None:
    """The folder and the need are named; once the disk has grown, the same command finishes."""
    large = run(people, sandbox, disk.place, "--format", "csv", "--format", "tsv")
    assert_reported(large, str(disk.place), "300 addresses")
    assert sandbox.stats()["calls"] == 0
    assert disk.mounted("remount", "size=20m")
    assert_resumed(sandbox, people, disk.place, lost=0)


def test_a_small_disk_is_enough_for_a_small_run(sandbox: RunningSandbox, people: Path, disk: Disk) -> None:
    """A run of 300 addresses is neither refused nor warned about on a disk of one megabyte, and finishes there."""
    result = run(people, sandbox, disk.place)
    assert (result.code, "WARNING" in result.err) == (0, False)


def test_a_disk_that_fills_up(process: Preloaded, sandbox: RunningSandbox, people: Path, disk: Disk) -> None:
    """What was written is kept; once there is space only the last few calls are repeated."""
    assert disk.mounted("remount", "size=10m")
    ballast = disk.place / "ballast"

    def fill() -> None:
        with ballast.open("wb", buffering=0) as file:
            while os.statvfs(disk.place).f_bavail:
                file.write(b"x" * 4_096)

    result = disturbed(process, sandbox, people, disk.place, fill)
    assert_reported(result, f"{disk.place}/.lead-export/")
    ballast.unlink()
    assert_resumed(sandbox, people, disk.place, lost=30)


def test_a_disk_that_becomes_read_only(sandbox: RunningSandbox, people: Path, disk: Disk) -> None:
    """At the start, exit 6 before any call; the folder is named."""
    assert disk.mounted("remount", "size=20m", "ro")
    result = run(people, sandbox, disk.place / "export")
    assert_reported(result, f"{disk.place}/export: Read-only file system")
    assert sandbox.stats()["calls"] == 0
    assert disk.mounted("remount", "rw")
    assert_resumed(sandbox, people, disk.place / "export", lost=0)


def test_a_file_that_may_grow_no_further(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """A limit on the size of files, as a quota would be: exit 6, and without it the same command finishes."""
    out, words = tmp_path / "export", command("run", people, *target(sandbox, tmp_path / "export"))
    limited = ["/bin/sh", "-c", 'ulimit -f 200 && exec "$@"', "sh", *words]
    env = environment({**CREDENTIALS, **NO_DELAYS})
    done = subprocess.run(limited, env=env, capture_output=True, text=True, check=False)
    assert_reported(Result(done.returncode, done.stdout, done.stderr), f"{out}/.lead-export/", "ulimit -f")
    assert_resumed(sandbox, people, out, lost=len(PEOPLE))


def test_a_folder_that_is_deleted(process: Preloaded, sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """The run notices with its next answers, and makes no further calls."""
    out = tmp_path / "export"
    result = disturbed(process, sandbox, people, out, lambda: shutil.rmtree(out))
    assert_reported(result, f"{out}/.lead-export/")
    assert sandbox.stats()["answered"] < len(PEOPLE)


def test_an_unwritable_folder(sandbox: RunningSandbox, people: Path) -> None:
    """A path where not even root may create folders: refused before any call."""
    result = run(people, sandbox, Path("/sys/lead-export"))
    assert result.code in (2, 6)
    assert result.err.startswith("lead-export: /sys/lead-export: ")
    assert sandbox.stats()["calls"] == 0


def test_a_second_run_is_told_who_is_using_the_folder(
    process: Preloaded, sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Exit 7 for the second, and the first is undisturbed; after kill -9 of a first the next starts at once."""
    out = tmp_path / "export"
    seconds: list[Result] = []

    def second() -> None:
        seconds.append(run(people, sandbox, out))
        sandbox.control(latency_ms=0)

    first = disturbed(process, sandbox, people, out, second)
    assert (first.code, seconds[0].code) == (0, 7)
    assert f"lead-export: {out}: process " in seconds[0].err
    assert sandbox.stats()["calls"] == len(PEOPLE)
    again = Running(process, "run", people, *target(sandbox, out), "-q", **CREDENTIALS, **NO_DELAYS)
    again.wait_for(sandbox, len(PEOPLE) + 10)
    again.child.kill()
    assert again.ended().code == -signal.SIGKILL
    assert run(people, sandbox, out).code == 0


def test_few_open_files_are_enough(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """With ulimit -n 40 the run has fewer connections and says so; it does not take the API for being down."""
    sandbox.control(latency_ms=50)
    people = write_list(tmp_path / "people.csv", (f"person.{number}@example.com" for number in range(60)))
    words = command("run", people, *target(sandbox, tmp_path / "out"))
    limited = ["/bin/sh", "-c", 'ulimit -n 40; exec "$@"', "sh", *words]
    done = subprocess.run(limited, env=environment(CREDENTIALS), capture_output=True, text=True, check=False)
    sandbox.control(latency_ms=0)
    assert (done.returncode, sandbox.stats()["calls"]) == (0, 60)
    assert sandbox.stats()["max_in_flight"] < 40
    assert [fact for fact in ("40 files", "ulimit -n") if fact not in done.stderr] == []
    assert "not answering" not in done.stderr


@pytest.mark.parametrize("words", [["run"], ["run", "--format", "csv", "--format", "xlsx"], ["enrich"]], ids=" ".join)
def test_too_few_open_files_are_found_before_the_first_call(
    sandbox: RunningSandbox, tmp_path: Path, words: list[str]
) -> None:
    """Exit 6 and the limit, not a refused format, a bug or a lost connection after calls were made."""
    people = write_list(tmp_path / "people.csv", ["ann@example.com"])
    name, *options = words
    arguments = [name, people, *target(sandbox, tmp_path / "out.csv"), *options]
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    results = []
    for files in (len([*Path("/dev/fd").iterdir()]) + few for few in (6, 9, 12)):
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, before[1]))
        try:
            results.append(lead_export(*arguments, **CREDENTIALS))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert [(done.code, "ulimit -n" in done.err, done.err.count("\n")) for done in results] == [(6, True, 1)] * 3
    assert (sandbox.stats()["calls"], (tmp_path / "out.csv").exists()) == (0, False)

"""Network shares, FUSE and memory cards: what can be done without is done without, the rest is exit 6 before a call."""

from __future__ import annotations

import errno
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, REPORTS, Result, command, environment, target
from odd_disk import NO_FOLDER_SYNC, NO_LINKS, NO_SHARED_MEMORY, at, on

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from odd_disk import OddDisk

    from pipeline.sandbox.process import RunningSandbox


class Job:
    """The same command again and again, on disks that differ."""

    def __init__(self, disk: OddDisk, sandbox: RunningSandbox, people: Path, folder: Path) -> None:
        self.out = folder / "export"
        self.disk, self.sandbox, self.people, self.folder = disk, sandbox, people, folder

    def run(self, faults: Mapping[str, str], *options: object) -> Result:
        """Run the job."""
        words = ["run", self.people, *target(self.sandbox, self.out), *options]
        return self.disk(faults, *words, **CREDENTIALS, **NO_DELAYS)

    def check(self, faults: Mapping[str, str]) -> Result:
        """Check the folder; the API is out of reach."""
        words = ["check", "--out", self.out, "--json", "--api-url", "http://127.0.0.1:1/api"]
        return self.disk(faults, *words, **CREDENTIALS)

    def folder_check(self, faults: Mapping[str, str]) -> dict[str, Any]:
        """What `check` says about the folder, in which it leaves nothing."""
        before = sorted(self.folder.rglob("*"))
        checks: list[dict[str, Any]] = self.check(faults).json["checks"]
        assert sorted(self.folder.rglob("*")) == before
        return next(one for one in checks if one["name"] == "output folder")

    def names(self) -> list[str]:
        """What is in the output folder, except runs, and what is left of the job."""
        left = {path.name for path in (self.out / ".lead-export").iterdir()} - REPORTS
        return sorted([path.name for path in self.out.iterdir() if not path.name.startswith("run=")] + [*left])

    def newest(self) -> Path:
        """The run that `latest.json` names."""
        named = json.loads((self.out / "latest.json").read_text())
        assert named["path"] == f"run={named['run_id']}"
        return self.out / str(named["path"])


@pytest.fixture
def job(odd_disk: OddDisk, sandbox: RunningSandbox, people: Path, tmp_path: Path) -> Job:
    """A job whose output folder does not exist yet."""
    return Job(odd_disk, sandbox, people, tmp_path)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EOPNOTSUPP])
def test_folders_that_cannot_be_synced(job: Job, number: int) -> None:
    """As on SMB, WSL and sshfs: a run publishes all the same, and `check` says what that means."""
    faults = on(job.folder, {"FSYNC_FOLDER": number})
    found = job.folder_check(faults)
    assert (found["code"], "synced" in found["text"]) == (0, True)
    assert job.run(faults, "-q").is_quiet
    assert job.names() == [".lead-export", "latest", "lock"]
    assert len(pd.read_parquet(job.out / "latest" / "leads.parquet")) == 40


@pytest.mark.parametrize("call", ["FSYNC_FOLDER", "FSYNC_FILE"])
def test_a_failing_sync_is_noticed_before_the_first_call(job: Job, call: str) -> None:
    """An I/O error is no peculiarity of a file system: exit 6."""
    faults = on(job.folder, {call: errno.EIO})
    result = job.run(faults)
    assert (result.code, job.sandbox.stats()["calls"]) == (6, 0)
    assert str(job.out) in result.err
    assert job.folder_check(faults)["code"] == 6


def test_a_sync_that_fails_while_tables_are_written_keeps_the_journal(job: Job) -> None:
    """Exit 6 and nothing published; the same command publishes without a call."""
    failed = job.run(on(job.out / ".lead-export" / "one.staging", {"FSYNC_FILE": errno.EIO}), "--run-id", "one")
    assert (failed.code, job.names()) == (6, [".lead-export", "lock", "one.journal"])
    assert "one.staging" in failed.err.splitlines()[-1]
    again = job.run({}, "--run-id", "one", "--json").json
    assert (again["calls"]["sent"], again["calls"]["resumed"], job.names()) == (
        0,
        40,
        [".lead-export", "latest", "lock"],
    )


def test_a_sync_that_fails_once_the_run_is_published_keeps_the_journal(job: Job) -> None:
    """Exit 6 and no `latest`; the next run switches it, tidies up, says so, and asks for every address."""
    failed = job.run(at(job.out, {"FSYNC_FOLDER": errno.EIO}))
    (first,) = job.out.glob("run=*")
    assert failed.code == 6
    assert [fact for fact in (str(first), str(job.out / "latest")) if fact not in failed.err] == []
    assert job.names() == [".lead-export", f"{first.name.removeprefix('run=')}.journal", "lock"]
    again = job.run({}, "--run-id", "next")
    assert (again.code, job.sandbox.stats()["calls"]) == (0, 80)
    assert first.name.removeprefix("run=") in again.err
    assert job.names() == [".lead-export", "latest", "lock"]
    assert (job.out / "latest").readlink().name == "run=next"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("call", ["FLOCK", "FCNTL"])
def test_a_disk_without_locks_is_refused_before_the_first_call(job: Job, call: str, number: int) -> None:
    """As NFS without its lock service, Lustre and some FUSE: exit 6, and what to do, from `check` and `run` alike."""
    faults = on(job.folder, {call: number})
    result = job.run(faults)
    assert (result.code, result.out, result.err.count("\n")) == (6, "", 1)
    facts = (f"lead-export: {job.out}", "lock", "local disk")
    assert [fact for fact in facts if fact not in result.err] == []
    found = job.folder_check(faults)
    assert (found["code"], found["text"].startswith(f"{job.out}: ")) == (6, True)
    assert job.sandbox.stats()["calls"] == 0
    assert job.run({}, "-q").is_quiet


def test_a_disk_that_has_lost_its_locks(job: Job) -> None:
    """An unfinished run is left as it is, and the sentence is about locks; once they are back it is resumed."""
    job.sandbox.control(revoke_after=20)
    assert job.run({}).code == 4
    job.sandbox.control(revoke_after=0)
    lost = job.run(on(job.folder, {"FCNTL": errno.EOPNOTSUPP}))
    assert (lost.code, job.sandbox.stats()["answered"]) == (6, 20)
    assert [fact for fact in (".journal", "locks", "local disk") if fact not in lost.err] == []
    assert job.run({}, "--json").json["calls"]["resumed"] == 20


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP])
def test_a_disk_without_links(job: Job, number: int) -> None:
    """As SMB and exFAT: `latest.json` names the newest run, for `status`, `rebuild` and `--keep-runs` too."""
    faults = on(job.folder, {"SYMLINK": number})
    assert job.folder_check(faults)["code"] == 0
    assert str(job.out / "latest.json") in job.folder_check(faults)["text"]
    for run_id in ("b", "a"):
        done = job.run(faults, "--run-id", run_id, "--keep-runs", 1)
        assert (done.code, str(job.out / "latest.json") in done.err) == (0, True)
    assert job.names() == [".lead-export", "latest.json", "lock"]
    assert job.newest() == job.out / "run=a"
    assert [one["latest"] for one in job.disk(faults, "status", job.out, "--json").json["published"]] == [True]
    assert job.disk(faults, "rebuild", job.out / "latest", "--out", job.folder / "again").code == 0
    assert json.loads((job.folder / "again" / "latest.json").read_text())["path"] == "run=a"


def test_a_link_that_cannot_be_made_for_another_reason(job: Job) -> None:
    """A full disk is no disk without links: exit 6 before the first call, with its path."""
    result = job.run(on(job.folder, {"SYMLINK": errno.ENOSPC}))
    assert (result.code, job.sandbox.stats()["calls"]) == (6, 0)
    assert result.err.startswith(f"lead-export: {job.out}")
    assert not (job.out / "latest.json").exists()


def test_a_folder_that_moves_between_disks_has_one_latest(job: Job) -> None:
    """Whichever names an older run goes: a link that cannot be switched any more, and a file once there are links."""
    faults = on(job.folder, NO_LINKS)
    assert job.run({}, "--run-id", "1").code == 0
    assert job.run(faults, "--run-id", "2").code == 0
    assert (job.names(), job.newest().name) == ([".lead-export", "latest.json", "lock"], "run=2")
    assert job.run({}, "--run-id", "3").code == 0
    assert job.names() == [".lead-export", "latest", "lock"]
    assert (job.out / "latest").readlink().name == "run=3"


def test_a_file_that_is_in_the_way_of_latest(job: Job) -> None:
    """Somebody else's `latest.json` is refused before the first call where it is needed, and left alone elsewhere."""
    job.out.mkdir()
    own = job.out / "latest.json"
    own.write_text('{"mine": true}')
    refused = job.run(on(job.folder, NO_LINKS)).sentence
    assert refused.startswith(f"{own}: ")
    assert job.sandbox.stats()["calls"] == 0
    assert job.run({}, "-q").is_quiet
    assert own.read_text() == '{"mine": true}'


def test_a_disk_without_shared_memory(job: Job) -> None:
    """SQLite's write-ahead log is refused on some FUSE: a rollback journal does as well.

    A killed run loses no answer, others can look while it runs, and worker processes read it.
    """
    faults = on(job.folder, NO_SHARED_MEMORY)
    found = job.folder_check(faults)
    assert (found["code"], "write-ahead log" in found["text"]) == (0, True)
    job.sandbox.control(latency_ms=50)
    env = environment({**CREDENTIALS, **NO_DELAYS, **faults, "LD_PRELOAD": str(job.disk.library)})
    words = command("run", job.people, *target(job.sandbox, job.out), "--concurrency", 2, "-q")
    with subprocess.Popen(words, env=env) as child:
        while job.sandbox.stats()["answered"] < 20:
            assert child.poll() is None
            time.sleep(0.01)
        seen = job.disk(faults, "status", job.out, "--json").json
        child.kill()
    job.sandbox.control(latency_ms=0)
    assert seen["holder"].startswith(f"process {child.pid}")
    assert 0 < seen["unfinished"][0]["answered"] <= 20
    resumed = job.run(faults, "--json", "--workers", 2)
    assert (resumed.code, resumed.json["rows"]["found"]) == (0, 40)
    assert job.names() == [".lead-export", "latest", "lock"]
    assert resumed.json["calls"]["resumed"] >= seen["unfinished"][0]["answered"]
    assert job.sandbox.stats()["answered_twice_or_more"] <= 12


def test_a_disk_that_lacks_everything_that_can_be_done_without(job: Job) -> None:
    """`run` and `enrich` both."""
    faults = on(job.folder, {**NO_FOLDER_SYNC, **NO_LINKS, **NO_SHARED_MEMORY})
    assert job.run(faults, "-q").is_quiet
    assert len(pd.read_parquet(job.newest() / "leads.parquet")) == 40
    out = job.folder / "enriched.csv"
    words = ["enrich", job.people, *target(job.sandbox, out), "-q"]
    assert job.disk(faults, *words, **CREDENTIALS).is_quiet
    assert len(pd.read_csv(out)) == 40

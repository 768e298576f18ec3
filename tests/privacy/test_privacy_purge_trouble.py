"""Purges that are killed, refused or find damage: no run is lost or half, and the same command ends them."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import signal
import threading
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from cli_command import Result, Running, lead_export
from odd_disk import at, on
from purge_people import ADA, BOB, KEY, LEADS, NEW_ADA, api, copied, publish, purge, stopped, traces

if TYPE_CHECKING:
    from pathlib import Path

    from odd_disk import OddDisk
    from preloaded import Preloaded

OTHER_KEY = {"LEAD_EXPORT_PRIVACY_KEY": "cd" * 32}
# Counts what the process does to files of the folder, and kills it without warning right before the chosen step.
KILLED_AT = """
import atexit, os, signal, sys
from pipeline.cli.main import main
at, seen = int(sys.argv.pop(1)), 0
atexit.register(lambda: print(seen))
def hook(event, arguments):
    global seen
    if event in ("open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "sqlite3.connect"):
        if any(isinstance(word, (str, bytes, os.PathLike)) and "/out" in os.fsdecode(word) for word in arguments):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
main()
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs, of which only the first tells that two addresses are one lead, and an unfinished one."""
    made = tmp_path_factory.mktemp("trouble")
    assert publish(made, made / "out", LEADS, "--run-id", "a").code == 3
    moved = {**LEADS, ADA: {"id": "77", "email": ADA}}
    assert publish(made, made / "out", moved, "--run-id", "b", "--format", "csv").code == 3
    stopped(made, made / "out", LEADS)
    return made / "out"


@pytest.fixture
def out(folder: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(folder, tmp_path / "out")


def killed_at(process: Preloaded, step: int, out: Path) -> Result:
    """Purge Ada in a process that is killed at a step; one that is not says how many there are."""
    return Running(process, step, "purge", ADA, "--out", out, "--no-suppress", "-q", program=KILLED_AT).ended()


def intact(out: Path) -> dict[str, bool]:
    """For each run whether its files are those that its manifest describes, and no others."""
    return {run.name: is_intact(run) for run in out.iterdir() if run.name.startswith("run=")}


def is_intact(run: Path) -> bool:
    """Whether a run is whole."""
    tables = json.loads((run / "manifest.json").read_bytes())["tables"].values()
    described = {file["name"]: file["sha256"] for table in tables for file in table["files"]}
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in run.iterdir()}
    return {name: sha256 for name, sha256 in found.items() if name != "manifest.json"} == described


def test_a_killed_purge_is_ended_by_the_same_command(folder: Path, tmp_path: Path, process: Preloaded) -> None:
    """Wherever it is killed, every run is whole before and after, and she is gone everywhere in the end."""
    steps = int(killed_at(process, 0, copied(folder, tmp_path / "out")).out)
    for step in (steps // 2, steps * 4 // 5):
        out = copied(folder, tmp_path / f"out{step}")
        assert killed_at(process, step, out).code == -signal.SIGKILL, step
        assert intact(out) == {"run=a": True, "run=b": True}
        assert purge(ADA, "--out", out).code == 0
        assert traces(out, ADA, NEW_ADA) == []
        assert intact(out) == {"run=a": True, "run=b": True}
        assert not list((out / ".lead-export").glob("purge-*"))
        (report,) = (out / ".lead-export" / "purges").iterdir()
        changed = {file["path"] for file in json.loads(report.read_bytes())["files"]}
        assert {"run=a/leads.parquet", "run=b/leads.csv"} <= changed, step


def test_what_an_attempt_found_is_not_forgotten(out: Path) -> None:
    """Her other address is only known from a run that the first attempt has already purged."""
    damaged = out / "run=b" / "leads.csv"
    content = damaged.read_bytes()
    damaged.write_bytes(content + b"x")
    refused = purge(ADA, "--out", out)
    assert (refused.code, "leads.csv: differs from what the manifest describes" in refused.err) == (6, True)
    assert traces(out / "run=a", ADA, NEW_ADA) == []
    state = next((out / ".lead-export").glob("purge-*.json")).read_text()
    assert "@" not in state
    damaged.write_bytes(content)
    assert purge(ADA, "--out", out).code == 0
    rows = pd.read_csv(out / "run=b" / "outcomes.csv")
    assert rows["outcome"].tolist()[2] == "erased"
    assert traces(out, ADA, NEW_ADA) == []


def test_a_reader_in_a_loop_sees_no_error(out: Path) -> None:
    """`latest` is whole at every instant, while it is replaced again and again."""
    done = threading.Event()
    wrong: list[Exception] = []
    generations: set[int] = set()

    def read() -> None:
        while not done.is_set():
            try:
                manifest = json.loads((out / "latest" / "manifest.json").read_bytes())
                generations.add(manifest.get("generation", 0))
                assert len(pd.read_csv(out / "latest" / "outcomes.csv")) == 10
            except Exception as error:  # noqa: BLE001 - whatever a reader may see
                wrong.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for address in (ADA, BOB):
        assert purge(address, "--out", out).code == 0
    done.set()
    reader.join()
    assert (wrong, generations <= {0, 1, 2}, len(generations) > 1) == ([], True, True)


# Who is not to be asked for again.


def test_she_is_not_asked_for_again(out: Path, tmp_path: Path) -> None:
    """Tonight's run does not ask for her, nor does the one that is resumed; a key is needed for that."""
    refused = lead_export("purge", ADA, "--out", out)
    assert "lead-export key new FILE" in refused.sentence
    assert "--no-suppress" in refused.sentence
    assert traces(out, ADA) != []
    done = lead_export("purge", ADA, "--out", out, "--json", **KEY)
    assert (done.code, done.json["suppressed"]) == (0, 1)
    asked: list[str] = []
    people = tmp_path / "tonight.csv"
    people.write_text(f"email\n{ADA}\n{BOB}\n")
    with api(LEADS, asked) as env:
        assert lead_export("run", people, "--out", out, "-q", "--new", **env, **KEY).code == 0
    assert asked == [BOB]
    assert "suppressed" in pd.read_parquet(out / "latest" / "outcomes.parquet")["outcome"].tolist()
    assert lead_export("purge", ADA, "--out", out, **KEY).code == 0
    assert lead_export("purge", ADA, "--out", out, **OTHER_KEY).code == 2


# What is refused.


def test_wrong_usage(out: Path, tmp_path: Path) -> None:
    """Exit 2 with a sentence, and nothing is changed."""
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    assert "No address is named" in purge("--out", out).sentence
    assert "ADDRESS 2: has no at sign" in purge(ADA, "ada", "--out", out).sentence
    assert "no such folder" in purge(ADA, "--out", tmp_path / "none").sentence
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before


def change(path: Path, what: Any) -> None:
    """Change a manifest."""
    manifest = json.loads(path.read_bytes())
    what(manifest)
    path.write_text(json.dumps(manifest))


def test_a_run_of_a_newer_version(out: Path) -> None:
    """A table that this version does not know may hold her as well: exit 2 before anything is changed."""
    change(out / "run=a" / "manifest.json", lambda manifest: manifest["tables"].update(surveys={"files": []}))
    refused = purge(ADA, "--out", out)
    assert (refused.code, "newer version" in refused.err) == (2, True)
    assert traces(out / "run=b", ADA) != []


@pytest.mark.parametrize("damage", ["table", "manifest"])
def test_a_damaged_run_stays_as_it_is(out: Path, damage: str) -> None:
    """Exit 6; the others are purged all the same, and once it is repaired the same command ends it."""
    path = out / "run=a" / ("tags.parquet" if damage == "table" else "manifest.json")
    content = path.read_bytes()
    path.write_bytes(content[:-9])
    before = {one: one.read_bytes() for one in (out / "run=a").iterdir()}
    assert purge(ADA, "--out", out).code == 6
    assert {one: one.read_bytes() for one in (out / "run=a").iterdir()} == before
    assert traces(out / "run=b", ADA) == []
    path.write_bytes(content)
    assert purge(ADA, "--out", out).code == 0
    assert traces(out, ADA, NEW_ADA) == []


def test_a_folder_that_is_held(out: Path) -> None:
    """Exit 7 while a run, or an enrich beside it, is at work."""
    other = out / ".more.csv.lead-export"
    other.mkdir()
    for state in (out / ".lead-export", other):
        with (state / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert purge(ADA, "--out", out).code == 7
    assert traces(out / "run=a", ADA) != []


def test_a_run_that_cannot_be_replaced(out: Path, odd_disk: OddDisk) -> None:
    """Exit 6 with the run as it was, and the same command goes on once it can."""
    before = {path: path.read_bytes() for path in (out / "run=a").iterdir()}
    words = ("purge", ADA, "--out", out, "--no-suppress")
    refused = odd_disk(at(out / "run=a", {"EXCHANGE": errno.EACCES}), *words)
    assert (refused.code, "make it writable, then run the same command again" in refused.err) == (6, True)
    assert {path: path.read_bytes() for path in (out / "run=a").iterdir()} == before
    assert traces(out / "run=b", ADA) == []
    assert odd_disk({}, *words).code == 0
    assert traces(out, ADA, NEW_ADA) == []


def test_a_disk_that_cannot_exchange(out: Path, odd_disk: OddDisk) -> None:
    """Runs are replaced in two steps instead, and nothing is left behind."""
    done = odd_disk(on(out, {"EXCHANGE": errno.EINVAL}), "purge", ADA, "--out", out, "--no-suppress")
    assert (done.code, traces(out, ADA, NEW_ADA), intact(out)) == (0, [], {"run=a": True, "run=b": True})
    assert not list((out / ".lead-export").glob("run=*"))


def test_a_purge_killed_between_two_steps(out: Path) -> None:
    """The run that had given way is put back, and then purged."""
    scratch = out / ".lead-export" / "a.purging"
    scratch.mkdir()
    (out / "run=a").rename(scratch / "run=a.replaced")
    assert purge(ADA, "--out", out).code == 0
    assert (traces(out, ADA, NEW_ADA), intact(out)) == ([], {"run=a": True, "run=b": True})

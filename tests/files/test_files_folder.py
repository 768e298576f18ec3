import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pipeline.errors import FolderBusy, StorageError, UsageError, storage_advice
from pipeline.files.folder import OutputFolder


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    """An output folder that has been prepared."""
    folder = OutputFolder(tmp_path / "export")
    folder.prepare()
    return folder


def publish(folder: OutputFolder, run_id: str) -> Path:
    """Publish a run of one small file."""
    with folder.staging(run_id) as staging:
        (staging / "leads.csv").write_text(f"{run_id}\n")
        return folder.publish(staging, run_id, {"run_id": run_id, "name": "Zoë"})


def names(path: Path) -> list[str]:
    """Everything below a folder."""
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def modes(path: Path) -> set[int]:
    """The modes of everything below a folder, links aside."""
    return {stat.S_IMODE(entry.stat().st_mode) for entry in path.rglob("*") if not entry.is_symlink()}


def test_a_published_run_is_whole(folder: OutputFolder) -> None:
    """Tables and manifest lie in their place, and nothing is left beside them."""
    place = publish(folder, "one")
    assert place == folder.run("one") == folder.root / "run=one"
    assert names(folder.root) == [".lead-export", "latest", "run=one", "run=one/leads.csv", "run=one/manifest.json"]
    assert (place / "manifest.json").read_text() == '{\n  "run_id": "one",\n  "name": "Zoë"\n}\n'


def test_latest_is_the_newest_run(folder: OutputFolder) -> None:
    """The link is relative, so that the folder can be moved, and older runs stay."""
    publish(folder, "one")
    publish(folder, "two")
    assert folder.latest.readlink() == Path("run=two")
    moved = folder.root.rename(folder.root.with_name("moved"))
    assert (moved / "latest" / "leads.csv").read_text() == "two\n"
    assert (moved / "run=one" / "leads.csv").read_text() == "one\n"


def break_off(folder: OutputFolder) -> None:
    """Press Ctrl-C while a run is written."""
    with folder.staging("two") as staging:
        (staging / "leads.csv").write_text("half")
        raise KeyboardInterrupt


def test_what_breaks_off_leaves_nothing(folder: OutputFolder) -> None:
    """An error while a run is written removes what there was of it; the newest run stays the newest."""
    publish(folder, "one")
    before = names(folder.root)
    with pytest.raises(KeyboardInterrupt):
        break_off(folder)
    assert names(folder.root) == before
    assert json.loads((folder.latest / "manifest.json").read_text())["run_id"] == "one"


def test_leftovers_of_a_killed_run_are_replaced(folder: OutputFolder) -> None:
    """A run that was killed while it was written starts with an empty staging folder when it is taken up."""
    left = folder.journal("one").with_name("one.staging")
    left.mkdir()
    (left / "old.csv").touch()
    publish(folder, "one")
    assert names(folder.run("one")) == ["leads.csv", "manifest.json"]


def test_a_published_run_is_never_replaced(folder: OutputFolder) -> None:
    """Publishing under a name that is taken is an error, and what was published stays."""
    publish(folder, "one")
    with pytest.raises(StorageError, match=r"one\.staging: Directory not empty\.$"):
        publish(folder, "one")
    assert names(folder.run("one")) == ["leads.csv", "manifest.json"]


def test_errors_of_storage_have_the_path(folder: OutputFolder) -> None:
    """Whatever the operating system says while a run is written, the message says where."""
    with pytest.raises(StorageError) as error, folder.staging("one") as staging:
        (staging / "none" / "leads.csv").touch()
    assert str(error.value) == f"{staging}/none/leads.csv: No such file or directory{storage_advice(2)}."
    with pytest.raises(StorageError) as error, folder.staging("one") as staging:
        raise OSError(28, "No space left on device")
    assert str(error.value) == f"{staging}: No space left on device{storage_advice(28)}."


def test_everything_is_for_the_owner_alone(tmp_path: Path) -> None:
    """Folders 0700, files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        folder = OutputFolder(tmp_path / "export")
        folder.prepare()
        with folder.lock(), folder.staging("one") as staging:
            assert stat.S_IMODE(staging.stat().st_mode) == 0o700
            place = folder.publish(staging, "one", {})
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder.root, place, folder.root / ".lead-export")} == {0o700}
    assert modes(folder.root) == {0o700, 0o600}


def test_preparing_makes_the_folder(tmp_path: Path) -> None:
    """With those above it, and as often as one likes; an existing folder keeps its content."""
    folder = OutputFolder(tmp_path / "a" / "b")
    folder.prepare()
    (folder.root / "mine.txt").touch()
    folder.prepare()
    assert names(folder.root) == [".lead-export", "mine.txt"]


@pytest.mark.parametrize(
    ("blocked", "reason"),
    [("a", "Not a directory"), ("a/b", "File exists"), ("a/b/.lead-export", "File exists")],
)
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, blocked: str, reason: str) -> None:
    """A file in the way, at any level, is found before anything is called."""
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).touch()
    root = tmp_path / "a" / "b"
    with pytest.raises(UsageError) as error:
        OutputFolder(root).prepare()
    assert str(error.value) == f"{root}: cannot be written to ({reason}); name another --out."


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_something_else_called_latest_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A user's own file or folder of that name is neither lost nor found to be in the way hours later."""
    make(tmp_path / "latest")
    with pytest.raises(UsageError) as error:
        OutputFolder(tmp_path).prepare()
    assert (
        str(error.value) == f"{tmp_path / 'latest'}: is in the way of the link to the newest run; name another --out."
    )
    assert names(tmp_path) == [".lead-export", "latest"]


def test_a_link_to_a_run_that_is_gone_is_no_hindrance(folder: OutputFolder) -> None:
    """Old runs may be deleted, the newest as well."""
    folder.latest.symlink_to("run=gone")
    folder.prepare()
    publish(folder, "one")
    assert folder.latest.readlink() == Path("run=one")


def test_journals_are_those_of_unfinished_runs(folder: OutputFolder) -> None:
    """One still taking in its lists is not among them."""
    assert folder.journals() == []
    for path in (folder.journal("two"), folder.journal("one"), folder.spool(1)):
        path.touch()
    assert folder.journals() == [folder.journal("one"), folder.journal("two")]


HOLD = """
import sys
from pathlib import Path
from pipeline.files.folder import OutputFolder
with OutputFolder(Path(sys.argv[1])).lock():
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def holder(folder: OutputFolder) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the folder until its standard input ends."""
    command = [sys.executable, "-c", HOLD, str(folder.root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "held\n"
            yield child
        finally:
            child.kill()


def is_free(folder: OutputFolder) -> bool:
    """Whether this process can hold the folder."""
    try:
        with folder.lock():
            return True
    except FolderBusy:
        return False


def test_two_runs_cannot_hold_a_folder(folder: OutputFolder) -> None:
    """The second is told which process holds it, and since when; another folder is free."""
    with holder(folder) as child:
        with pytest.raises(FolderBusy) as error, folder.lock():
            pass
        since = r"running since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        assert error.match(f"^{folder.root}: process {child.pid}, {since}, holds this folder; ")
        child.communicate("")
        assert is_free(folder)


def test_a_killed_run_lets_go(folder: OutputFolder) -> None:
    """After kill -9 nothing has to be cleaned up."""
    with holder(folder) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert is_free(folder)


def test_a_lock_names_only_its_holder(folder: OutputFolder) -> None:
    """Whatever an earlier holder left in the file is gone."""
    file = folder.root / ".lead-export" / "lock"
    file.write_text("x" * 200)
    with folder.lock():
        assert re.fullmatch(rf"process {os.getpid()}, running since [\d: -]+ UTC,", file.read_text())


def test_a_folder_is_free_after_an_error(folder: OutputFolder) -> None:
    """The lock ends with its block, however that ends."""
    with suppress(KeyboardInterrupt), folder.lock():
        assert not is_free(folder)
        raise KeyboardInterrupt
    assert is_free(folder)


def test_a_lock_that_cannot_be_made_is_an_error_of_storage(tmp_path: Path) -> None:
    """The message has the path."""
    lock = OutputFolder(tmp_path / "none").lock()
    with pytest.raises(
        StorageError, match=r"/none/\.lead-export/lock: No such file or directory; something removed it"
    ):
        lock.__enter__()


def finished(folder: OutputFolder, run_id: str, at: str) -> None:
    """Publish a run that finished at some time."""
    manifest = {"manifest_version": 1, "run_id": run_id, "finished_at": at, "rows": {}, "tables": {}}
    with folder.staging(run_id) as staging:
        folder.publish(staging, run_id, manifest)


def test_older_runs_are_removed(folder: OutputFolder) -> None:
    """Those that finished last stay, whatever they are called; what is no run of ours is not touched."""
    for run_id, at in (("c", "2026-01"), ("a", "2026-02"), ("d", "2026-03"), ("b", "2026-04")):
        finished(folder, run_id, at)
    folder.run("foreign").mkdir()
    assert folder.keep_newest(2) == ["a", "c"]
    assert sorted(path.name for path in folder.root.glob("run=*")) == ["run=b", "run=d", "run=foreign"]
    assert names(folder.root / ".lead-export") == []


def test_latest_is_never_removed(folder: OutputFolder) -> None:
    """Even if others finished after it, as when a clock was put right."""
    for run_id, at in (("new", "2027"), ("newer", "2028"), ("last", "2020")):
        finished(folder, run_id, at)
    assert folder.keep_newest(1) == ["new"]
    assert folder.latest.resolve().name == "run=last"


def test_who_holds_a_folder_can_be_asked(folder: OutputFolder) -> None:
    """The answer is that of the lock itself; what a killed run left in its file says nothing."""
    assert folder.holder() is None
    with holder(folder) as child:
        assert str(folder.holder()).startswith(f"process {child.pid}, running since ")
        assert not is_free(folder)
        child.kill()
        child.wait()
    assert folder.holder() is None
    assert is_free(folder)

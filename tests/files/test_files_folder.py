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
from tempfile import TemporaryDirectory

import pytest

from pipeline.errors import FolderBusy, StorageError, UsageError, storage_advice
from pipeline.files.folder import OutputFolder
from pipeline.files.locks import hold_lock
from pipeline.files.modes import Modes


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    """An output folder that exists."""
    folder = OutputFolder(tmp_path / "export")
    folder.state.check_writable()
    return folder


def publish(folder: OutputFolder, run_id: str) -> Path:
    """Publish a run of one small file."""
    with folder.staging(run_id) as staging:
        (staging / "leads.csv").write_text(f"{run_id}\n")
        path = folder.publish(staging, run_id, {"run_id": run_id, "name": "Zoë"})
    folder.switch_latest_to(run_id)
    return path


def names(path: Path) -> list[str]:
    """Everything in a folder, at any depth."""
    return sorted(str(entry.relative_to(path)) for entry in path.rglob("*"))


def modes(path: Path) -> set[int]:
    """The modes of everything in a folder, except links."""
    return {stat.S_IMODE(entry.stat().st_mode) for entry in path.rglob("*") if not entry.is_symlink()}


def test_a_published_run_is_complete(folder: OutputFolder) -> None:
    """Tables and manifest are in the run's folder, and nothing else is left."""
    path = publish(folder, "one")
    assert path == folder.run("one") == folder.root / "run=one"
    assert names(folder.root) == [".lead-export", "latest", "run=one", "run=one/leads.csv", "run=one/manifest.json"]
    assert (path / "manifest.json").read_text() == '{\n  "run_id": "one",\n  "name": "Zoë"\n}\n'


def test_latest_is_the_newest_run(folder: OutputFolder) -> None:
    """The link is relative, so that the folder can be moved; older runs stay."""
    publish(folder, "one")
    publish(folder, "two")
    assert folder.latest.link.readlink() == Path("run=two")
    moved = folder.root.rename(folder.root.with_name("moved"))
    assert (moved / "latest" / "leads.csv").read_text() == "two\n"
    assert (moved / "run=one" / "leads.csv").read_text() == "one\n"


def interrupt_writing(folder: OutputFolder) -> None:
    """Press Ctrl-C while a run is being written."""
    with folder.staging("two") as staging:
        (staging / "leads.csv").write_text("half")
        raise KeyboardInterrupt


def test_an_interrupted_run_leaves_nothing(folder: OutputFolder) -> None:
    """What had been written is removed, and `latest` stays."""
    publish(folder, "one")
    before = names(folder.root)
    with pytest.raises(KeyboardInterrupt):
        interrupt_writing(folder)
    assert names(folder.root) == before
    assert json.loads((folder.latest.link / "manifest.json").read_text())["run_id"] == "one"


def test_files_of_a_killed_run_are_replaced(folder: OutputFolder) -> None:
    """A run that was killed while it was being written starts with an empty staging folder when it is resumed."""
    left = folder.state.staging("one")
    left.mkdir()
    (left / "old.csv").touch()
    publish(folder, "one")
    assert names(folder.run("one")) == ["leads.csv", "manifest.json"]


def test_a_published_run_is_never_replaced(folder: OutputFolder) -> None:
    """Publishing under the name of a published run is an error, and that run stays."""
    publish(folder, "one")
    with pytest.raises(StorageError, match=r"one\.staging"):
        publish(folder, "one")
    assert names(folder.run("one")) == ["leads.csv", "manifest.json"]


def test_storage_errors_name_the_path_and_the_remedy(folder: OutputFolder) -> None:
    """The file that the operating system named, or the folder, with the advice for that kind of error."""
    with pytest.raises(StorageError) as error, folder.staging("one") as staging:
        (staging / "none" / "leads.csv").touch()
    assert all(part in str(error.value) for part in (f"{staging}/none/leads.csv", storage_advice(2)))
    with pytest.raises(StorageError) as error, folder.staging("one") as staging:
        raise OSError(28, "No space left on device")
    assert all(part in str(error.value) for part in (str(staging), storage_advice(28)))


def test_everything_is_private_to_the_owner(tmp_path: Path) -> None:
    """Folders 0700, files 0600, whatever the umask."""
    before = os.umask(0)
    try:
        folder = OutputFolder(tmp_path / "export")
        folder.state.check_writable()
        with folder.locked(), folder.staging("one") as staging:
            assert stat.S_IMODE(staging.stat().st_mode) == 0o700
            path = folder.publish(staging, "one", {})
    finally:
        os.umask(before)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder.root, path, folder.root / ".lead-export")} == {0o700}
    assert modes(folder.root) == {0o700, 0o600}


@pytest.mark.parametrize("umask", [0, 0o077])
def test_a_setting_lets_readers_in(tmp_path: Path, umask: int) -> None:
    """File and folder modes hold for what is published, whatever the umask; the state stays with the owner."""
    before = os.umask(umask)
    try:
        folder = OutputFolder(tmp_path / "export", Modes(0o640, 0o750))
        with folder.locked(), folder.staging("one") as staging:
            (staging / "leads.csv").touch()
            assert stat.S_IMODE(staging.stat().st_mode) == 0o700
            path = folder.publish(staging, "one", {})
    finally:
        os.umask(before)
    assert {stat.S_IMODE(folder.stat().st_mode) for folder in (path, folder.root)} == {0o750}
    assert {stat.S_IMODE(file.stat().st_mode) for file in path.iterdir()} == {0o640}
    assert stat.S_IMODE(folder.state.path.stat().st_mode) == 0o700


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    """Its owner has decided who may open it."""
    (tmp_path / "export").mkdir(mode=0o711)
    with OutputFolder(tmp_path / "export", Modes(0o640, 0o750)).locked():
        assert stat.S_IMODE((tmp_path / "export").stat().st_mode) == 0o711


@pytest.mark.parametrize("older", [False, True])
def test_a_folder_of_a_group_gives_its_runs_to_the_group(tmp_path: Path, *, older: bool) -> None:
    """The set-group-ID bit is passed on, also where the state folder is older than it; the folder's mode stays."""
    if os.geteuid():
        pytest.skip("only root can give a folder to a group that it is not in")
    folder = OutputFolder(tmp_path / "export")
    folder.root.mkdir()
    if older:
        folder.state.check_writable()
    os.chown(folder.root, -1, 4242)
    folder.root.chmod(0o2770)
    with folder.locked():
        path = publish(folder, "one")
    assert {entry.stat().st_gid for entry in (path, *path.iterdir())} == {4242}
    assert [stat.S_IMODE(entry.stat().st_mode) for entry in (folder.root, path)] == [0o2770, 0o2700]
    assert stat.S_IMODE((path / "manifest.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("mask", [0, 0o027, 0o077])
def test_no_umask_opens_or_closes_a_run(tmp_path: Path, mask: int) -> None:
    """Runs are for their owner only, and the owner can read them; a folder that exists keeps its mode."""
    before = os.umask(mask)
    try:
        (tmp_path / "export").mkdir(mode=0o775)
        mode = (tmp_path / "export").stat().st_mode
        folder = OutputFolder(tmp_path / "export")
        with folder.locked():
            path = publish(folder, "one")
    finally:
        os.umask(before)
    assert folder.root.stat().st_mode == mode
    assert stat.S_IMODE(path.stat().st_mode) == 0o700
    assert stat.S_IMODE((path / "manifest.json").stat().st_mode) == 0o600


def test_the_folder_is_created_with_its_parents(tmp_path: Path) -> None:
    """An existing folder keeps its content."""
    folder = OutputFolder(tmp_path / "a" / "b")
    folder.state.check_writable()
    (folder.root / "mine.txt").touch()
    folder.state.check_writable()
    assert names(folder.root) == [".lead-export", "mine.txt"]


@pytest.mark.parametrize(
    "blocked",
    ["a", "a/b", "a/b/.lead-export"],
)
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path, blocked: str) -> None:
    """A file where a folder should be, at any level, is found before anything is called."""
    (tmp_path / blocked).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / blocked).touch()
    root = tmp_path / "a" / "b"
    with pytest.raises(UsageError) as error, OutputFolder(root).locked():
        pass
    assert all(part in str(error.value) for part in (str(root), f"{tmp_path / blocked} is a file", "--out"))


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_something_else_called_latest_is_refused(tmp_path: Path, make: Callable[[Path], None]) -> None:
    """A user's own file or folder of that name is not lost, and is reported before the first call."""
    make(tmp_path / "latest")
    with pytest.raises(UsageError) as error, OutputFolder(tmp_path).locked():
        pass
    assert all(part in str(error.value) for part in (str(tmp_path / "latest"), "--out"))
    assert names(tmp_path) == [".lead-export", "latest"]


def test_a_state_folder_on_another_disk_is_refused(tmp_path: Path) -> None:
    """Runs are moved out of it in one step, which would fail only when all calls have been made."""
    memory = Path("/dev/shm")  # noqa: S108 - another disk than that of the tests, on most systems
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second disk")
    with TemporaryDirectory(dir=memory) as other:
        (tmp_path / ".lead-export").symlink_to(other)
        with pytest.raises(UsageError) as error, OutputFolder(tmp_path).locked():
            pass
    assert str(error.value).startswith(f"{tmp_path / '.lead-export'}: ")


READ_ONLY = """
import os, sys
from pathlib import Path
from pipeline.errors import StorageError
from pipeline.files.folder import OutputFolder
folder = OutputFolder(Path("export"))
os.setuid(64_242)
try:
    with folder.locked():
        print("held")
except StorageError as error:
    print(error)
"""


def test_a_folder_that_is_not_writable_though_its_state_is_is_refused(tmp_path: Path) -> None:
    """As if somebody had protected the published runs: noticed before any call, not when all have been made."""
    if os.geteuid():
        pytest.skip("only root can become somebody else, for whom modes count")
    folder = OutputFolder(tmp_path / "export")
    folder.state.check_writable()
    os.chown(folder.state.path, 64_242, -1)
    tmp_path.chmod(0o755)
    answers = []
    for mode in (0o755, 0o777):
        folder.root.chmod(mode)
        words = [sys.executable, "-c", READ_ONLY]
        answers.append(subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout)
    assert [answer.split(":")[0] for answer in answers] == ["export", "held\n"]


def test_a_link_to_a_deleted_run_is_replaced(folder: OutputFolder) -> None:
    """Users may delete old runs, including the newest."""
    folder.latest.link.symlink_to("run=gone")
    with folder.locked():
        publish(folder, "one")
    assert folder.latest.link.readlink() == Path("run=one")


def test_journals_are_listed_by_name(folder: OutputFolder) -> None:
    """Other files in the state folder are not journals."""
    assert folder.state.journals() == []
    for path in (folder.state.journal("two"), folder.state.journal("one"), folder.state.partial("one.csv")):
        path.touch()
    assert folder.state.journals() == [folder.state.journal("one"), folder.state.journal("two")]


HOLD = """
import sys
from pathlib import Path
from pipeline.files.folder import OutputFolder
with OutputFolder(Path(sys.argv[1])).locked():
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
        with folder.locked():
            return True
    except FolderBusy:
        return False


def test_two_runs_cannot_hold_a_folder(folder: OutputFolder) -> None:
    """The second is told which process holds it, and since when."""
    with holder(folder) as child:
        with pytest.raises(FolderBusy) as error, folder.locked():
            pass
        since = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        assert error.match(f"^{folder.root}: process {child.pid}, .*{since}")
        child.communicate("")
        assert is_free(folder)


def test_the_lock_of_a_killed_run_is_released(folder: OutputFolder) -> None:
    """After kill -9 nothing has to be cleaned up."""
    with holder(folder) as child:
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert is_free(folder)


def test_a_lock_names_only_its_holder(folder: OutputFolder) -> None:
    """Whatever an earlier holder left in the file is overwritten."""
    file = folder.root / ".lead-export" / "lock"
    file.write_text("x" * 200)
    with folder.locked():
        assert re.fullmatch(rf"process {os.getpid()}, running since [\d: -]+ UTC,", file.read_text())


def test_a_folder_is_free_after_an_error(folder: OutputFolder) -> None:
    """The lock is released at the end of the block, however that ends."""
    with suppress(KeyboardInterrupt), folder.locked():
        assert not is_free(folder)
        raise KeyboardInterrupt
    assert is_free(folder)


def test_a_lock_file_that_cannot_be_created_is_a_storage_error(tmp_path: Path) -> None:
    """The message names its path."""
    lock = hold_lock(tmp_path / "none" / ".lead-export" / "lock", tmp_path)
    with pytest.raises(StorageError, match=r"/none/\.lead-export/lock"):
        lock.__enter__()


def test_the_holder_of_a_folder_is_known(folder: OutputFolder) -> None:
    """The lock itself tells; what a killed run left in its file does not count."""
    assert folder.state.holder() is None
    with holder(folder) as child:
        assert str(folder.state.holder()).startswith(f"process {child.pid}, running since ")
        assert not is_free(folder)
        child.kill()
        child.wait()
    assert folder.state.holder() is None
    assert is_free(folder)

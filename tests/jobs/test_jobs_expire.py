"""What is removed once it is too old, and what never is."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs_lists import journal, settings, write_list

from pipeline.errors import FolderBusy, StorageError, UsageError
from pipeline.files.folder import MANIFEST, OutputFolder, read_manifest
from pipeline.files.state import StateFolder
from pipeline.jobs.expire import expire
from pipeline.jobs.retention import Expired, expired
from pipeline.jobs.status import status
from pipeline.outcomes import iso
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


DAY_MS = 86_400_000
NOW_MS = 1_000 * DAY_MS
REPLIES = "replies.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    """An output folder without runs."""
    made = OutputFolder(tmp_path / "out")
    made.state.check_writable()
    return made


def finished(folder: OutputFolder, run_id: str, days_ago: float, *, is_latest: bool = True) -> Path:
    """Publish a run that finished some days ago, with replies."""
    manifest: dict[str, Any] = {"manifest_version": 1, "run_id": run_id, "rows": {}, "settings": {}}
    manifest["finished_at"] = iso(NOW_MS - int(days_ago * DAY_MS))
    manifest["tables"] = {"replies": {"files": [{"name": REPLIES, "sha256": ""}]}, "leads": {"files": []}}
    with folder.staging(run_id) as staging:
        (staging / REPLIES).write_bytes(b"replies")
        path = folder.publish(staging, run_id, manifest)
    if is_latest:
        folder.switch_latest_to(run_id)
    return path


def runs(folder: OutputFolder) -> list[str]:
    """The names of the runs that are there."""
    return sorted(path.name.removeprefix("run=") for path in folder.runs())


def kept(folder: OutputFolder, **keep: object) -> list[str]:
    """The runs that are left after expiry with these settings."""
    expire(Settings.model_validate(keep), folder.root, NOW_MS)
    assert [path.name for path in folder.state.path.iterdir()] == ["lock"]
    return runs(folder)


def test_all_stays_unless_something_is_set(folder: OutputFolder) -> None:
    """0 keeps everything for ever."""
    for number in range(3):
        finished(folder, f"n{number}", 900 - number)
    journal(folder.state.path, "ann@example.com", name="old").close()
    assert expire(settings(), folder.root, NOW_MS).is_empty
    assert runs(folder) == ["n0", "n1", "n2"]


def test_the_runs_that_finished_last_stay(folder: OutputFolder) -> None:
    """Whatever their names; folders without a manifest are left alone."""
    for days_ago, run_id in ((4, "c"), (3, "a"), (2, "d"), (1, "b")):
        finished(folder, run_id, days_ago)
    folder.run("foreign").mkdir()
    assert kept(folder, keep_runs=2) == ["b", "d", "foreign"]


def test_runs_go_by_age(folder: OutputFolder) -> None:
    """Those that finished before that many days ago; with keep_runs as well, whichever lets a run go."""
    for days_ago in (40, 31, 30, 29, 1):
        finished(folder, f"d{days_ago}", days_ago)
    assert kept(folder, keep_days=30) == ["d1", "d29", "d30"]
    assert kept(folder, keep_days=29.5, keep_runs=1) == ["d1"]


@pytest.mark.parametrize("keep", [{"keep_runs": 1}, {"keep_days": 1}])
def test_latest_is_never_removed(folder: OutputFolder, keep: dict[str, float]) -> None:
    """However old it is, and even if others finished later, as after a clock was set back."""
    for run_id, days_ago in (("new", -400), ("newer", -500), ("last", 900)):
        finished(folder, run_id, days_ago)
    assert "last" in kept(folder, **keep)
    assert folder.latest.link.resolve().name == "run=last"


def test_replies_go_before_their_tables(folder: OutputFolder) -> None:
    """The manifest no longer names them and says when they went; mode and other keys stay, for latest too."""
    for days_ago in (8, 7.5, 2):
        finished(folder, f"d{days_ago}", days_ago)
    path = folder.run("d8")
    (path / MANIFEST).chmod(0o640)
    before = read_manifest(path)
    found = expire(settings(keep_replies_days=7), folder.root, NOW_MS)
    assert found == Expired([], ["d7.5", "d8"], [])
    after = read_manifest(path)
    assert before is not None
    assert after == {**before, "tables": {"leads": {"files": []}}, "replies_removed_at": iso(NOW_MS)}
    assert stat.S_IMODE((path / MANIFEST).stat().st_mode) == 0o640
    assert [(folder.run(name) / REPLIES).exists() for name in ("d8", "d7.5", "d2")] == [False, False, True]
    assert expire(settings(keep_replies_days=7), folder.root, NOW_MS).is_empty


def test_an_interrupted_removal_of_replies_is_finished(folder: OutputFolder) -> None:
    """The manifest says that they are gone, the file is still there: the next expiry removes it, whatever is set."""
    path = finished(folder, "a", 1)
    manifest = json.loads((path / MANIFEST).read_text())
    (path / MANIFEST).write_text(json.dumps({**manifest, "tables": {}, "replies_removed_at": iso(NOW_MS)}))
    assert expire(settings(), folder.root, NOW_MS).replies == ["a"]
    assert not (path / REPLIES).exists()


def test_answers_that_nobody_came_back_for_go(folder: OutputFolder, caplog: pytest.LogCaptureFixture) -> None:
    """Unfinished runs here and of files beside it by their start, unreadable ones by their file; each is named."""
    file = StateFolder.of_file(folder.root / "enriched.csv")
    file.check_writable()
    for state in (folder.state, file):
        journal(state.path, "ann@example.com", name="old").close()
        (state.path / "people.txt").unlink()
    broken = folder.state.set_aside(write_list(folder.state.journal("broken"), ["no journal"]))
    os.utime(broken, (0, 0))
    fresh = folder.state.set_aside(write_list(folder.state.journal("fresh"), ["no journal"]))
    os.utime(fresh, (NOW_MS / 1000, NOW_MS / 1000))
    found = expired(folder, settings(keep_unfinished_days=7), NOW_MS)
    assert found.unfinished == [
        ".lead-export/old.journal",
        ".lead-export/broken.journal.unreadable",
        ".enriched.csv.lead-export/old.journal",
    ]
    assert expire(settings(keep_unfinished_days=7), folder.root, NOW_MS) == found
    assert sorted(path.name for path in folder.state.path.iterdir()) == ["fresh.journal.unreadable", "lock"]
    assert not file.path.exists()
    assert len([record for record in caplog.records if "nobody has resumed it" in record.getMessage()]) == 3


def test_a_young_unfinished_run_stays(folder: OutputFolder) -> None:
    """Its age is that of its start, not that of its file."""
    journal(folder.state.path, "ann@example.com", name="young").close()  # begun at 1,000 ms
    assert expired(folder, settings(keep_unfinished_days=7), 1_000 + 7 * DAY_MS).is_empty
    assert not expired(folder, settings(keep_unfinished_days=7), 1_001 + 7 * DAY_MS).is_empty


def test_a_dry_run_changes_nothing(folder: OutputFolder) -> None:
    """It says the same as the expiry after it; `status` does too, and a plan counts the run that is to come."""
    for days_ago in (3, 2, 1):
        finished(folder, f"d{days_ago}", days_ago)
    keep = settings(keep_runs=1, keep_replies_days=0.5)
    said = expire(keep, folder.root, NOW_MS, dry_run=True)
    assert said == Expired(["d2", "d3"], ["d1"], [])
    assert status(folder.root, settings=keep).expires == said
    assert expired(folder, keep, NOW_MS, new_runs=1).runs == ["d1", "d2", "d3"]
    assert runs(folder) == ["d1", "d2", "d3"]
    assert expire(keep, folder.root, NOW_MS) == said


def test_what_cannot_be_removed_is_said(folder: OutputFolder) -> None:
    """The rest goes all the same."""
    for days_ago in (4, 3, 2, 1):
        finished(folder, f"d{days_ago}", days_ago)
    (folder.state.path / "run=d3.removed").write_text("in the way")
    with pytest.raises(StorageError, match=r"run=d3: cannot be removed \(.+\)\.$"):
        expire(settings(keep_runs=1), folder.root, NOW_MS)
    assert runs(folder) == ["d1", "d3"]


def test_a_folder_must_be_there_and_free(folder: OutputFolder, tmp_path: Path) -> None:
    """Exit code 2 for a folder that does not exist, 7 for one that a run holds."""
    with pytest.raises(UsageError, match="no such folder"):
        expire(settings(), tmp_path / "none", NOW_MS)
    with folder.locked(), pytest.raises(FolderBusy):
        expire(settings(), folder.root, NOW_MS)


@given(st.data())
def test_no_run_goes_that_a_setting_keeps(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """For any ages: what goes is beyond the number or the age, what stays is within both or is latest."""
    folder = OutputFolder(tmp_path_factory.mktemp("out"))
    folder.state.check_writable()
    ages = data.draw(st.lists(st.integers(0, 60), max_size=6, unique=True))
    for age in ages:
        finished(folder, f"d{age}", age)
    number, days = data.draw(st.integers(0, 4)), data.draw(st.integers(0, 40))
    gone = expired(folder, settings(keep_runs=number, keep_days=days), NOW_MS).runs
    for position, age in enumerate(sorted(ages)):
        is_beyond = (number and position >= number) or (days and age > days)
        assert (f"d{age}" in gone) == bool(is_beyond and age != ages[-1])

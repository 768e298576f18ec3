"""Purging where retention removes runs, replies and tables: nothing comes back, and nothing stays that was to go."""

from __future__ import annotations

import errno
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import lead_export
from odd_disk import at
from purge_people import ADA, BOB, KEY, LEADS, NEW_ADA, copied, lead, publish, purge, traces

if TYPE_CHECKING:
    from pathlib import Path

    from odd_disk import OddDisk

CHANGED = {**LEADS, ADA: lead("1", ADA, notes="likes poetry"), BOB: lead("2", BOB, phone="556")}
KEEP_CHANGES = ("--keep-runs", 1, "--keep-changes", 5)
PRIVATE = {
    **KEY,
    "LEAD_EXPORT_HASH_COLUMNS": "leads.email,leads.id",
    "LEAD_EXPORT_KEEP_COLUMNS": "*.extra,leads.notes,leads.lead_picture,custom_fields.value,outcomes.message",
    "LEAD_EXPORT_REPLIES": "private",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three runs, of which the second and the third have changes of Ada and of Bob."""
    made = tmp_path_factory.mktemp("retention")
    for run_id, leads in (("a", LEADS), ("b", CHANGED), ("c", LEADS)):
        assert publish(made, made / "out", leads, "--run-id", run_id).code == 3
    return made / "out"


@pytest.fixture
def out(folder: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(folder, tmp_path / "out")


@pytest.fixture(scope="module")
def hidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two runs whose columns are hashed and whose replies are private."""
    made = tmp_path_factory.mktemp("hidden")
    for run_id, leads in (("a", LEADS), ("b", CHANGED)):
        assert publish(made, made / "out", leads, "--run-id", run_id, **PRIVATE).code == 3
    return made / "out"


def interrupted(out: Path, run_id: str, odd_disk: OddDisk) -> Path:
    """Purge Ada up to the step in which a run is replaced; return what was to replace it."""
    words = ("purge", ADA, "--out", out, "--no-suppress")
    assert odd_disk(at(out / f"run={run_id}", {"EXCHANGE": errno.EACCES}), *words).code == 6
    return out / ".lead-export" / f"{run_id}.purging"


def expire(out: Path, *options: object, **env: str) -> None:
    """Remove what is too old."""
    done = lead_export("expire", "--out", out, *options, **env)
    assert done.code == 0, done.err


def names(run: Path) -> list[str]:
    """What is in a run."""
    return sorted(path.name for path in run.iterdir())


def test_a_run_that_was_removed_meanwhile(out: Path, odd_disk: OddDisk) -> None:
    """What was to replace it goes with it, and the same command ends the purge."""
    left = interrupted(out, "a", odd_disk)
    assert left.is_dir()
    expire(out, "--keep-runs", 2)
    assert not left.exists()
    assert purge(ADA, "--out", out).code == 0
    assert traces(out, ADA, NEW_ADA) == []
    assert not list((out / ".lead-export").glob("purge-*"))


def test_a_run_that_somebody_removed_by_hand(out: Path, odd_disk: OddDisk) -> None:
    """It is not brought back, and what was to replace it goes."""
    left = interrupted(out, "a", odd_disk)
    (out / "run=a").rename(out.parent / "elsewhere")
    assert purge(ADA, "--out", out).code == 0
    assert (left.exists(), (out / "run=a").exists(), traces(out, ADA, NEW_ADA)) == (False, False, [])


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (KEEP_CHANGES, ["changes.parquet", "manifest.json"]),
        (("--keep-replies-days", 0.0000001), None),
    ],
)
def test_what_was_reduced_meanwhile_stays_so(
    out: Path, odd_disk: OddDisk, options: tuple[object, ...], left: list[str] | None
) -> None:
    """Neither tables nor raw replies come back with the second attempt, and she is gone from what is left."""
    before = names(out / "run=b")
    copy = interrupted(out, "b", odd_disk)
    saved = copied(copy, out.parent / "saved")
    expire(out, *options)
    assert not copy.exists()
    copied(saved, copy)  # as an older version left it
    wanted = left or [name for name in before if name != "replies.parquet"]
    assert names(out / "run=b") == wanted
    assert purge(ADA, "--out", out).code == 0
    assert (names(out / "run=b"), traces(out, ADA, NEW_ADA), copy.exists()) == (wanted, [], False)
    assert lead_export("verify", out / "run=b").code == 0


def test_changes_are_all_that_is_kept_of_a_private_run(hidden: Path, tmp_path: Path) -> None:
    """Its hidden replies go as well, it is intact, nothing can be made of it, and a purge keeps it as small."""
    out = copied(hidden, tmp_path / "out")
    place = out / ".lead-export" / "private"
    assert sorted(path.name for path in place.iterdir()) == ["a", "b"]
    expire(out, *KEEP_CHANGES)
    assert [path.name for path in place.iterdir()] == ["b"]
    manifest = json.loads((out / "run=a" / "manifest.json").read_bytes())
    assert ("private" in manifest, [*manifest["tables"]]) == (False, ["changes"])
    assert lead_export("verify", out / "run=a", **KEY).code == 0
    assert lead_export("rebuild", out / "run=a", "--out", tmp_path / "again", **KEY).code == 2
    assert purge(ADA, "--out", out, **KEY).code == 0
    assert names(out / "run=a") == ["changes.parquet", "manifest.json"]
    assert lead_export("verify", out / "run=a", **KEY).code == 0


def test_hidden_replies_that_an_interruption_left(hidden: Path, tmp_path: Path) -> None:
    """The next expiry removes them although the run's own folder has nothing more to remove."""
    out = copied(hidden, tmp_path / "out")
    place = out / ".lead-export" / "private" / "a"
    saved = copied(place, tmp_path / "saved")
    expire(out, *KEEP_CHANGES)
    copied(saved, place)
    expire(out, *KEEP_CHANGES)
    assert not place.exists()


@pytest.mark.parametrize(("key", "is_kept"), [("tables_removed_at", {"changes"}), ("replies_removed_at", None)])
def test_a_removal_that_was_interrupted_is_finished(out: Path, key: str, is_kept: set[str] | None) -> None:
    """The manifest said so, but files were left: a purge removes them with the person in them."""
    path = out / "run=a" / "manifest.json"
    manifest = json.loads(path.read_bytes())
    kept = is_kept or {*manifest["tables"]} - {"replies"}
    manifest["tables"] = {name: table for name, table in manifest["tables"].items() if name in kept}
    path.write_text(json.dumps({**manifest, key: "2026-11-27T23:03:13.658+00:00"}))
    done = purge(ADA, "--out", out)
    assert (done.code, traces(out, ADA, NEW_ADA)) == (0, []), done.err
    left = {name.partition(".")[0] for name in names(out / "run=a")} - {"manifest", "failures"}
    assert left == kept - {"failures"}


def test_a_folder_of_somebody_else_does_not_stop_it(out: Path) -> None:
    """Folders in a run stay, and everything of lead-export but the changes goes."""
    (out / "run=a" / "notes").mkdir()
    expire(out, *KEEP_CHANGES)
    assert names(out / "run=a") == ["changes.parquet", "manifest.json", "notes"]
    again = lead_export("expire", "--out", out, *KEEP_CHANGES)
    assert (again.code, "Nothing is too old" in again.err) == (0, True)


def test_leads_are_learned_from_the_changes(out: Path) -> None:
    """What is left of a run may be all that says that a lead is hers: her rows under another address go, too."""
    expire(out, *KEEP_CHANGES)
    feed = out / "run=b" / "changes.parquet"
    rows = pd.read_parquet(feed)
    assert set(rows.loc[rows["requested_email"] == ADA, "lead_id"]) == {"1"}
    (path,) = (out / "run=c").glob("leads.parquet")
    assert path.is_file()
    for run in ("a", "c"):  # the tables of which would say so, too
        for file in (out / f"run={run}").iterdir():
            file.unlink()
        (out / f"run={run}").rmdir()
    (out / "latest").unlink()
    moved = {**LEADS, ADA: lead("8", ADA)}
    assert publish(out.parent, out, moved, "--run-id", "d").code == 3
    assert NEW_ADA in pd.read_parquet(out / "run=d" / "leads.parquet")["requested_email"].tolist()
    assert purge(ADA, "--out", out).code == 0
    assert traces(out, ADA, NEW_ADA) == []

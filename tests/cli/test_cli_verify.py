"""`lead-export verify`: whether a published run is still what was published."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from cli_command import OPTIONS, lead_export, run, write_list

from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cli_command import Result

EMAILS = [
    *(f"person.{number}@example.com" for number in range(30)),
    *("not-found@example.com", "new-keys@example.com", "wrong-types@example.com", "bad-utf8@example.com"),
    *("always-500@example.com", "PERSON.1@example.com", "=no address", "'+not one", '"a, b"'),
]
FORMATS = ("parquet", "csv", "tsv", "xlsx")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a run of every format, `latest`, and one of each that kept no replies."""
    folder = tmp_path_factory.mktemp("published")
    people, out = write_list(folder / "people.csv", EMAILS), folder / "out"
    environ = {"LEAD_EXPORT_MAX_ATTEMPTS": "1"}
    formats = [word for name in FORMATS for word in ("--format", name)]
    with running(OPTIONS) as sandbox:
        for name in FORMATS:
            bare = ("--run-id", f"bare-{name}", "--format", name, "--no-keep-replies")
            assert run(people, sandbox, out, *bare, **environ).code == 3
        two = ("--run-id", "two", *formats[:4], "--timezone", "EST")
        assert run(people, sandbox, out, *two, **environ).code == 3
        assert run(people, sandbox, out, "--run-id", "all", *formats, **environ, LEAD_EXPORT_BATCH_LEADS="7").code == 3
    return out


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    """A copy of the run in Parquet and CSV, to be damaged."""
    return shutil.copytree(published / "run=two", tmp_path / "run=two")


@pytest.fixture
def every(published: Path, tmp_path: Path) -> Path:
    """A copy of the run of every format; to rebuild workbooks takes a second."""
    return shutil.copytree(published / "run=all", tmp_path / "run=all")


def verified(folder: Path, *options: str, **env: str) -> tuple[Result, dict[str, Any]]:
    """How the command ended, and what it found."""
    result = lead_export("verify", folder, "--json", *options, **env)
    return result, result.json


def found(folder: Path) -> list[tuple[str, str]]:
    """File and code of each difference; the exit code is 6, and each is a line on standard error."""
    result, report = verified(folder, "-q")
    differences = report["differences"]
    assert (result.code, report["ok"]) == (6, False)
    assert result.err.splitlines() == [difference["message"] for difference in differences]
    assert [one["message"] for one in differences if "@" in one["message"]] == []
    return [(difference["file"], difference["code"]) for difference in differences]


def rewrite_manifest(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a manifest as somebody would who knows how it is made."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def redescribe(folder: Path, name: str) -> None:
    """Make the manifest describe a file as it is now."""

    def change(manifest: dict[str, Any]) -> None:
        content = (folder / name).read_bytes()
        (file,) = (file for table in manifest["tables"].values() for file in table["files"] if file["name"] == name)
        file.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())

    rewrite_manifest(folder, change)


# Intact runs.


def test_an_intact_run_of_every_format(published: Path) -> None:
    """All files are compared, all tables rebuilt, exit 0; nothing is left behind, nothing of the run changes."""
    before = {path: path.stat().st_mtime_ns for path in published.rglob("*")}
    result, report = verified(published / "latest")
    assert (result.code, report["ok"], report["rebuilt"], report["run_id"]) == (0, True, True, "all")
    assert report["folder"] == str(published / "run=all")  # `latest` may be switched meanwhile
    assert (report["differences"], report["notes"]) == ([], [])
    assert (report["files"], report["rows"]) == (9 * 4 + 2, len(EMAILS))
    # A workbook says inside when it was written.
    assert {name.rpartition(".")[2] for name in report["same_content"]} <= {"xlsx"}
    assert len(report["identical"]) + len(report["same_content"]) == report["files"] - 1
    after = {path: path.stat().st_mtime_ns for path in published.rglob("*") if path.name != ".lead-export"}
    assert after == {path: at for path, at in before.items() if path.name != ".lead-export"}


@pytest.mark.parametrize("name", FORMATS)
def test_a_run_without_replies_is_verified_as_far_as_possible(published: Path, name: str) -> None:
    """Checksums and counts are compared, and a note says that nothing was rebuilt; exit 0."""
    result, report = verified(published / f"run=bare-{name}")
    assert (result.code, report["ok"], report["rebuilt"], report["files"]) == (
        *(0, True, False),
        10 if name == "parquet" else 11,  # the changes are published as Parquet in any case
    )
    assert ["--no-keep-replies" in note for note in report["notes"]] == [True]


def test_quiet_says_nothing_about_an_intact_run(published: Path) -> None:
    """As cron wants it; otherwise a few lines on standard error."""
    assert lead_export("verify", published / "run=two", "-q").err == ""
    assert "Run two: intact" in lead_export("verify", published / "run=two").err.splitlines()


def test_settings_of_today_do_not_count(published: Path) -> None:
    """Formats and time zone are those of the run."""
    result, report = verified(published / "run=two", LEAD_EXPORT_FORMATS="csv", LEAD_EXPORT_TIMEZONE="UTC")
    assert (result.code, report["rebuilt"]) == (0, True)


def test_a_run_in_a_folder_that_cannot_be_written(copy: Path) -> None:
    """A copy without a state folder is rebuilt among the temporary files, while another run holds its folder."""
    copy.parent.chmod(0o500)
    try:
        assert verified(copy)[0].code == 0
    finally:
        copy.parent.chmod(0o700)
    assert [path.name for path in copy.parent.iterdir()] == ["run=two"]


def test_a_folder_that_is_no_run_is_wrong_usage(tmp_path: Path) -> None:
    """Exit 2 with one sentence, for a folder without a run and for one that does not exist."""
    for folder in (tmp_path, tmp_path / "none"):
        assert str(folder) in lead_export("verify", folder).sentence


# Damage.


def flip(path: Path) -> None:
    """Flip one bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["leads.parquet", "tags.csv", "outcomes.parquet", "replies.parquet", "failures.csv"])
def test_a_flipped_bit_is_found(copy: Path, name: str) -> None:
    """The file is named, and no other one."""
    flip(copy / name)
    assert found(copy) == [(name, "checksum")]


def test_flipped_bits_are_found_in_all_files_of_every_format(every: Path) -> None:
    """However many files are damaged, each is named, once."""
    names = sorted(path.name for path in every.iterdir() if path.suffix != ".json")
    for name in names:
        flip(every / name)
    assert sorted(found(every)) == [(name, "checksum") for name in names]


def test_damage_of_what_tables_are_made_of_is_said(copy: Path) -> None:
    """With damaged replies the tables are not rebuilt, and a note says so; the other files are still compared."""
    for name in ("replies.parquet", "leads.csv"):
        (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    report = verified(copy)[1]
    assert {one["file"] for one in report["differences"]} == {"replies.parquet", "leads.csv"}
    assert (report["rebuilt"], len(report["notes"])) == (False, 1)
    assert "replies.parquet" in report["notes"][0]


def test_missing_and_additional_files(copy: Path) -> None:
    """A missing file is a difference; a table that the manifest does not know is a note."""
    (copy / "tags.csv").rename(copy / "tags-2.csv")
    report = verified(copy)[1]
    assert [(one["file"], one["code"]) for one in report["differences"]] == [("tags.csv", "missing")]
    assert ["tags-2.csv" in note for note in report["notes"]] == [True]


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b'{"manifest_version": 1}'])
def test_a_manifest_that_cannot_be_read(copy: Path, content: bytes | None) -> None:
    """Missing or damaged, it is the one difference that is reported."""
    (copy / "manifest.json").unlink()
    if content is not None:
        (copy / "manifest.json").write_bytes(content)
    assert found(copy) == [("manifest.json", "manifest")]


CHANGES: list[Callable[[dict[str, Any]], None]] = [
    lambda m: m["rows"].update(found=m["rows"]["found"] - 1),
    lambda m: m["rows"].update(found=m["rows"]["found"] - 1, not_found=m["rows"]["not_found"] + 1),
    lambda m: m["input"][0].update(rows=1),
    lambda m: m["input"][0].update(name="other.csv"),
    lambda m: m.update(status="complete"),
    lambda m: m.update(run_id="other"),
    lambda m: m.update(finished_at="2001-01-01T00:00:00+00:00"),
    lambda m: m["codes"]["failed"].update(http_5xx=2),
    lambda m: m["drift"]["unknown_keys"].clear(),
    lambda m: m["tables"]["leads"]["files"][0].update(rows=1),
    lambda m: m["tables"]["leads"]["files"][1].update(rows=1),
    lambda m: m["tables"]["leads"]["files"][0].update(bytes=1),
    lambda m: m["settings"].update(timezone="No/Where"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_contradicts_the_run(copy: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Counts, names and settings that are not those of the tables are found."""
    rewrite_manifest(copy, change)
    assert set(found(copy)) == {("manifest.json", "manifest")}


# Tables that somebody made to fit the manifest.


def test_a_table_that_its_replies_do_not_give(copy: Path) -> None:
    """Rebuilding finds what checksums cannot; the first row and the columns, or the line, are named."""
    leads = pd.read_parquet(copy / "leads.parquet", dtype_backend="pyarrow")
    leads.loc[4, "city"] = "Elsewhere"
    leads.to_parquet(copy / "leads.parquet")
    (copy / "leads.csv").write_bytes((copy / "leads.csv").read_bytes().replace(b"import", b"export", 1))
    for name in ("leads.parquet", "leads.csv"):
        redescribe(copy, name)
    messages = {one["file"]: one["message"] for one in verified(copy)[1]["differences"]}
    assert messages.keys() == {"leads.parquet", "leads.csv"}
    assert "line" in messages["leads.csv"]


def test_a_workbook_that_its_replies_do_not_give(every: Path) -> None:
    """The same for workbooks, which hold the time of writing and so are never the same byte for byte."""
    shutil.copy(every / "lists.xlsx", every / "tags.xlsx")
    redescribe(every, "tags.xlsx")
    assert {("tags.xlsx", "rebuilt"), ("manifest.json", "manifest")} >= set(found(every)) >= {("tags.xlsx", "rebuilt")}


def test_the_same_content_in_other_bytes_is_no_difference(copy: Path) -> None:
    """A file that another version of a library wrote is counted apart, and the exit code is 0."""
    import pyarrow.parquet as pq

    pq.write_table(pq.read_table(copy / "leads.parquet"), copy / "leads.parquet", compression="gzip", row_group_size=3)
    redescribe(copy, "leads.parquet")
    result, report = verified(copy)
    assert (result.code, "leads.parquet" in report["same_content"]) == (0, True)


@pytest.mark.parametrize("order", [slice(None, None, -1), slice(1, None)])
def test_replies_that_are_not_those_of_the_rows(copy: Path, order: slice) -> None:
    """Replies in another order, or too few, are found although they can be flattened."""
    replies = pd.read_parquet(copy / "replies.parquet", dtype_backend="pyarrow")
    replies.iloc[order].to_parquet(copy / "replies.parquet", index=False)
    redescribe(copy, "replies.parquet")
    assert ("replies.parquet", "replies") in found(copy)


# Where the tables are made.


def test_no_room_to_rebuild_is_a_storage_error(copy: Path, tmp_path: Path) -> None:
    """One sentence and exit 6, before anything is written."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["tables"]["leads"]["files"][0]["bytes"] = 10**16

    rewrite_manifest(copy, change)
    result = lead_export("verify", copy, "-q", TMPDIR=str(tmp_path))
    assert (result.code, "TMPDIR" in result.err) == (6, True)


def test_what_a_killed_verification_left_is_removed(copy: Path) -> None:
    """Folders without a living owner disappear with the next verification; those of a living one stay."""
    state = copy.parent / ".lead-export"
    for name in ("dead.scratch", "new.scratch"):
        (state / name).mkdir(parents=True)
        (state / name / "lock").touch()
    os.utime(state / "dead.scratch", (0, 0))
    assert verified(copy)[0].code == 0
    assert [path.name for path in state.iterdir()] == ["new.scratch"]

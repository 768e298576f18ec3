"""Published runs read back."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import StorageError, UsageError
from pipeline.files.folder import OutputFolder
from pipeline.files.parquet import ParquetFile, described
from pipeline.files.private import sha256
from pipeline.files.published import PublishedAnswers, PublishedRun
from pipeline.outcomes import Answer, Outcome, RowOutcome
from pipeline.tables.records import REPLY_SCHEMA, outcome_table, reply_table

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = [
    Answer("ann@example.com", Outcome.FOUND, lead_id="7", answered_at_ms=1_000, body=b'{"a": "\xff"}'),
    Answer("bob@example.com", Outcome.FAILED, "http_500", "trouble", attempts=5, answered_at_ms=2_345),
]
ROWS = [
    RowOutcome("a.csv", 1, " '=ann@example.com", "ann@example.com", "found", None, None, "7", 1, 1_000),
    RowOutcome("a.csv", 2, "", None, "invalid", "empty", "the cell is empty", None, 0, None),
]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A published run with two answers and two rows."""
    folder, files = OutputFolder(tmp_path), {}
    folder.prepare()
    with folder.staging("one") as staging:
        for name, table in (("replies", reply_table(ANSWERS)), ("outcomes", outcome_table(ROWS))):
            with ParquetFile(staging / f"{name}.parquet", table.schema) as file:
                file.write(table)
            files[name] = {"files": [{"name": f"{name}.parquet", "sha256": sha256(staging / f"{name}.parquet")}]}
        manifest = {
            "manifest_version": 1,
            "run_id": "one",
            "finished_at": "2026",
            "rows": {"read": 2},
            "tables": files,
            "settings": {},
        }
        return folder.publish(staging, "one", manifest)


def test_what_was_kept_comes_back(place: Path) -> None:
    """Answers and rows as a journal would give them, every byte and every null."""
    kept = PublishedRun(place)
    answers, rows = kept.answers(), kept.rows()
    assert list(answers.slice(0, answers.count)) == ANSWERS
    assert list(rows.slice(0, rows.count)) == ROWS
    assert kept.rows_read() == 2


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    """A folder without a manifest, a file, nothing at all, somebody else's manifest."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    for content in ("{}", "[]", "x", "\0", "[" * 10_000):
        (tmp_path / "other" / "manifest.json").write_text(content)
        for name in ("", "file", "none", "other"):
            with pytest.raises(UsageError, match="manifest"):
                PublishedRun(tmp_path / name)


def test_a_run_without_replies_is_refused(place: Path) -> None:
    """The message names the option that left them out."""
    manifest = json.loads((place / "manifest.json").read_text())
    del manifest["tables"]["replies"]
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="--no-keep-replies"):
        PublishedRun(place)


@pytest.mark.parametrize("name", ["replies.parquet", "outcomes.parquet"])
def test_a_damaged_file_is_refused(place: Path, name: str) -> None:
    """One flipped bit, or no file: nothing is made of it, and the message says which."""
    content = bytearray((place / name).read_bytes())
    content[len(content) // 2] ^= 1
    (place / name).write_bytes(content)
    with pytest.raises(StorageError, match=f"{name}: "):
        PublishedRun(place)
    (place / name).unlink()
    with pytest.raises(StorageError, match=f"{name}: "):
        PublishedRun(place)


def test_a_file_of_another_kind_is_refused(place: Path) -> None:
    """A manifest that fits a file of another kind is not enough."""
    shutil.copy(place / "outcomes.parquet", place / "replies.parquet")
    manifest = json.loads((place / "manifest.json").read_text())
    manifest["tables"]["replies"]["files"][0]["sha256"] = sha256(place / "replies.parquet")
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match=r"replies\.parquet: "):
        list(PublishedRun(place).answers().slice(0, 1))
    (place / "replies.parquet").write_bytes(b"no table")
    manifest["tables"]["replies"]["files"][0]["sha256"] = sha256(place / "replies.parquet")
    (place / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match=r"replies\.parquet: "):
        list(PublishedRun(place).answers().slice(0, 1))


@pytest.mark.parametrize("group", [1, 3, 10, 100])
def test_any_part_of_the_answers_is_read(tmp_path: Path, group: int) -> None:
    """From any number to any other, whatever row groups they lie in."""
    answers = [Answer(f"p{n}@example.com", Outcome.FOUND, answered_at_ms=n, body=b"x") for n in range(10)]
    table = reply_table(answers)
    with ParquetFile(tmp_path / "replies.parquet", table.schema) as file:
        for start in range(0, 10, group):
            file.write(table.slice(start, group))
    kept = PublishedAnswers(tmp_path / "replies.parquet", 10)
    for first in range(11):
        for last in range(first, 11):
            assert list(kept.slice(first, last)) == answers[first:last]


def test_no_answers_are_read_from_an_empty_table(tmp_path: Path) -> None:
    """A run of which no address could be asked."""
    with ParquetFile(tmp_path / "replies.parquet", reply_table([]).schema):
        pass
    assert list(PublishedAnswers(tmp_path / "replies.parquet", 0).slice(0, 0)) == []


def test_replies_are_copied_where_they_are_as_they_should_be(place: Path, tmp_path: Path) -> None:
    """To the last byte and for nobody else's eyes; a table of an older version is to be made anew."""
    kept = PublishedRun(place)
    (tmp_path / "again").mkdir()
    copy = kept.copy_replies(tmp_path / "again", described(REPLY_SCHEMA))
    assert copy is not None
    assert (copy.name, copy.rows, copy.sha256) == ("replies.parquet", 2, sha256(place / "replies.parquet"))
    assert (tmp_path / "again" / copy.name).read_bytes() == (place / copy.name).read_bytes()
    assert (tmp_path / "again" / copy.name).stat().st_mode & 0o077 == 0
    for other in (REPLY_SCHEMA, described(REPLY_SCHEMA.remove(0))):
        assert kept.copy_replies(tmp_path / "again", other) is None

"""Published runs read back."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from pipeline.errors import StorageError, UsageError
from pipeline.files.durable import sha256
from pipeline.files.folder import OutputFolder
from pipeline.files.formats.parquet import ParquetWriter
from pipeline.files.output_format import WriteOptions
from pipeline.files.published import PublishedRecords, PublishedRun
from pipeline.outcomes import Answer, Outcome, RowOutcome
from pipeline.schema import REPLIES
from pipeline.tables.frames import arrow_schema, outcome_frame, reply_frame

if TYPE_CHECKING:
    from pathlib import Path

ANSWERS = [
    Answer("ann@example.com", Outcome.FOUND, lead_id="7", answered_at_ms=1_000, body=b'{"a": "\xff"}'),
    Answer("bob@example.com", Outcome.FAILED, "http_500", "trouble", None, 5, 2_345),
]
ROWS = [
    RowOutcome("a.csv", 1, " '=ann@example.com", "ann@example.com", "found", None, None, "7", 1, 1_000),
    RowOutcome("a.csv", 2, "", None, "invalid", "empty", "the cell is empty", None, 0, None),
]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A published run with two answers and two rows."""
    folder, files = OutputFolder(tmp_path), {}
    folder.state.check_writable()
    with folder.staging("one") as staging:
        for name, frame in (("replies", reply_frame(ANSWERS)), ("outcomes", outcome_frame(ROWS))):
            with ParquetWriter(staging / f"{name}.parquet", frame.head(0), WriteOptions()) as file:
                file.write(frame)
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


def test_answers_and_rows_come_back(run: Path) -> None:
    """Answers and rows as a journal would give them, every byte and every null."""
    published = PublishedRun(run)
    answers, rows = published.answers(), published.rows()
    assert list(answers.slice(0, answers.count)) == ANSWERS
    assert list(rows.slice(0, rows.count)) == ROWS
    assert published.rows_read() == 2


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    """A folder without a manifest, a file, nothing at all, somebody else's manifest."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "other").mkdir()
    for content in ("{}", "[]", "x", "\0", "[" * 10_000):
        (tmp_path / "other" / "manifest.json").write_text(content)
        for name in ("", "file", "none", "other"):
            with pytest.raises(UsageError, match="manifest"):
                PublishedRun(tmp_path / name)


def test_a_run_without_replies_is_refused(run: Path) -> None:
    """The message names the option that left them out."""
    manifest = json.loads((run / "manifest.json").read_text())
    del manifest["tables"]["replies"]
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UsageError, match="--no-keep-replies"):
        PublishedRun(run)


@pytest.mark.parametrize("name", ["replies.parquet", "outcomes.parquet"])
def test_a_damaged_file_is_refused(run: Path, name: str) -> None:
    """After one flipped bit, or without the file, nothing is read, and the message names the file."""
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    with pytest.raises(StorageError, match=f"{name}.*manifest"):
        PublishedRun(run)
    (run / name).unlink()
    with pytest.raises(StorageError, match=f"{name}: No such file"):
        PublishedRun(run)


def test_a_file_of_another_kind_is_refused(run: Path) -> None:
    """A manifest that matches some other file is not enough."""
    shutil.copy(run / "outcomes.parquet", run / "replies.parquet")
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["tables"]["replies"]["files"][0]["sha256"] = sha256(run / "replies.parquet")
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match=r"replies\.parquet"):
        list(PublishedRun(run).answers().slice(0, 1))
    (run / "replies.parquet").write_bytes(b"no table")
    manifest["tables"]["replies"]["files"][0]["sha256"] = sha256(run / "replies.parquet")
    (run / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match=r"replies\.parquet"):
        list(PublishedRun(run).answers().slice(0, 1))


@pytest.mark.parametrize("group", [1, 3, 10, 100])
def test_any_part_of_the_answers_is_read(tmp_path: Path, group: int) -> None:
    """From any number to any other, whatever row groups they lie in."""
    answers = [Answer(f"p{n}@example.com", Outcome.FOUND, answered_at_ms=n, body=b"x") for n in range(10)]
    frame = reply_frame(answers)
    with ParquetWriter(tmp_path / "replies.parquet", frame.head(0), WriteOptions()) as file:
        for start in range(0, 10, group):
            file.write(frame.iloc[start : start + group])
    published = PublishedRecords(tmp_path / "replies.parquet", 10, Answer)
    for first in range(11):
        for last in range(first, 11):
            assert list(published.slice(first, last)) == answers[first:last]


def test_none_of_no_answers_are_read(tmp_path: Path) -> None:
    """A run of which no address could be asked."""
    with ParquetWriter(tmp_path / "replies.parquet", reply_frame([]), WriteOptions()):
        pass
    assert list(PublishedRecords(tmp_path / "replies.parquet", 0, Answer).slice(0, 0)) == []


def test_replies_are_copied_if_their_columns_are_current(run: Path, tmp_path: Path) -> None:
    """To the last byte, readable by the owner only; a table of an older version has to be written again."""
    published = PublishedRun(run)
    (tmp_path / "again").mkdir()
    copy = published.copy_replies(tmp_path / "again", arrow_schema(REPLIES))
    assert copy is not None
    assert (copy.name, copy.rows, copy.sha256) == ("replies.parquet", 2, sha256(run / "replies.parquet"))
    assert (tmp_path / "again" / copy.name).read_bytes() == (run / copy.name).read_bytes()
    assert (tmp_path / "again" / copy.name).stat().st_mode & 0o077 == 0
    assert published.copy_replies(tmp_path / "again", arrow_schema(REPLIES).remove(0)) is None

"""Files that are not journals, incomplete ones, and damaged ones."""

from __future__ import annotations

import asyncio
import random
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from journal_samples import ANN, EVE, JIM, JOE, answer, append, imported, numbered, started

from pipeline.errors import StorageError
from pipeline.journal.replay import read_summary
from pipeline.journal.store import Journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test is."""
    return tmp_path / "night.journal"


@pytest.fixture
def night(path: Path) -> Path:
    """A journal of a few hundred addresses, half of them answered."""
    emails = [f"{'x' * 90}{email}" for email in numbered(300)]
    with started(path, emails) as journal:
        noise = random.Random(1)
        answers = {n: answer(emails[n - 1], body=noise.randbytes(300)) for n in range(1, 300, 2)}
        asyncio.run(append(journal, answers, flush=False))
    return path


def execute(path: Path, statement: str) -> None:
    """Change the file with SQLite."""
    with closing(sqlite3.connect(path)) as db:
        db.execute(statement)
        db.commit()


def another_version(path: Path) -> None:
    """A journal of a version to come."""
    started(path, [JOE]).close()
    execute(path, "PRAGMA user_version = 99")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: execute(path, "CREATE TABLE answers (address INTEGER)"),
        another_version,
        lambda path: path.write_text("x" * 5_000),
        lambda path: path.mkdir(),
    ],
    ids=["another database", "another version", "text", "folder"],
)
@pytest.mark.parametrize("look", [Journal.open, read_summary])
def test_what_is_not_a_journal_is_refused_and_left_alone(
    path: Path, make: Callable[[Path], None], look: Callable[[Path], object]
) -> None:
    """The message has the path; the file keeps every byte and nothing is put next to it."""
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StorageError, match=f"^{path}: "):
        look(path)
    assert list(path.parent.iterdir()) == [path]
    assert (path.read_bytes() if path.is_file() else b"") == before


@pytest.mark.parametrize(
    "make", [lambda path: path.touch(), lambda path: imported(path, [JOE, JIM]).close()], ids=["empty", "imported"]
)
def test_a_killed_import_leaves_no_unfinished_run(path: Path, make: Callable[[Path], None]) -> None:
    """Without its run a journal has no summary, is not opened, and is not taken for a damaged one."""
    make(path)
    assert read_summary(path) is None
    with pytest.raises(StorageError, match=f"^{path}: "):
        Journal.open(path)


def test_a_journal_without_its_file_is_refused(path: Path) -> None:
    """None is created in its place; nor can one be where there is no folder."""
    for look in (Journal.open, read_summary):
        with pytest.raises(StorageError, match=f"^{path}: "):
            look(path)
    with pytest.raises(StorageError, match=f"^{path / 'none'}: "):
        Journal.create(path / "none")
    assert list(path.parent.iterdir()) == []


def read_all(path: Path) -> None:
    """Read everything that a journal holds."""
    with Journal.open(path) as journal:
        _ = [journal.summary(), *journal.pending(), *journal.rows(), *journal.answers()]


def test_a_cut_off_journal_is_refused(night: Path) -> None:
    """Wherever it ends, the run is not resumed with fewer answers than it had."""
    whole = night.read_bytes()
    for size in range(0, len(whole), 4_096):
        night.write_bytes(whole[:size])
        with pytest.raises(StorageError, match=f"^{night}: "):
            Journal.open(night)


@pytest.mark.parametrize("noise", [bytes(300), b"\xa5\x5a" * 150])
def test_a_damaged_journal_never_crashes(night: Path, noise: bytes) -> None:
    """Damaged anywhere, it is refused with its path, or at least read to its end."""
    whole, refused = night.read_bytes(), 0
    for place in range(0, len(whole), 2_900):
        night.write_bytes(whole[:place] + noise + whole[place + len(noise) :])
        try:
            read_all(night)
        except StorageError as error:
            assert str(error).startswith(f"{night}: ")  # noqa: PT017 - either way is fine
            refused += 1
    assert refused > len(whole) / 2_900 / 4


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE answers SET lead_id = '8' WHERE address = 2",
        "UPDATE answers SET code = '' WHERE address = 2",
        "UPDATE answers SET attempts = '1' WHERE address = 2",
        "UPDATE answers SET address = 3 WHERE address = 2",
        "UPDATE addresses SET email = 'jim@example.con' WHERE id = 2",
        "UPDATE answers SET pack = NULL WHERE address = 1",
        "UPDATE answers SET pack = 2 WHERE address = 1",
        "UPDATE packs SET bodies = x'62'",
        "UPDATE packs SET bodies = CAST(bodies AS TEXT)",
        "UPDATE packs SET bodies = NULL",
        "UPDATE packs SET bodies = (SELECT bodies FROM packs WHERE id = 2)",
        "UPDATE packs SET id = 3 WHERE id = 1",
        "DELETE FROM packs",
    ],
)
async def test_an_answer_that_was_changed_is_noticed(path: Path, change: str) -> None:
    """A single other value in any column: the journal is refused before anything is made of it."""
    with started(path, [JOE, JIM, ANN, EVE]) as journal:
        await append(journal, {1: answer(JOE, body=b"a"), 2: answer(JIM, lead_id="7")})
        await append(journal, {4: answer(EVE, body=b"b")})
    execute(path, change)
    with Journal.open(path) as journal, pytest.raises(StorageError, match=f"^{path}: "):
        list(journal.answers())

"""The exact messages about journals and imported lists; other tests assert only facts in them."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from pipeline.emails.lists import EmailList
from pipeline.errors import StopRun
from pipeline.jobs.import_lists import import_lists
from pipeline.jobs.plan import Plan, plan
from pipeline.journal.records import RunRecord
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def planned(path: Path, *lines: str) -> Plan:
    """The plan for the same list."""
    people = path.with_name("people.csv")
    people.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return plan(Settings(), [people])


def imported(path: Path, *lines: str) -> Journal:
    """A journal of one list with these lines."""
    people = path.with_name("people.csv")
    people.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return import_lists([EmailList(people)], path, RunRecord("night", 1, "{}"))


def another_file(path: Path) -> None:
    """A file of another program."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE notes (text)")
    Journal.open(path)


def killed_import(path: Path) -> None:
    """A journal without its run."""
    Journal.create(path).close()
    Journal.open(path)


def changed_answer(path: Path) -> None:
    """An answer that was changed on the disk."""
    with imported(path, "ann@example.com") as journal:
        asyncio.run(journal.append(1, Answer("ann@example.com", Outcome.FOUND)))
    with closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE answers SET lead_id = '8'")
        db.commit()
    with Journal.open(path) as journal:
        list(journal.answers())


def removed_journal(path: Path) -> None:
    """A journal that somebody deletes during the run."""
    journal = imported(path, "ann@example.com")
    asyncio.run(journal.append(1, Answer("ann@example.com", Outcome.FOUND)))
    path.unlink()
    journal.close()


@pytest.mark.parametrize(
    ("provoke", "message"),
    [
        (
            Journal.open,
            "{path}: the journal cannot be read or written (unable to open database file).",
        ),
        (another_file, "{path}: not a journal that this version of lead-export can read."),
        (killed_import, "{path}: the journal is incomplete: its lists were never completely imported."),
        (changed_answer, "{path}: the journal is damaged (an answer does not match its checksum)."),
        (removed_journal, "{path}: the journal was removed while the run was writing it."),
        (
            lambda path: imported(path, "email"),
            "people.csv: there is a header, but no row; pass --allow-empty to publish empty tables.",
        ),
        (
            lambda path: imported(path, "email", "ann", "bob"),
            "people.csv: none of the 2 rows holds an address; is --email-column right?",
        ),
        (
            lambda path: planned(path, "email"),
            "people.csv: there is a header, but no row; pass --allow-empty to publish empty tables.",
        ),
        (
            lambda path: planned(path, "email", "ann"),
            "people.csv: its one row does not hold an address; is --email-column right?",
        ),
    ],
)
def test_a_message_says_what_is_wrong_and_where(
    tmp_path: Path, provoke: Callable[[Path], object], message: str
) -> None:
    """One sentence with the file, the reason, and what to do where something can be done."""
    path = tmp_path / "night.journal"
    with pytest.raises(StopRun) as caught:
        provoke(path)
    assert str(caught.value) == message.format(path=path)

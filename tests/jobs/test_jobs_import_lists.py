"""Lists into the journal, whole or not at all."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from jobs_lists import SUBJECT, journal, write_list

from pipeline.emails.lists import EmailList
from pipeline.errors import UsageError
from pipeline.jobs.import_lists import import_lists
from pipeline.jobs.odd_rows import find_odd_rows
from pipeline.journal.records import ListSummary, RunRecord
from pipeline.journal.rows import OddRow
from pipeline.outcomes import Address

if TYPE_CHECKING:
    from pathlib import Path

RUN = RunRecord("one", 1_000, SUBJECT)


def test_every_row_is_kept_and_every_address_once(tmp_path: Path) -> None:
    """Rows of all lists in order; addresses by their first appearance; a cell without one says why."""
    first = write_list(tmp_path / "first.txt", ["Ann@example.com", "nobody", "<bob@example.com>"])
    second = write_list(tmp_path / "second.txt", ["BOB@example.com", "cat@example.com"])
    with import_lists([EmailList(first), EmailList(second)], tmp_path / "new", RUN) as taken:
        assert taken.summary().run == RUN
        assert taken.summary().lists == [
            ListSummary("first.txt", 3, hashlib.sha256(first.read_bytes()).hexdigest()),
            ListSummary("second.txt", 2, hashlib.sha256(second.read_bytes()).hexdigest()),
        ]
        expected = [Address(1, "Ann@example.com"), Address(2, "bob@example.com"), Address(3, "cat@example.com")]
        assert list(taken.pending()) == expected
        assert [(row.input, row.row, row.given, row.email, row.code) for row in taken.rows()] == [
            ("first.txt", 1, "Ann@example.com", "Ann@example.com", None),
            ("first.txt", 2, "nobody", None, "no_at"),
            ("first.txt", 3, "<bob@example.com>", "bob@example.com", None),
            ("second.txt", 1, "BOB@example.com", "bob@example.com", None),
            ("second.txt", 2, "cat@example.com", "cat@example.com", None),
        ]


def test_bad_list_leaves_no_journal(tmp_path: Path) -> None:
    """If the second list cannot be read, nothing of the first is left behind either."""
    good = write_list(tmp_path / "good.txt", ["ann@example.com"])
    bad = tmp_path / "bad.txt"
    bad.write_bytes(b"bob@example.com\n\xff\xfe\xfa\n")
    with pytest.raises(UsageError, match=r"bad\.txt"):
        import_lists([EmailList(good), EmailList(bad)], tmp_path / "new", RUN)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "good.txt"]


def test_journal_is_for_the_owner_only(tmp_path: Path) -> None:
    """It holds addresses and raw replies."""
    journal(tmp_path, "ann@example.com").close()
    assert (tmp_path / "test.journal").stat().st_mode & 0o777 == 0o600


def test_odd_rows_are_named_without_their_lists(tmp_path: Path) -> None:
    """The journal knows the row and the line of each: on later nights the lists need not be read for that."""
    first = write_list(tmp_path / "first.csv", ["email", "nobody", "", "ann@gmial.com"])
    second = write_list(tmp_path / "second.csv", ["email", "ANN@gmial.com", "bob@gmial.com", "no one"])
    with import_lists([EmailList(first), EmailList(second)], tmp_path / "new", RUN) as taken:
        first.unlink()
        second.unlink()
        odd = find_odd_rows(taken)
    assert odd is not None
    assert odd.suspicious == 2
    assert odd.first_suspicious == [
        OddRow("first.csv", 2, "line", 4, "typo"),
        OddRow("second.csv", 2, "line", 3, "typo"),
    ]
    assert odd.first_invalid == [
        OddRow("first.csv", 1, "line", 2, "no_at"),
        OddRow("second.csv", 3, "line", 4, "no_at"),
    ]

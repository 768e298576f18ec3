"""Addresses that leave a journal: what is left of them, in the file and in what is read from it."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from pipeline.journal.records import ListRow, RunRecord, unpacked
from pipeline.journal.store import Journal
from pipeline.journal.suppress import suppress
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

EMAILS = [f"person-{number}@example.com" for number in range(9)]


def journal_of(path: Path, answered: set[int]) -> Journal:
    """A journal with two rows for each address; those with these numbers, from 0, are answered."""
    journal = Journal.create(path)
    rows = (ListRow(f"<{email}>", email, email) for email in (*EMAILS, *EMAILS))
    journal.add_list("people.csv", rows, lambda: "0" * 64)
    journal.start(RunRecord("x", 1, "{}"))

    async def answer() -> None:
        for number in sorted(answered):
            body = f'{{"email": "{EMAILS[number]}"}}'.encode()
            await journal.append(number + 1, Answer(EMAILS[number], Outcome.FOUND, lead_id=f"id-{number}-", body=body))
        await journal.flush()

    asyncio.run(answer())
    return journal


@given(chosen=st.sets(st.integers(0, 8)), answered=st.sets(st.integers(0, 8)))
def test_nothing_of_them_is_left(
    tmp_path_factory: pytest.TempPathFactory, chosen: set[int], answered: set[int]
) -> None:
    """Not in a row, an answer or a reply, nor in any byte of the file and its log; the others are as they were."""
    path = tmp_path_factory.mktemp("journal") / "x.journal"
    with journal_of(path, answered) as journal:
        others = [row for row in journal.rows() if row.email and EMAILS.index(row.email) not in chosen]
        assert suppress(path, lambda email: EMAILS.index(email) in chosen) == len(chosen)
        assert suppress(path, lambda email: EMAILS.index(email) in chosen) == 0
        rows = list(journal.rows())
        assert [row for row in rows if row.outcome != "suppressed"] == others
        theirs = [row for row in rows if row.outcome == "suppressed"]
        assert [row.row for row in theirs] == [n + 1 + 9 * half for half in (0, 1) for n in sorted(chosen)]
        assert {
            (row.given, row.email, row.code, row.message, row.lead_id, row.attempts, row.answered_at_ms)
            for row in theirs
        } <= {(None, None, None, None, None, 0, None)}
        assert [answer.email for answer in journal.answers() if answer.outcome is Outcome.FOUND] == [
            EMAILS[number] for number in sorted(answered - chosen)
        ]
        assert [address.id - 1 for address in journal.pending()] == sorted({*range(9)} - chosen - answered)
        summary = journal.summary()
        assert (summary.askable, summary.answered) == (9 - len(chosen), len(answered - chosen))
        content = b"".join(file.read_bytes() for file in path.parent.iterdir())
    with closing(sqlite3.connect(path)) as db:
        content += b"".join(b"".join(unpacked(pack).values()) for (pack,) in db.execute("SELECT bodies FROM packs"))
    marks = [(EMAILS[number].encode(), f"id-{number}-".encode()) for number in chosen]
    assert [mark for pair in marks for mark in pair if mark in content] == []

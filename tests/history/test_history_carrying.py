"""Answers of earlier runs in a new journal."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.errors import StorageError
from pipeline.history import spool
from pipeline.history.carrying import carry_over
from pipeline.journal.records import ListRow, RunRecord
from pipeline.journal.replay import read_summary
from pipeline.journal.selection import Choice, select_due
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMAILS = [f"p{n}@example.com" for n in range(1, 10)]


def imported(path: Path, *emails: str) -> Journal:
    """A journal of one list, whose run has not started."""
    journal = Journal.create(path)
    journal.add_list("a.csv", [ListRow(email, email, email.lower()) for email in emails], sha256=lambda: "a")
    return journal


def found(email: str, at_ms: int, body: bytes | None = b"{}") -> Answer:
    """An answer."""
    return Answer(email, Outcome.FOUND, lead_id=f"{email}-{at_ms}", answered_at_ms=at_ms, body=body)


def answers_in(journal: Journal) -> list[Answer]:
    """All answers of a journal, once its run has started."""
    return [*journal.answers()]


Earlier = st.lists(
    st.builds(
        Answer,
        email=st.sampled_from([*EMAILS, *(email.upper() for email in EMAILS), "stranger@example.com"]),
        outcome=st.sampled_from([Outcome.FOUND, Outcome.NOT_FOUND, Outcome.DELETED, Outcome.FAILED]),
        code=st.none() | st.just("234"),
        message=st.none() | st.text(max_size=3),
        lead_id=st.none() | st.just("7"),
        attempts=st.integers(1, 3),
        answered_at_ms=st.integers(1, 9),
        body=st.none() | st.binary(max_size=30),
    ),
    unique_by=lambda answer: answer.email.lower(),
    max_size=12,
)


@hypothesis_settings(max_examples=40)
@given(st.lists(Earlier, max_size=3), st.permutations(EMAILS), st.integers(1, 4), st.integers(0, 900))
def test_the_newest_answer_of_each_address_is_taken_over(
    tmp_path_factory: pytest.TempPathFactory,
    sources: list[list[Answer]],
    emails: list[str],
    segment: int,
    buffer: int,
) -> None:
    """Whatever the order and the size of segments: no failure, no stranger, and no call of this run."""
    path = tmp_path_factory.mktemp("carry") / "x.journal"
    with imported(path, *emails) as journal:
        count = carry_over(path, sources, segment=segment, buffer_bytes=buffer)
        journal.start(RunRecord("x", 1, "{}"))
        carried = answers_in(journal)
    newest: dict[str, Answer] = {}
    for answer in (answer for source in sources for answer in source if answer.outcome is not Outcome.FAILED):
        known = newest.get(answer.email.lower())
        if answer.email.lower() in EMAILS and (known is None or known.answered_at_ms <= answer.answered_at_ms):
            newest[answer.email.lower()] = answer
    assert count == len(carried) == len(newest)
    assert [answer.email for answer in carried] == [email for email in emails if email in newest]
    for answer in carried:
        expected = newest[answer.email]
        for name in ("outcome", "code", "message", "lead_id", "answered_at_ms", "body"):
            assert getattr(answer, name) == getattr(expected, name), name
        assert answer.attempts == 0


def test_a_kept_answer_has_its_own_code_again(tmp_path: Path) -> None:
    """What was said about the failed refresh is read from the reply anew; from one that nobody can read, nothing is."""
    unknown = b'{"status":"Error","message":"No lead found","type":"234"}'
    earlier = [
        Answer(EMAILS[0], Outcome.NOT_FOUND, "kept:timeout", "no", answered_at_ms=1, body=unknown),
        Answer(EMAILS[1], Outcome.FOUND, "kept:timeout", "no", answered_at_ms=1, body=b"damaged"),
    ]
    with imported(tmp_path / "x.journal", *EMAILS) as journal:
        carry_over(journal.path, [earlier])
        journal.start(RunRecord("x", 1, "{}"))
        assert [answer.code for answer in answers_in(journal)] == ["234", None]


def test_an_interrupted_pass_leaves_nothing_that_counts(tmp_path: Path) -> None:
    """The journal has no run then, though it has answers, and so is one whose import was interrupted."""
    with imported(tmp_path / "x.journal", *EMAILS) as journal:
        carry_over(journal.path, [[found(EMAILS[0], 1)]])
    assert read_summary(tmp_path / "x.journal") is None
    assert [path.name for path in tmp_path.iterdir()] == ["x.journal"]


def test_answers_that_a_run_has_asked_for_are_not_taken_for_an_interrupted_pass(tmp_path: Path) -> None:
    """A journal that lost its run, but has answers of its own, is damaged, and not thrown away."""
    with imported(tmp_path / "x.journal", *EMAILS) as journal:
        journal.start(RunRecord("x", 1, "{}"))
        asyncio.run(put(journal, 1, found(EMAILS[0], 1)))
    with sqlite3.connect(tmp_path / "x.journal") as db:
        db.execute("DELETE FROM run")
    db.close()
    with pytest.raises(StorageError, match="damaged"):
        read_summary(tmp_path / "x.journal")


async def put(journal: Journal, number: int, answer: Answer) -> None:
    """Append one answer."""
    await journal.append(number, answer)
    await journal.flush()


def test_the_spool_is_private_and_gone_afterwards(tmp_path: Path) -> None:
    """Replies lie in it."""
    path = tmp_path / "x.partial"
    with spool.spool(path) as spooled:
        spooled.add(1, EMAILS[0], found(EMAILS[0], 1))
        spooled.flush()
        assert path.stat().st_mode & 0o077 == 0
    assert not path.exists()


def sources_that_fail() -> Iterator[Answer]:
    """An answer, and then damage."""
    yield found(EMAILS[0], 1)
    raise StorageError("damaged")


def test_a_source_that_cannot_be_read_takes_the_spool_with_it(tmp_path: Path) -> None:
    """The error is the source's."""
    with imported(tmp_path / "x.journal", *EMAILS) as journal, pytest.raises(StorageError, match=r"^damaged$"):
        carry_over(journal.path, [sources_that_fail()])
    assert [path.name for path in tmp_path.iterdir()] == ["x.journal"]


def test_a_choice_is_asked_in_its_order(tmp_path: Path) -> None:
    """The oldest first, in pages, and what is answered meanwhile is not asked."""
    with imported(tmp_path / "x.journal", *EMAILS) as journal:
        carry_over(journal.path, [[found(email, 10 - n) for n, email in enumerate(EMAILS[:8])]])
        chosen = select_due(journal.path, Choice(must_ms=4, may_ms=9, ahead_ms=100, new_ms=4, share=6, night_ms=100))
        journal.start(RunRecord("x", 1, "{}", selected=chosen.selected))
        assert [number for number, _ in journal.pending()] == [8, 7, 9, 6, 5, 4]
        asyncio.run(put(journal, 9, found(EMAILS[8], 50)))
        asyncio.run(put(journal, 8, Answer(EMAILS[7], Outcome.FAILED, "timeout", "no", answered_at_ms=50)))
        assert [number for number, _ in journal.pending()] == [7, 6, 5, 4]
        seen = journal.summary()
        assert (seen.answered, seen.carried, seen.to_ask, seen.failed) == (2, 7, 4, 0)

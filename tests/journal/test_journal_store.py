"""What a journal keeps of lists and answers."""

from __future__ import annotations

import asyncio
import stat
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from journal_samples import ANN, BOB, EVE, JIM, JOE, NOON_MS, RUN, answer, append, numbered, rows, started

from pipeline.errors import StorageError
from pipeline.journal.database import remove_journal
from pipeline.journal.records import ListSummary
from pipeline.journal.store import Journal
from pipeline.outcomes import Address, Answer, Outcome, RowOutcome

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.journal.records import ListRow


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal of a test is."""
    return tmp_path / "night.journal"


def test_addresses_are_pending_in_the_order_of_first_appearance(path: Path) -> None:
    """Each distinct address once, as it was first spelled, over all lists; rows without one are skipped."""
    with started(path, [JOE, "n/a", JIM, "JOE@example.com"], [" JIM@example.com ", ANN, JOE]) as journal:
        assert list(journal.pending()) == [Address(1, JOE), Address(2, JIM), Address(3, ANN)]


def test_run_and_lists_are_remembered(path: Path) -> None:
    """A resumed run finds them in the file; lists may have moved meanwhile, and the command may be another."""
    started(path, [JOE, "n/a"], []).close()
    with Journal.open(path) as journal:
        seen = journal.summary()
        assert (seen.run, seen.rows, seen.addresses) == (RUN, 2, 1)
        assert seen.lists == [ListSummary("a.csv", 2, "a" * 64), ListSummary("b.csv", 0, "b" * 64)]
        journal.stopped("unavailable", "The API is away.")
        journal.resume(["x.csv", "y.csv"], command="lead-export run x.csv y.csv", folder="/elsewhere")
        resumed = RUN._replace(command="lead-export run x.csv y.csv", folder="/elsewhere")
        assert journal.summary().run == resumed
        assert [entry.name for entry in journal.summary().lists] == ["x.csv", "y.csv"]
        assert journal.summary().stop is None
        assert [row.input for row in journal.rows()] == ["x.csv", "x.csv"]


def test_starting_leaves_no_log_of_the_size_of_the_lists(path: Path) -> None:
    """What was imported is in the file itself; the write-ahead log is empty again."""
    with started(path, numbered(20_000)):
        assert path.stat().st_size > 1_000_000
        assert path.with_name(f"{path.name}-wal").stat().st_size == 0


def test_a_list_is_imported_whole_or_not_at_all(path: Path) -> None:
    """When reading breaks off, neither the list nor its addresses are in the journal."""

    def breaking() -> Iterator[ListRow]:
        yield from rows(JIM, ANN)
        raise ValueError("the list breaks off")

    with started(path, [JOE]) as journal:
        with pytest.raises(ValueError, match="breaks off"):
            journal.add_list("broken.csv", breaking(), sha256=str)
        assert [entry.name for entry in journal.summary().lists] == ["a.csv"]
        assert list(journal.pending()) == [Address(1, JOE)]
        journal.add_list("next.csv", rows(ANN, JOE), sha256=str)
        assert [row.given for row in journal.rows()] == [JOE, ANN, JOE]
        assert journal.rows_read() == 3


async def test_every_row_has_one_outcome(path: Path) -> None:
    """Row by row: duplicates point to the row that was looked up, and have no attempts of their own."""
    with started(path, [JOE, "n/a", JIM, ANN], ["Joe@example.com", EVE, BOB, " jim@example.com", "x@y.z"]) as journal:
        await append(
            journal,
            {
                1: answer(JOE, lead_id="7", body=b"{}"),
                2: answer(JIM, Outcome.NOT_FOUND, code="234", message="No lead found", attempts=2),
                3: answer(ANN, Outcome.DELETED, code="245", message="Lead is deleted"),
                4: answer(EVE, Outcome.FAILED, code="timeout", message="no answer in time", attempts=5),
                5: answer(BOB, code="email_mismatch", lead_id="8", attempts=3),
            },
        )
        twice = "the same address as row {} of a.csv".format
        assert list(journal.rows()) == [
            RowOutcome("a.csv", 1, JOE, JOE, "found", None, None, "7", 1, NOON_MS),
            RowOutcome("a.csv", 2, "n/a", None, "invalid", "no_at", "no @", None, 0, None),
            RowOutcome("a.csv", 3, JIM, JIM, "not_found", "234", "No lead found", None, 2, NOON_MS),
            RowOutcome("a.csv", 4, ANN, ANN, "deleted", "245", "Lead is deleted", None, 1, NOON_MS),
            RowOutcome("b.csv", 1, "Joe@example.com", JOE, "duplicate", None, twice(1), "7", 0, None),
            RowOutcome("b.csv", 2, EVE, EVE, "failed", "timeout", "no answer in time", None, 5, NOON_MS),
            RowOutcome("b.csv", 3, BOB, BOB, "found", "email_mismatch", None, "8", 3, NOON_MS),
            RowOutcome("b.csv", 4, " jim@example.com", JIM, "duplicate", None, twice(3), None, 0, None),
            RowOutcome("b.csv", 5, "x@y.z", "x@y.z", "pending", None, None, None, 0, None),
        ]
        assert journal.count_rows() == Counter(
            found=2, not_found=1, deleted=1, failed=1, invalid=1, duplicate=2, pending=1
        )


async def test_a_resumed_run_retries_what_failed(path: Path) -> None:
    """Answered addresses are not pending again; of those that failed the later answer counts."""
    emails = [JOE, JIM, ANN, EVE, BOB]
    outcomes = [Outcome.FOUND, Outcome.NOT_FOUND, Outcome.DELETED, None, Outcome.FAILED]
    with started(path, emails) as journal:
        given = zip(range(1, 6), emails, outcomes, strict=True)
        await append(journal, {n: answer(email, outcome) for n, email, outcome in given if outcome})
    with Journal.open(path) as journal:
        assert (journal.summary().answered, journal.summary().failed) == (3, 1)
        assert list(journal.pending()) == [Address(4, EVE), Address(5, BOB)]
        await append(journal, {5: answer(BOB, attempts=2, body=b"{}")})
        assert list(journal.pending()) == [Address(4, EVE)]
        assert list(journal.answers())[-1] == answer(BOB, attempts=2, body=b"{}")


async def test_calls_and_the_deadline_outlive_the_attempt(path: Path) -> None:
    """How many calls were made, the last number counts; a deadline that the run has is not moved."""
    with started(path, [JOE]) as journal:
        assert (journal.summary().calls, journal.summary().run.deadline_ms) == (0, None)
        await journal.record_calls(200)
        await journal.record_calls(180)
    for moment in (None, NOON_MS, NOON_MS + 1, None):
        with Journal.open(path) as journal:
            journal.resume(["a.csv"], command="", folder="", deadline_ms=moment)
    with Journal.open(path) as journal:
        assert (journal.summary().calls, journal.summary().run.deadline_ms) == (180, NOON_MS)


async def test_pending_addresses_are_read_while_answers_come_in(path: Path) -> None:
    """Page by page; answers in between, failures too, neither skip nor repeat any."""
    emails = numbered(5_000)
    with started(path, emails) as journal:
        asked = []
        for number, email in journal.pending():
            asked.append(email)
            await journal.append(number, answer(email, Outcome.FAILED if number % 2 else Outcome.FOUND))
        await journal.flush()
        assert asked == emails
        assert [number for number, _ in journal.pending()] == list(range(1, 5_001, 2))


STRINGS = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
ANSWERS = st.builds(
    Answer,
    email=st.just(JOE),
    outcome=st.sampled_from([Outcome.FOUND, Outcome.NOT_FOUND, Outcome.DELETED, Outcome.FAILED]),
    code=STRINGS,
    message=STRINGS,
    lead_id=STRINGS,
    attempts=st.integers(0, 10_000),
    answered_at_ms=st.integers(0, 2 * NOON_MS),
    body=st.none() | st.binary(),
)


def test_any_answer_is_read_back_unchanged(path: Path) -> None:
    """Every byte of a reply and every character of a message; an earlier answer leaves nothing behind."""
    with started(path, [JOE]) as journal:

        @given(ANSWERS)
        def check(given: Answer) -> None:
            asyncio.run(append(journal, {1: given}))
            assert list(journal.answers()) == [given]

        check()


async def test_answers_and_rows_are_read_by_number(path: Path) -> None:
    """In the order of the lists, however the answers came in; any slice of them, or those of some addresses."""
    emails = numbered(30)
    answers = {n: answer(email, body=email.encode()) for n, email in enumerate(emails, 1)}
    with started(path, emails, [*emails[:5], "n/a"]) as journal:
        await append(journal, dict(reversed(answers.items())))
        read, lines = journal.answers(), journal.rows()
        assert (read.count, lines.count) == (30, 36)
        assert list(read) == list(answers.values())
        for first, last in ((0, 30), (0, 0), (0, 1), (7, 20), (29, 30)):
            assert list(read.slice(first, last)) == list(read)[first:last]
            assert list(lines.slice(first, last)) == list(lines)[first:last]
        assert list(read.of_addresses([9, 2])) == [answers[2], answers[9]]
        assert lines.addresses(28, 36) == [
            *((n, "found", row, None, None) for row, n in enumerate((29, 30), 29)),
            *((n, "found", n, None, None) for n in (1, 2, 3, 4, 5)),
            (None, "invalid", 6, "no_at", "no @"),
        ]


async def test_only_the_owner_can_read_it(path: Path) -> None:
    """The journal and SQLite's files next to it hold personal data; a closed one is a single file."""
    with started(path, [JOE]) as journal:
        await append(journal, {1: answer(JOE)})
        files = sorted(path.parent.iterdir())
        assert [file.name for file in files] == ["night.journal", "night.journal-shm", "night.journal-wal"]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert list(path.parent.iterdir()) == [path]
    remove_journal(path)
    assert list(path.parent.iterdir()) == []


def test_a_journal_is_created_once(path: Path) -> None:
    """Another one is never written over."""
    started(path, [JOE]).close()
    with pytest.raises(StorageError, match=f"^{path}: "):
        Journal.create(path)
    with Journal.open(path) as journal:
        assert journal.summary().run == RUN

"""Runs that are published though not every address was asked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jobs_lists import journal, settings

from pipeline.errors import ExitCode, InternalError
from pipeline.files.folder import OutputFolder
from pipeline.jobs.manifest import Manifest, ManifestBuilder
from pipeline.jobs.manifest_counts import RowCounts
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.rebuild import rebuild
from pipeline.jobs.tallies import first_stray_reply
from pipeline.jobs.verify import verify
from pipeline.journal.replay import STRIDE
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pipeline.journal.store import Journal

EMAILS = [f"person.{number}@example.com" for number in range(1, 31)]


def answer(number: int) -> Answer:
    """The answer for the address with this number; every seventh failed, and every fifth is unknown to the API."""
    email = EMAILS[number - 1]
    if number % 7 == 0:
        return Answer(email, Outcome.FAILED, code="timeout", message="no answer", answered_at_ms=1_000)
    if number % 5 == 0:
        return Answer(email, Outcome.NOT_FOUND, code="234", answered_at_ms=1_000, body=b"{}")
    body = b'{"status":"Success","lead_details":{"id":"%d","email":"%s"}}' % (number, email.encode())
    return Answer(email, Outcome.FOUND, lead_id=str(number), answered_at_ms=1_000, body=body)


async def answered(taken: Journal, numbers: Collection[int]) -> None:
    """Put the answers for these addresses into a journal, the last ones first."""
    for number in sorted(numbers, reverse=True):
        await taken.append(number, answer(number))
    await taken.flush()


def published(folder: Path, numbers: Collection[int], *, size: int = 4_000) -> tuple[Path, Manifest]:
    """Publish a run over all addresses, twice each, in which only these were answered."""
    chosen, out = settings(batch_leads=size), OutputFolder(folder / "out")
    with journal(folder, *EMAILS, "nobody", *(email.upper() for email in EMAILS)) as taken, out.locked():
        asyncio.run(answered(taken, numbers))
        attempt = ManifestBuilder.start(taken, chosen)
        with out.staging("test") as staging:
            tables = write_tables(taken, chosen, staging, may_be_pending=True)
            manifest = attempt.published(tables, taken.rows().codes(), None)
            return out.publish(staging, "test", manifest.to_dict()), manifest


@given(st.sets(st.integers(1, len(EMAILS))), st.integers(1, 12))
@hypothesis_settings(max_examples=5)
def test_a_run_with_gaps_is_published_verified_and_rebuilt(
    tmp_path_factory: pytest.TempPathFactory, numbers: set[int], size: int
) -> None:
    """Whatever was not asked is a row of `outcomes` and of nothing else, and a rebuild gives the same bytes."""
    folder = tmp_path_factory.mktemp("gaps")
    run, manifest = published(folder, numbers, size=size)
    missing = len(EMAILS) - len(numbers)
    assert manifest.rows.by_outcome().get("pending", 0) == missing
    assert sum(manifest.rows.by_outcome().values()) == manifest.rows.read == 2 * len(EMAILS) + 1
    outcomes, replies = pq.read_table(run / "outcomes.parquet"), pq.read_table(run / "replies.parquet")
    pending = outcomes.filter(pq.filters_to_expression([("outcome", "=", "pending")]))
    assert pending["email"].to_pylist() == [e for n, e in enumerate(EMAILS, 1) if n not in numbers]
    assert set(pending["attempts"].to_pylist()) <= {0}
    assert pending["answered_at"].null_count == pending["code"].null_count == missing
    assert replies["email"].to_pylist() == [EMAILS[number - 1] for number in sorted(numbers)]
    verified = verify(run)
    assert (verified.ok, verified.rebuilt, verified.differences) == (True, True, [])
    again = folder / "again"
    assert rebuild(run, again) == manifest
    files = {path.name: path.read_bytes() for path in run.iterdir()}
    assert {path.name: path.read_bytes() for path in (again / "run=test").iterdir()} == files


@pytest.mark.parametrize(
    ("numbers", "status", "code"),
    [
        (range(1, 31), "complete_with_failures", ExitCode.ROWS_FAILED),
        ([1, 2, 7], "incomplete", ExitCode.INCOMPLETE),
        ([1, 2], "incomplete", ExitCode.INCOMPLETE),
    ],
)
def test_pending_rows_count_more_than_failed_ones(
    tmp_path: Path, numbers: Collection[int], status: str, code: ExitCode
) -> None:
    """The status, and the exit code that follows from it."""
    _, manifest = published(tmp_path, numbers)
    assert (manifest.status, manifest.exit_code) == (status, code)


def test_pending_rows_are_a_bug_where_nothing_may_be_pending(tmp_path: Path) -> None:
    """A run without a budget has asked for every address."""
    with journal(tmp_path, *EMAILS) as taken:
        asyncio.run(answered(taken, [1, 2, 4]))
        with pytest.raises(InternalError, match="27"):
            write_tables(taken, settings(), tmp_path)


def test_a_reply_for_a_pending_row_is_a_stray_one(tmp_path: Path) -> None:
    """Replies are compared with the rows that were answered, and with these only."""
    (tmp_path / "other").mkdir()
    (run, _), (other, _) = published(tmp_path, [1, 2, 4]), published(tmp_path / "other", [1, 2, 3])
    assert first_stray_reply(run / "replies.parquet", run / "outcomes.parquet") is None
    assert first_stray_reply(other / "replies.parquet", run / "outcomes.parquet") == 3


async def test_answers_with_gaps_are_numbered_without_any(tmp_path: Path) -> None:
    """Any slice of them, across the places from which they are found."""
    emails = [f"p{number}@example.com" for number in range(1, 2 * STRIDE + 200)]
    numbers = [number for number in range(1, len(emails) + 1) if number % 11]
    with journal(tmp_path, *emails) as taken:
        for number in numbers:
            await taken.append(number, Answer(emails[number - 1], Outcome.NOT_FOUND, answered_at_ms=number))
        await taken.flush()
        read = taken.answers()
        assert read.count == len(numbers)
        assert [one.answered_at_ms for one in read] == numbers
        edges = (0, 1, STRIDE - 1, STRIDE, STRIDE + 1, len(numbers) - 1, len(numbers), len(numbers) + 5)
        for first in edges:
            for last in edges:
                assert [one.answered_at_ms for one in read.slice(first, last)] == numbers[first:last]


def test_manifests_say_pending_only_where_rows_can_be() -> None:
    """A finished run without such rows does not mention them; a stopped one always does."""
    assert RowCounts.of({"found": 2}).by_outcome().keys().isdisjoint({"pending"})
    assert RowCounts.of({"found": 2}, stopped=True).by_outcome()["pending"] == 0
    assert RowCounts.of({"found": 2, "pending": 1}) == RowCounts(3, 2, 0, 0, 0, 0, 0, pending=1)

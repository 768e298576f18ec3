"""From the journal to files: nothing is published that does not add up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
import pytest
from jobs_lists import journal, settings

from pipeline.errors import InternalError
from pipeline.jobs.manifest import ManifestBuilder
from pipeline.jobs.publishing import write_tables
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.journal.store import Journal

EMAILS = [f"person.{number}@example.com" for number in range(5)]


def found(email: str, **changes: object) -> Answer:
    """An answer with a lead."""
    body = b'{"status":"Success","lead_details":{"id":"7","email":"%s","new_key":"x"}}' % email.encode()
    fields: dict[str, object] = {"lead_id": "7", "answered_at_ms": 1_000, "body": body, **changes}
    return Answer(email, Outcome.FOUND, **fields)  # type: ignore[arg-type]  # of any field


def failed(email: str) -> Answer:
    """An answer of an address that failed."""
    return Answer(email, Outcome.FAILED, code="http_500", message="the server is in trouble", answered_at_ms=1_000)


async def answered(taken: Journal, *answers: Answer) -> None:
    """Put answers into a journal, in the order of its addresses."""
    for number, answer in enumerate(answers, 1):
        await taken.append(number, answer)
    await taken.flush()


async def test_batches_make_the_same_tables(tmp_path: Path) -> None:
    """Written two leads at a time, the tables are those of one go, row for row."""
    frames = []
    with journal(tmp_path, *EMAILS) as taken:
        await answered(taken, *map(found, EMAILS))
        for size in (2, 1_000):
            folder = tmp_path / str(size)
            folder.mkdir()
            published = write_tables(taken, settings(batch_leads=size), folder)
            assert published.drift.unknown_keys.total() == len(EMAILS)
            frames.append(pd.read_parquet(folder / "leads.parquet"))
    pd.testing.assert_frame_equal(frames[0], frames[1])
    assert frames[0]["email"].tolist() == EMAILS
    assert pq.read_metadata(tmp_path / "2" / "leads.parquet").num_row_groups == 3


async def test_the_same_replies_give_the_same_bytes(tmp_path: Path) -> None:
    """Every file of a run is a pure function of the journal, to the last byte, in each format."""
    with journal(tmp_path, *EMAILS, "nobody") as taken:
        await answered(taken, *map(found, EMAILS[:4]), failed(EMAILS[4]))
        written = []
        for name in ("once", "again"):
            folder = tmp_path / name
            folder.mkdir()
            write_tables(taken, settings(formats=["parquet", "csv"]), folder)
            written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert len(written[0]) == 2 * 8 + 2
    assert written[0] == written[1]


async def test_failed_rows_are_named_by_number_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The log names the list, the row and the reason; the address is in failures.csv only."""
    caplog.set_level("INFO")
    with journal(tmp_path, *EMAILS[:2]) as taken:
        await answered(taken, found(EMAILS[0]), failed(EMAILS[1]))
        write_tables(taken, settings(), tmp_path)
    assert [record.getMessage() for record in caplog.records if "row" in record.getMessage()] == [
        "people.txt: 2 rows read",
        "people.txt, data row 2: failed (http_500)",
    ]
    expected = (
        "email,code,message,attempts,input,row\nperson.1@example.com,http_500,the server is in trouble,1,people.txt,2\n"
    )
    assert (tmp_path / "failures.csv").read_text() == expected


@pytest.mark.parametrize(
    "answers",
    [
        [found(EMAILS[0])],
        [found(EMAILS[0]), found(EMAILS[1], body=b'{"status":"Error"}')],
        [found(EMAILS[0]), found(EMAILS[1], body=None)],
    ],
    ids=["row-without-an-answer", "reply-without-a-lead", "lead-without-a-reply"],
)
async def test_what_does_not_add_up_is_not_published(tmp_path: Path, answers: list[Answer]) -> None:
    """A row that came to nothing, or a lead that cannot be written, is a bug and stops the run."""
    with journal(tmp_path, *EMAILS[:2]) as taken:
        await answered(taken, *answers)
        with pytest.raises(InternalError, match="please report this"):
            write_tables(taken, settings(), tmp_path)


async def test_report_of_a_stopped_run_counts_what_is_pending(tmp_path: Path) -> None:
    """Rows without an answer are a seventh class, and all classes add up."""
    with journal(tmp_path, *EMAILS, "nobody", EMAILS[0].upper(), EMAILS[4].upper()) as taken:
        await answered(taken, found(EMAILS[0]), failed(EMAILS[1]))
        builder = ManifestBuilder.start(taken, settings())
        assert builder.resumed == 1
        manifest = builder.stopped(taken.count_rows(), taken.rows().codes(), "enough")
    assert (manifest.status, manifest.reason) == ("stopped", "enough")
    counts = {"found": 1, "not_found": 0, "deleted": 0, "failed": 1, "invalid": 1, "duplicate": 2, "pending": 3}
    assert manifest.to_dict()["rows"] == {"read": 8, **counts}

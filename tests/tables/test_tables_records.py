from datetime import UTC, datetime

import pyarrow as pa
import pytest

from pipeline.outcomes import Answer, Outcome, RowOutcome, to_row
from pipeline.schema import OUTCOMES, REPLIES
from pipeline.tables.arrow import arrow_type
from pipeline.tables.records import failure_table, outcome_table, reply_table

AT = datetime(2019, 3, 26, 11, 35, 31, 250_000, UTC)
AT_MS = 1_553_600_131_250
FAILED = RowOutcome(
    "a.csv", 2, " joe@example.com", "joe@example.com", "failed", "timeout", "no answer in time", None, 5, AT_MS
)
INVALID = RowOutcome("a.csv", 3, "", None, "invalid", "empty", "the cell is empty", None, 0, None)
FOUND = Answer("ann@example.com", Outcome.FOUND, lead_id="7", attempts=2, answered_at_ms=AT_MS, body=b"\xff{}")
LOST = Answer("joe@example.com", Outcome.FAILED, code="timeout", message="no answer", attempts=5, answered_at_ms=AT_MS)


def cells(table: pa.Table) -> list[tuple[object, ...]]:
    """The rows of a table."""
    return [tuple(row.values()) for row in table.to_pylist()]


def test_an_input_row_is_a_row_of_outcomes() -> None:
    """Cells stand as they were given, times as instants in UTC, what is not known as null."""
    assert outcome_table([FAILED, INVALID]).to_pylist() == [
        {**to_row(FAILED), "answered_at": AT},
        {**to_row(INVALID), "answered_at": None},
    ]


def test_an_answer_is_a_row_of_replies() -> None:
    """The reply is kept byte for byte, whatever its encoding; it is null where none arrived whole."""
    rows = [{**to_row(answer), "answered_at": AT} for answer in (FOUND, LOST)]
    assert reply_table([FOUND, LOST]).to_pylist() == rows


def test_failures_put_the_address_first() -> None:
    """So that the file can be given to a run as a list."""
    table = failure_table(outcome_table([INVALID, FAILED]))
    assert table.column_names == ["email", "code", "message", "attempts", "input", "row"]
    assert cells(table) == [("joe@example.com", "timeout", "no answer in time", 5, "a.csv", 2)]


@pytest.mark.parametrize("empty", [True, False])
def test_outcomes_and_replies_have_all_columns_in_their_types(*, empty: bool) -> None:
    """With rows and without."""
    outcomes, replies = outcome_table([] if empty else [INVALID]), reply_table([] if empty else [LOST])
    for table, made in ((OUTCOMES, outcomes), (REPLIES, replies)):
        assert list(made.schema.types) == [arrow_type(column.type) for column in table.columns]
        assert made.column_names == list(table.names)


@pytest.mark.parametrize("bodies", [[], [b"a"], [b"a", b"bc" * 1_000], [b"", b"x"], [None, b"x"], [b"x", None, b""]])
def test_bodies_are_kept_to_the_last_byte(bodies: list[bytes | None]) -> None:
    """Whether all, some or none of them are there."""
    table = reply_table([Answer("a@example.com", Outcome.FOUND, body=body) for body in bodies])
    table.validate(full=True)
    assert table.column("body").to_pylist() == bodies

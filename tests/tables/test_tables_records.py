from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest
from msgspec.structs import astuple

from pipeline.outcomes import Answer, Outcome, RowOutcome
from pipeline.schema import OUTCOMES, REPLIES
from pipeline.tables.frames import arrow_type, failure_frame, outcome_frame, reply_frame

AT = datetime(2019, 3, 26, 11, 35, 31, 250_000, UTC)
AT_MS = 1_553_600_131_250
FAILED = RowOutcome(
    "a.csv", 2, " joe@example.com", "joe@example.com", "failed", "timeout", "no answer in time", None, 5, AT_MS
)
INVALID = RowOutcome("a.csv", 3, "", None, "invalid", "empty", "the cell is empty", None, 0, None)
FOUND = Answer("ann@example.com", Outcome.FOUND, lead_id="7", attempts=2, answered_at_ms=AT_MS, body=b"\xff{}")
LOST = Answer("joe@example.com", Outcome.FAILED, code="timeout", message="no answer", attempts=5, answered_at_ms=AT_MS)


def cells(frame: pd.DataFrame) -> list[tuple[object, ...]]:
    """The rows of a frame; null is None."""
    return [tuple(row.values()) for row in pa.Table.from_pandas(frame, preserve_index=False).to_pylist()]


def test_an_input_row_is_a_row_of_outcomes() -> None:
    """Cells as they were given, times as instants in UTC, unknown values as null."""
    assert cells(outcome_frame([FAILED, INVALID])) == [
        (*astuple(FAILED)[:-1], AT),
        astuple(INVALID),
    ]


def test_an_answer_is_a_row_of_replies() -> None:
    """The reply is kept byte for byte, whatever its encoding; it is null if none arrived complete."""
    assert cells(reply_frame([FOUND, LOST])) == [
        ("ann@example.com", "found", None, None, "7", 2, AT, b"\xff{}"),
        ("joe@example.com", "failed", "timeout", "no answer", None, 5, AT, None),
    ]


def test_failures_put_the_address_first() -> None:
    """So that the file can be used as a list."""
    frame = failure_frame(outcome_frame([INVALID, FAILED]))
    assert list(frame.columns) == ["email", "code", "message", "attempts", "input", "row"]
    assert cells(frame) == [("joe@example.com", "timeout", "no answer in time", 5, "a.csv", 2)]


@pytest.mark.parametrize("empty", [True, False])
def test_outcomes_and_replies_have_all_columns_in_their_types(*, empty: bool) -> None:
    """With rows and without."""
    outcomes, replies = outcome_frame([] if empty else [INVALID]), reply_frame([] if empty else [LOST])
    for table, made in ((OUTCOMES, outcomes), (REPLIES, replies)):
        assert list(made.dtypes) == [pd.ArrowDtype(arrow_type(column.type)) for column in table.columns]
        assert list(made.columns) == list(table.names)


@pytest.mark.parametrize("bodies", [[], [b"a"], [b"a", b"bc" * 1_000], [b"", b"x"], [None, b"x"], [b"x", None, b""]])
def test_bodies_are_kept_to_the_last_byte(bodies: list[bytes | None]) -> None:
    """Whether all, some or none of them are there."""
    frame = reply_frame([Answer("a@example.com", Outcome.FOUND, body=body) for body in bodies])
    assert pa.array(frame["body"].array).to_pylist() == bodies

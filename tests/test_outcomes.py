"""The records that all stages share, and the columns they are stored in."""

from __future__ import annotations

from datetime import UTC, datetime
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, get_args

import msgspec
import pytest

from pipeline.outcomes import Answer, Outcome, RowOutcome, column_names, from_row, to_row
from pipeline.schema import OUTCOMES, REPLIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.columns import Table

ANSWER = Answer("joe@example.com", Outcome.FOUND, attempts=2, answered_at_ms=1_795_003_200_123, body=b"\xff{}")


def types_of(field: msgspec.structs.FieldInfo) -> Iterator[str]:
    """The types of columns that can hold a field."""
    kinds = {*get_args(field.type)} if isinstance(field.type, UnionType) else {field.type}
    if field.name.endswith("_ms"):
        yield "timestamp[ms, UTC]"
    elif kinds - {NoneType} == {int}:
        yield from ("int32", "int64")
    else:
        yield "binary" if bytes in kinds else "string"


@pytest.mark.parametrize(("record", "table"), [(Answer, REPLIES), (RowOutcome, OUTCOMES)])
def test_every_field_is_a_documented_column(record: type[msgspec.Struct], table: Table) -> None:
    """Fields and columns agree in names, types and order."""
    assert column_names(record) == table.names
    for field, column in zip(msgspec.structs.fields(record), table.columns, strict=True):
        assert column.type in types_of(field), field.name


def test_every_outcome_is_documented() -> None:
    """Each class of rows has a sentence."""
    assert all(outcome.meaning for outcome in Outcome)


def test_an_answer_knows_its_time() -> None:
    """As an aware datetime; now, unless given."""
    assert ANSWER.answered_at == datetime(2026, 11, 18, 12, 0, 0, 123_000, UTC)
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= Answer("joe@example.com", Outcome.FOUND).answered_at


def test_attempts_can_be_changed() -> None:
    """In a copy; the rest stays."""
    assert ANSWER.with_attempts(5) == msgspec.structs.replace(ANSWER, attempts=5)
    assert ANSWER.attempts == 2


@pytest.mark.parametrize("change", [{}, {"outcome": "sold"}, {"attempts": "2"}, {"body": "{}"}, {"email": None}])
def test_a_row_is_read_back_with_its_types(change: dict[str, Any]) -> None:
    """Values that no field can have are an error."""
    row = {**to_row(ANSWER), "checksum": 7, **change}
    if not change:
        assert from_row(row, Answer) == ANSWER
        return
    with pytest.raises(ValueError, match=next(iter(change))):
        from_row(row, Answer)

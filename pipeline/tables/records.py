"""The tables that come from the journal alone.

`outcomes` has a row for each input row, `failures` those that failed, `replies` the raw reply of each asked address.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.outcomes import Outcome
from pipeline.schema import OUTCOMES, REPLIES, Table
from pipeline.tables.arrow import arrow_schema, column_of_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.outcomes import Answer, RowOutcome

_FAILURE_COLUMNS = ("email", "code", "message", "attempts", "input", "row")
OUTCOME_SCHEMA, REPLY_SCHEMA = arrow_schema(OUTCOMES), arrow_schema(REPLIES)
FAILURE_SCHEMA = pa.schema([OUTCOME_SCHEMA.field(name) for name in _FAILURE_COLUMNS])
_reply = attrgetter("email", "outcome", "code", "message", "lead_id", "attempts", "answered_at_ms", "body")


def outcome_table(rows: Sequence[RowOutcome]) -> pa.Table:
    """Rows in the order of the columns of `outcomes`, times as milliseconds since 1970 UTC."""
    return _table(OUTCOMES, OUTCOME_SCHEMA, rows)


def reply_table(answers: Sequence[Answer]) -> pa.Table:
    """Answers with their raw replies."""
    return _table(REPLIES, REPLY_SCHEMA, list(map(_reply, answers)))


def failure_table(outcomes: pa.Table) -> pa.Table:
    """Of outcomes the failed ones, with the address first: a list to run again."""
    failed = pc.call_function("equal", [outcomes.column("outcome"), pa.scalar(str(Outcome.FAILED))])
    return outcomes.filter(failed).select(_FAILURE_COLUMNS)


def _table(table: Table, schema: pa.Schema, rows: Sequence[Sequence[object]]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else [()] * len(table.columns)
    arrays = [column_of_values(values, column.type) for column, values in zip(table.columns, columns, strict=True)]
    return pa.Table.from_arrays(arrays, schema=schema)

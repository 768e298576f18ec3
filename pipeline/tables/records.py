"""The tables that are made from the journal's records alone.

`outcomes` has a row for each input row, `failures` those that failed, `replies` the raw reply for each address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.outcomes import Outcome, to_row
from pipeline.schema import OUTCOMES, REPLIES, Table
from pipeline.tables.arrow import arrow_schema, column_of_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from pipeline.outcomes import Answer, RowOutcome

_FAILURE_COLUMNS = ("email", "code", "message", "attempts", "input", "row")
OUTCOME_SCHEMA, REPLY_SCHEMA = arrow_schema(OUTCOMES), arrow_schema(REPLIES)
FAILURE_SCHEMA = pa.schema([OUTCOME_SCHEMA.field(name) for name in _FAILURE_COLUMNS])


def outcome_table(rows: Sequence[RowOutcome]) -> pa.Table:
    """The table `outcomes`: rows of the lists with their outcomes."""
    return _table(OUTCOMES, OUTCOME_SCHEMA, rows)


def reply_table(answers: Sequence[Answer]) -> pa.Table:
    """The table `replies`: answers with their raw replies."""
    return _table(REPLIES, REPLY_SCHEMA, answers)


def failure_table(outcomes: pa.Table) -> pa.Table:
    """The failed rows of `outcomes`, address first: a list that can be run again."""
    failed = pc.call_function("equal", [outcomes.column("outcome"), pa.scalar(str(Outcome.FAILED))])
    return outcomes.filter(failed).select(_FAILURE_COLUMNS)


def _table(table: Table, schema: pa.Schema, records: Sequence[msgspec.Struct]) -> pa.Table:
    rows = [to_row(record) for record in records]
    arrays = [column_of_values([row[column.name] for row in rows], column.type) for column in table.columns]
    return pa.Table.from_arrays(arrays, schema=schema)

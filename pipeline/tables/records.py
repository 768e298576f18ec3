"""The tables that come from the journal alone.

`outcomes` has a row for each input row, `failures` those that failed, `replies` the raw reply of each asked address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from pipeline.schema import OUTCOMES, REPLIES, Table
from pipeline.tables.arrow import arrow_schema, column_of_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.outcomes import Answer, RowOutcome


def outcome_frame(rows: Sequence[RowOutcome]) -> pd.DataFrame:
    """Rows in the order of the columns of `outcomes`, times as milliseconds since 1970 UTC."""
    return _frame(OUTCOMES, rows)


def reply_frame(answers: Sequence[Answer]) -> pd.DataFrame:
    """Answers with their raw replies."""
    return _frame(
        REPLIES,
        [
            (a.email, str(a.outcome), a.code, a.message, a.lead_id, a.attempts, a.answered_at_ms, a.body)
            for a in answers
        ],
    )


def failure_frame(rows: Sequence[RowOutcome]) -> pd.DataFrame:
    """Failed rows with the address first, in a form that is itself a list to run again."""
    fields = ("email", "code", "message", "attempts", "input", "row")
    return outcome_frame(rows)[list(fields)]


def _frame(table: Table, rows: Sequence[Sequence[object]]) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else [()] * len(table.columns)
    arrays = [
        column_of_values(list(values), column.type) for column, values in zip(table.columns, columns, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=arrow_schema(table)).to_pandas(types_mapper=pd.ArrowDtype)

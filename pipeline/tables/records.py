"""The frames that come from the journal alone.

`outcomes` has a row for each input row, `failures` those of them that failed, `replies` the raw reply of each address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.outcomes import Outcome, to_row
from pipeline.schema import OUTCOMES, REPLIES, Table
from pipeline.tables.columns import make_frame, value_column

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec
    import pandas as pd

    from pipeline.outcomes import Answer, RowOutcome

FAILURE_COLUMNS = ["email", "code", "message", "attempts", "input", "row"]
"""Columns of `failures`; the address comes first, so that the file is itself a list to run again."""


def outcome_frame(rows: Sequence[RowOutcome]) -> pd.DataFrame:
    """The table `outcomes` of these rows."""
    return _frame(OUTCOMES, rows)


def reply_frame(answers: Sequence[Answer]) -> pd.DataFrame:
    """The table `replies` of these answers."""
    return _frame(REPLIES, answers)


def failure_frame(outcomes: pd.DataFrame) -> pd.DataFrame:
    """The failed rows of `outcomes`."""
    return outcomes.loc[outcomes["outcome"] == Outcome.FAILED.value, FAILURE_COLUMNS]


def _frame(table: Table, records: Sequence[msgspec.Struct]) -> pd.DataFrame:
    rows = [to_row(record) for record in records]
    columns = (value_column([row[column.name] for row in rows], column.type) for column in table.columns)
    return make_frame(table.names, columns)

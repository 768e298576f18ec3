"""The frames that come from the journal alone.

`outcomes` has a row for each input row, `failures` those of them that failed, `replies` the raw reply of each address.
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING

from pipeline.outcomes import Outcome
from pipeline.schema import OUTCOMES, REPLIES, Table
from pipeline.tables.columns import empty_frame, make_frame, value_column

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def _frame(table: Table, records: Sequence[object]) -> pd.DataFrame:
    if not records:
        return empty_frame(table)
    fields = [f"{column.name}_ms" if column.type == "timestamp[ms, UTC]" else column.name for column in table.columns]
    values = zip(*map(attrgetter(*fields), records), strict=True)
    columns = (value_column(cells, column.type) for cells, column in zip(values, table.columns, strict=True))
    return make_frame(table.names, columns)

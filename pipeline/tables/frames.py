"""Frames of Arrow-backed columns in the declared types, and those that come from the journal alone.

`outcomes` has a row for each input row, `failures` those of them that failed, `replies` the raw reply of each address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.arrays import ArrowExtensionArray

from pipeline.outcomes import KEPT, Outcome, to_row
from pipeline.schema import OUTCOMES, REPLIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import msgspec

    from pipeline.columns import Table, Type
    from pipeline.outcomes import Answer, RowOutcome

    Column = pa.Array[Any] | pa.ChunkedArray[Any]

_TYPES: dict[Type, pa.DataType] = {
    "string": pa.string(),
    "int8": pa.int8(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "timestamp[s]": pa.timestamp("s"),
    "timestamp[ms, UTC]": pa.timestamp("ms", "UTC"),
    "binary": pa.binary(),
}
FAILURE_COLUMNS = ["email", "code", "message", "attempts", "input", "row"]
"""Columns of `failures`; the address comes first, so that the file is itself a list to run again."""
_FIRST_DAYS, _LAST_DAYS = np.datetime64("0001-01-03", "s"), np.datetime64("9999-12-29", "s")


def arrow_type(kind: Type, timezone: str | None = None) -> pa.DataType:
    """The Arrow type called `kind`; with a time zone the API's dates are instants in UTC."""
    return pa.timestamp("s", "UTC") if timezone and kind == "timestamp[s]" else _TYPES[kind]


def arrow_schema(table: Table, timezone: str | None = None) -> pa.Schema:
    """The columns of `table` in order, in their Arrow types."""
    return pa.schema([(column.name, arrow_type(column.type, timezone)) for column in table.columns])


def make_frame(names: Iterable[str], columns: Iterable[Column]) -> pd.DataFrame:
    """A frame of Arrow-backed columns over the same memory; names may repeat."""
    frame = pd.DataFrame(dict(enumerate(map(ArrowExtensionArray, columns))), copy=False)
    return frame.set_axis(list(names), axis="columns")


def empty_frame(table: Table, timezone: str | None = None) -> pd.DataFrame:
    """The columns of `table` in order and in their types, without rows."""
    return make_frame(table.names, [pa.array([], kind) for kind in arrow_schema(table, timezone).types])


def arrow_column(frame: pd.DataFrame, name: str) -> pa.Array[Any]:
    """A column of a frame that `make_frame` made, as the Arrow array underneath; for a single name only."""
    column: Any = pa.array(frame[name].array)
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def value_column(values: Sequence[object], kind: Type) -> pa.Array[Any]:
    """A column of type `kind` from Python values; times are milliseconds since 1970 UTC."""
    if kind == "timestamp[ms, UTC]":
        return pa.array(values, pa.int64()).cast(_TYPES[kind])
    return pa.array(values, _TYPES[kind])


def to_utc(clock_times: pa.Array[Any], timezone: str) -> pa.Array[Any]:
    """Clock times of a zone as instants in UTC; in the hour that occurs twice, the first occurrence is meant.

    The first and last two days of the calendar, whose instants may lie outside it, are taken as UTC: 9999-12-31 means
    "never". pandas does this with Python's own time zone data, while Arrow would need the system's.
    """
    given = clock_times.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    inside = (given >= _FIRST_DAYS) & (given < _LAST_DAYS)
    clock = pd.DatetimeIndex(np.where(inside, given, np.datetime64("NaT", "s")))
    first = np.ones(len(clock), dtype=bool)
    instants = clock.tz_localize(timezone, ambiguous=first, nonexistent="shift_forward").tz_convert("UTC")
    seconds = np.where(inside, instants.tz_localize(None).to_numpy("datetime64[s]"), given)
    return pa.array(seconds, pa.timestamp("s", "UTC"), from_pandas=True)


def outcome_frame(rows: Sequence[RowOutcome]) -> pd.DataFrame:
    """The table `outcomes` of these rows."""
    return _record_frame(OUTCOMES, rows)


def reply_frame(answers: Sequence[Answer]) -> pd.DataFrame:
    """The table `replies` of these answers."""
    return _record_frame(REPLIES, answers)


def failure_frame(outcomes: pd.DataFrame) -> pd.DataFrame:
    """The rows of `outcomes` that failed, or keep an older answer because asking again failed.

    They have those of the `FAILURE_COLUMNS` that `outcomes` has.
    """
    was_kept = outcomes["code"].str.startswith(KEPT).fillna(value=False)
    columns = [name for name in FAILURE_COLUMNS if name in outcomes]
    return outcomes.loc[(outcomes["outcome"] == Outcome.FAILED.value) | was_kept, columns]


def _record_frame(table: Table, records: Sequence[msgspec.Struct]) -> pd.DataFrame:
    rows = [to_row(record) for record in records]
    return make_frame(table.names, [value_column([row[c.name] for row in rows], c.type) for c in table.columns])

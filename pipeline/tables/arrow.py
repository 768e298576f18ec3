"""Columns: a list of cells of one kind in, an Arrow array of the declared type out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import ZERO_DATES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.schema import Table, Type

    Column = pa.Array[Any]

_TYPES: dict[Type, pa.DataType] = {
    "string": pa.string(),
    "int8": pa.int8(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "timestamp[s]": pa.timestamp("s"),
    "timestamp[ms, UTC]": pa.timestamp("ms", "UTC"),
    "binary": pa.binary(),
}
MOST_BYTES = 2**31 - 1
"""Bytes that Arrow's usual texts and binaries hold in one array."""
_ZERO_DATES = pa.array(ZERO_DATES)
_FIRST_DAYS, _LAST_DAYS = np.datetime64("0001-01-03", "s"), np.datetime64("9999-12-29", "s")


def arrow_type(kind: Type, timezone: str | None = None) -> pa.DataType:
    """The Arrow type called `kind`; with a time zone the API's dates are instants in UTC."""
    return pa.timestamp("s", "UTC") if timezone and kind == "timestamp[s]" else _TYPES[kind]


def arrow_schema(table: Table, timezone: str | None = None) -> pa.Schema:
    """The columns of `table` in order."""
    return pa.schema([(column.name, arrow_type(column.type, timezone)) for column in table.columns])


def column_of_texts(texts: Column, kind: Type, timezone: str | None = None) -> Column:
    """A column from its texts, each null or known to read as `kind`; zero dates become null."""
    if kind != "timestamp[s]":
        return texts if texts.type == _TYPES[kind] else texts.cast(_TYPES[kind])
    dates = pc.if_else(pc.is_in(texts, _ZERO_DATES.cast(texts.type)), None, texts).cast(_TYPES[kind])
    return _instants(dates, timezone) if timezone else dates


def column_of_values(values: Sequence[object], kind: Type) -> Column:
    """A column from Python values; times are milliseconds since 1970 UTC."""
    if kind == "timestamp[ms, UTC]":
        return pa.array(values, pa.int64()).cast(_TYPES[kind])
    if kind == "binary" and all(values):
        return _joined(values)
    return pa.array(values, _TYPES[kind])


def _joined(values: Sequence[Any]) -> Column:
    """Bytes, none of them missing, in just the memory they need; `pa.array` would double and copy it as they come."""
    if sum(map(len, values)) > MOST_BYTES:
        return pa.array(values, pa.binary())
    ends: Any = np.cumsum([0, *map(len, values)], dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(values), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(values))])


def _instants(array: Column, timezone: str) -> Column:
    """Clock times of a zone as instants; in the hour that a zone has twice, the first of the two is meant.

    In the first and last two days of the calendar, where an instant may lie outside of it, the clock is taken for UTC:
    who writes 9999-12-31 means "never". pandas does this from Python's own time zone data, where Arrow would need the
    system's.
    """
    import pandas as pd  # noqa: PLC0415 - only runs that set a zone wait for it

    given = array.to_numpy(zero_copy_only=False).astype("datetime64[s]")
    inside = (given >= _FIRST_DAYS) & (given < _LAST_DAYS)
    clock = pd.DatetimeIndex(np.where(inside, given, np.datetime64("NaT", "s")))
    first = np.ones(len(clock), dtype=bool)
    instants = clock.tz_localize(timezone, ambiguous=first, nonexistent="shift_forward").tz_convert("UTC")
    seconds = np.where(inside, instants.tz_localize(None).to_numpy("datetime64[s]"), given)
    return pa.array(seconds, pa.timestamp("s", "UTC"), from_pandas=True)

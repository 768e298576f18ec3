"""Frames for tests of the file formats, in the Arrow types that the package publishes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa

TYPES: dict[str, pa.DataType] = {
    "string": pa.string(),
    "int8": pa.int8(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "timestamp[s]": pa.timestamp("s"),
    "timestamp[s, UTC]": pa.timestamp("s", "UTC"),
    "timestamp[ms, UTC]": pa.timestamp("ms", "UTC"),
    "binary": pa.binary(),
}
"""Every type a published column can have."""

CLOCK = datetime(2026, 11, 23, 2, 0, 0)  # noqa: DTZ001 - the API's clock has no zone
INSTANT = datetime(2026, 11, 23, 2, 0, 0, 123_000, UTC)
SAMPLES: dict[str, list[Any]] = {
    "string": ["Zoë", None, "007"],
    "int8": [1, None, -1],
    "int32": [0, 2_147_483_647, None],
    "int64": [None, 9_223_372_036_854_775_807, -5],
    "timestamp[s]": [CLOCK, None, datetime(1969, 12, 31, 23, 59, 59)],  # noqa: DTZ001
    "timestamp[s, UTC]": [INSTANT.replace(microsecond=0), None, datetime(9999, 12, 31, tzinfo=UTC)],
    "timestamp[ms, UTC]": [INSTANT, None, datetime(1970, 1, 1, tzinfo=UTC)],
    "binary": [b"\xff\0", None, b""],
}
"""A few values of each type, including nulls."""


def frame(columns: Mapping[str, tuple[str, Sequence[object]]]) -> pd.DataFrame:
    """A frame of columns, each given as its type's name and its values."""
    table = pa.table({name: pa.array(values, TYPES[kind]) for name, (kind, values) in columns.items()})
    return table.to_pandas(types_mapper=pd.ArrowDtype)


def strings(**columns: Sequence[str | None]) -> pd.DataFrame:
    """A frame of string columns."""
    return frame({name: ("string", values) for name, values in columns.items()})


def samples(*without: str) -> pd.DataFrame:
    """A frame with a column of each type, named after the type."""
    return frame({kind: (kind, values) for kind, values in SAMPLES.items() if kind not in without})

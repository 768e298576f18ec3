"""Values as cells of a worksheet: what a cell cannot hold is cut or replaced, and counted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.files.output_format import arrow_columns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

MAX_ROWS = 1_048_575
"""Rows that a worksheet can have below its header."""
MAX_COLUMNS = 16_384
_MAX_CELL = 32_767
"""Characters that a cell can hold."""


class CellValues:
    """Makes values that a cell can hold; `shortened` counts the strings that were changed for that."""

    def __init__(self) -> None:
        self.shortened = 0

    def of(self, value: object) -> object:
        """The value that a cell can hold: times without a zone, strings without control characters."""
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        if isinstance(value, datetime):
            return value.replace(tzinfo=None)
        if not isinstance(value, str):
            return value
        fitting = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", value)[:_MAX_CELL]
        self.shortened += fitting != value
        return fitting

    def losses(self) -> list[str]:
        """What was changed, as clauses for a warning."""
        if not self.shortened:
            return []
        cells = "1 cell was" if self.shortened == 1 else f"{self.shortened:,} cells were"
        return [f"{cells} cut, or had a character replaced, to fit a worksheet; write .parquet"]


def set_value(cell: Any, value: object) -> None:  # noqa: ANN401 - any of openpyxl's kinds of cells
    """Fill a cell; a string that begins with `=` is not a formula."""
    cell.value = value
    if isinstance(value, str):
        cell.data_type = "s"


def rows_of(frame: pd.DataFrame) -> Iterator[tuple[object, ...]]:
    """The rows of a frame with Arrow-backed columns, as Python values."""
    return zip(*(_as_python_can_hold(column).to_pylist() for column in arrow_columns(frame)), strict=True)


def check_columns(path: Path, count: int) -> None:
    """Check that a worksheet can have that many columns.

    Raises:
        UsageError: it cannot.
    """
    if count > MAX_COLUMNS:
        problem = f"a worksheet holds {MAX_COLUMNS:,} columns, not {count:,}"
        raise UsageError(f"{path.name}: {problem}; choose fewer --fields.")


def _as_python_can_hold(column: Any) -> Any:  # noqa: ANN401 - an array, chunked or not
    """Nanoseconds cut to microseconds, the finest that Python's own types hold; a worksheet shows milliseconds."""
    kind = column.type
    for is_kind, coarser in (
        (pa.types.is_timestamp, lambda: pa.timestamp("us", kind.tz)),
        (pa.types.is_duration, lambda: pa.duration("us")),
        (pa.types.is_time64, lambda: pa.time64("us")),
    ):
        if is_kind(kind) and kind.unit == "ns":
            return column.cast(coarser(), safe=False)
    return column

"""CSV: UTF-8, comma, line feed, quotes only where needed, nulls empty, and no cell that a spreadsheet would run.

Quoting is done a column at a time by Arrow. The standard library's writer leaves a lone carriage return unquoted up to
Python 3.12, and Arrow's own writer puts quotes around every text.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.files import private

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    Column = pa.ChunkedArray[Any]

_NEEDS_QUOTES = r'[,"\r\n]'
_FORMULA = r"^[=@\t\r]|^[+-](?s:.)"
_NUMBER_OR_PHONE = r"^[+-][ (]*[0-9][0-9 ().,/-]*$"


class CsvFile:
    """Writes frames of one table to a new file; a context manager.

    Args:
        path: where.
        empty: a frame with the table's columns.
        bom: begin with a byte order mark, as Excel likes it.
        formula_guard: put `'` before texts that a spreadsheet would run.
    """

    def __init__(self, path: Path, empty: pd.DataFrame, *, bom: bool = False, formula_guard: bool = True) -> None:
        self._guard = formula_guard
        self._file = private.create(path)
        self._file.write(codecs.BOM_UTF8 if bom else b"")
        self._file.write(",".join(empty.columns).encode() + b"\n")

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._file.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`."""
        if len(frame):
            table = pa.Table.from_pandas(frame, preserve_index=False)
            self._file.write(_lines(_texts(column, self._guard) for column in table.columns))


def _texts(column: Column, guard: bool) -> Column:
    """A column as CSV cells."""
    if pa.types.is_timestamp(column.type):
        texts = _times(column)
    else:
        texts = column.cast(pa.string())
        if guard and pa.types.is_string(column.type):
            texts = _guarded(texts)
    texts = _choose(texts.is_null(), pa.scalar(""), texts)
    quoted = _join('"', pc.replace_substring(texts, '"', '""'), '"', "")
    return _choose(pc.match_substring_regex(texts, _NEEDS_QUOTES), quoted, texts)


def _times(column: Column) -> Column:
    """`2026-11-23 02:00:00` for clock times, `2026-11-23T02:00:00.123Z` for instants."""
    if column.type.tz is None:
        return column.cast(pa.string())
    clock = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    return _join(pc.replace_substring(clock, " ", "T"), "Z", "")


def _guarded(texts: Column) -> Column:
    risky = pc.and_not(pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER_OR_PHONE))
    return _choose(risky, _join("'", texts, ""), texts)


def _lines(columns: Iterable[Column]) -> bytes:
    lines = _join(*columns, ",").to_pylist()
    return "".join(f"{line}\n" for line in lines).encode()


def _join(*parts: Column | str) -> Column:
    """Texts joined row by row; the last part is what to put between them."""
    joined: Column = pc.call_function(
        "binary_join_element_wise", [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    )
    return joined


def _choose(condition: object, yes: object, no: Column) -> Column:
    chosen: Column = pc.call_function("if_else", [condition, yes, no])
    return chosen

"""CSV: comma, line feed, quotes only where needed, nulls empty, and no cell that a spreadsheet would run.

Quoting is done a column at a time by Arrow. The standard library's writer leaves a lone carriage return unquoted up to
Python 3.12, and Arrow's own writer puts quotes around every text.
"""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.files import private

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    Column = pa.ChunkedArray[Any]

_FORMULA = r"^[=@\t\r]|^[+-](?s:.)"
_NUMBER_OR_PHONE = r"^[+-][ (]*[0-9][0-9 ().,/-]*$"


class CsvFile:
    """Writes one table to a new file, batch by batch; a context manager.

    Args:
        path: where.
        columns: their names.
        bom: begin with a byte order mark, as Excel likes it.
        formula_guard: put `'` before texts that a spreadsheet would run.
        unguarded: so many of the first columns are written as they are.
        delimiter: what stands between cells.
        encoding: of the text; characters that it has not become `?` and are counted.

    Attributes:
        replaced: characters that the encoding has not.
    """

    def __init__(
        self,
        path: Path,
        columns: Iterable[str],
        *,
        bom: bool = False,
        formula_guard: bool = True,
        unguarded: int = 0,
        delimiter: str = ",",
        encoding: str = "utf-8",
    ) -> None:
        self.replaced = 0
        self._guard, self._unguarded, self._delimiter = formula_guard, unguarded, delimiter
        self._encoding, self._encoder = encoding, codecs.getincrementalencoder(encoding)()
        self._needs_quotes = rf'[{re.escape(delimiter)}"\r\n]'
        self._file = private.create(path)
        # UTF-16 and the like bring a mark of their own.
        self._put("\ufeff" if bom and codecs.lookup(encoding).name == "utf-8" else "")
        names = [pa.chunked_array([pa.array([name], pa.string())]) for name in columns]
        self._put(_lines([self._quoted(name) for name in names], delimiter))

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self._file.close()

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        if len(table):
            cells = [self._cells(column, place) for place, column in enumerate(table.columns)]
            self._put(_lines(cells, self._delimiter))

    def _cells(self, column: Column, place: int) -> Column:
        """A column as CSV cells."""
        if pa.types.is_timestamp(column.type):
            texts = _times(column)
        else:
            texts = column.cast(pa.string())
            if self._guard and place >= self._unguarded and pa.types.is_string(column.type):
                texts = _guarded(texts)
        return self._quoted(_choose(texts.is_null(), pa.scalar(""), texts))

    def _quoted(self, texts: Column) -> Column:
        quoted = _join('"', pc.replace_substring(texts, '"', '""'), '"', "")
        return _choose(pc.match_substring_regex(texts, self._needs_quotes), quoted, texts)

    def _put(self, text: str) -> None:
        try:
            encoded = self._encoder.encode(text)
        except UnicodeEncodeError:
            encoded = text.encode(self._encoding, "replace")
            self.replaced += encoded.count(b"?") - text.count("?")
        self._file.write(encoded)


def _times(column: Column) -> Column:
    """`2026-11-23 02:00:00` for clock times, `2026-11-23T02:00:00.123Z` for instants."""
    if column.type.tz is None:
        return column.cast(pa.string())
    clock = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    return _join(pc.replace_substring(clock, " ", "T"), "Z", "")


def _guarded(texts: Column) -> Column:
    risky = pc.and_not(pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER_OR_PHONE))
    return _choose(risky, _join("'", texts, ""), texts)


def _lines(columns: Iterable[Column], delimiter: str) -> str:
    lines = _join(*columns, delimiter).to_pylist()
    return "".join(f"{line}\n" for line in lines)


def _join(*parts: Column | str) -> Column:
    """Texts joined row by row; the last part is what to put between them."""
    joined: Column = pc.call_function(
        "binary_join_element_wise", [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    )
    return joined


def _choose(condition: object, yes: object, no: Column) -> Column:
    chosen: Column = pc.call_function("if_else", [condition, yes, no])
    return chosen

"""CSV: comma, line feed, quotes only where needed, nulls empty, and no cell that a spreadsheet would run as a formula.

Fields are quoted a column at a time with Arrow: up to Python 3.12 the standard library's writer leaves a lone carriage
return unquoted, and Arrow's own CSV writer quotes every string.
"""

from __future__ import annotations

import codecs
import itertools
import re
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.files import durable
from pipeline.files.output_format import OutputFormat, arrow_columns
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd

    from pipeline.files.output_format import WriteOptions

    Column = Any  # an Arrow array, chunked or not

_FORMULA = r"^[=@\t\r]|^[+-](?s:.)"
_NUMBER_OR_PHONE = r"^[+-][ (]*[0-9][0-9 ().,/-]*$"


class CsvWriter:
    """Writes frames to a new CSV file."""

    def __init__(self, path: Path, header: pd.DataFrame, options: WriteOptions) -> None:
        self._options = options
        self._replaced = 0
        self._encoder = codecs.getincrementalencoder(options.encoding)()
        self._blanked = 0
        marks = {"standard": '"', "backslash": r'"\\', "none": ""}[options.quoting]
        self._needs_quotes = rf"[{re.escape(options.delimiter)}\r\n{marks}]"
        self._file = durable.create(path)
        # UTF-16 and UTF-32 write a byte order mark of their own.
        self._put("\ufeff" if options.bom and codecs.lookup(options.encoding).name == "utf-8" else "")
        self._put(f"sep={options.delimiter}{options.line_end}" if options.announce_delimiter else "")
        self._put(self._lines([self._written(pa.array([name], pa.string())) for name in header.columns]))

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`."""
        if len(frame):
            columns = arrow_columns(frame)
            self._put(self._lines([self._fields(column, number) for number, column in enumerate(columns)]))

    def losses(self) -> list[str]:
        """Characters that the encoding does not have, and what cannot be written without quotes."""
        losses: list[str] = []
        if self._replaced:
            characters = f"{counted(self._replaced, 'character')} cannot be encoded in {self._options.encoding}"
            losses.append(f'{characters} and {"was" if self._replaced == 1 else "were"} replaced by "?"')
        if self._blanked:
            have = "cell has" if self._blanked == 1 else "cells have"
            why = "spaces for delimiters or line ends, because the list has no quotes"
            losses.append(f"{self._blanked:,} {have} {why}")
        return losses

    def _fields(self, column: Column, number: int) -> Column:
        """A column as CSV fields."""
        if pa.types.is_timestamp(column.type):
            strings = times_as_text(column)
        else:
            strings = column.cast(pa.string())
            guarded = self._options.formula_guard and number >= self._options.unguarded
            if guarded and pa.types.is_string(column.type):
                strings = _guarded(strings)
        written = self._written(_choose(strings.is_null(), pa.scalar(""), strings))
        if self._options.quoting == "backslash" and number < self._options.unguarded:
            written = _choose(strings.is_null(), pa.scalar(r"\N"), written)
        return written

    def _written(self, strings: Column) -> Column:
        """Strings as fields: in quotes where they need them, if there are quotes."""
        needs_quotes = pc.match_substring_regex(strings, self._needs_quotes)
        if self._options.quoting == "none":
            self._blanked += pc.call_function("sum", [needs_quotes]).as_py() or 0
            return pc.replace_substring_regex(strings, self._needs_quotes, " ")
        if self._options.quoting == "backslash":
            strings = pc.replace_substring(strings, "\\", r"\\")
        escape = '""' if self._options.quoting == "standard" else r"\""
        return _choose(needs_quotes, _join('"', pc.replace_substring(strings, '"', escape), '"', ""), strings)

    def _lines(self, columns: Iterable[Column]) -> str:
        lines = _join(*columns, self._options.delimiter).to_pylist()
        return "".join(f"{line}{self._options.line_end}" for line in lines)

    def _put(self, text: str) -> None:
        try:
            encoded = self._encoder.encode(text)
        except UnicodeEncodeError:
            encoded = text.encode(self._options.encoding, "replace")
            self._replaced += encoded.count(b"?") - text.count("?")
        self._file.write(encoded)


def times_as_text(column: Column) -> Column:
    """`2026-11-23 02:00:00` for clock times, `2026-11-23T02:00:00.123Z` for instants."""
    if column.type.tz is None:
        return column.cast(pa.string())
    clock = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    return _join(pc.replace_substring(clock, " ", "T"), "Z", "")


def _guarded(strings: Column) -> Column:
    risky = pc.and_not(pc.match_substring_regex(strings, _FORMULA), pc.match_substring_regex(strings, _NUMBER_OR_PHONE))
    return _choose(risky, _join("'", strings, ""), strings)


def _join(*parts: Column | str) -> Column:
    """Strings joined row by row; the last part is the separator."""
    return pc.call_function(
        "binary_join_element_wise", [pa.scalar(part) if isinstance(part, str) else part for part in parts]
    )


def _choose(condition: object, yes: object, no: Column) -> Column:
    return pc.call_function("if_else", [condition, yes, no])


def count_records(path: Path) -> int:
    """Records of a CSV file below its header: line feeds with an even number of quotes before them."""
    lines = quotes = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            for n, part in enumerate(block.split(b'"')):
                quotes += n > 0
                lines += 0 if quotes % 2 else part.count(b"\n")
    return max(0, lines - 1)


def first_other_line(path: Path, other: Path) -> str | None:
    """Which line is the first one that another file does not have; None if there is none."""
    with path.open("rb") as one, other.open("rb") as two:
        for number, (line, expected) in enumerate(itertools.zip_longest(one, two), 1):
            if line != expected:
                return f"from line {number:,} on"
    return None


FORMAT = OutputFormat(
    open=CsvWriter, bytes_per_lead=2_450, bytes_per_row=145, count_rows=count_records, difference=first_other_line
)

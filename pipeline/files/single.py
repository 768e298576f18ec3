"""One table in one file of the user's own choosing: the format follows the ending of its name."""

from __future__ import annotations

import importlib.util
import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, Self

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.files.csv import CsvFile
from pipeline.files.parquet import ParquetFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SUFFIXES = (".csv", ".tsv", ".parquet", ".xlsx")
SHEET_ROWS = 1_048_576
"""Rows that a worksheet can have, the header among them."""


class TableWriter(Protocol):
    """Writes tables with the same columns, one after the other; a context manager."""

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, /, *others: object) -> None: ...


@dataclass(frozen=True, slots=True)
class Style:
    """How a file of text is written; see `CsvFile`."""

    delimiter: str = ","
    encoding: str = "utf-8"
    bom: bool = False
    formula_guard: bool = True
    unguarded: int = 0


def check_name(path: Path) -> None:
    """See that a file of this name can be written.

    Raises:
        UsageError: no format goes with its ending, or its library is not installed.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(f"{path}: this kind of file is not written; use {', '.join(SUFFIXES)}.")
    if path.suffix.lower() == ".xlsx" and importlib.util.find_spec("openpyxl") is None:
        raise UsageError(f"{path}: workbooks need a library more; run pip install 'lead-export[xlsx]'.")


def check_rows(path: Path, rows: int) -> None:
    """See that a file of this name can hold so many rows.

    Raises:
        UsageError: a worksheet cannot.
    """
    if path.suffix.lower() == ".xlsx" and rows >= SHEET_ROWS:
        raise UsageError(f"{path}: {rows:,} rows are more than a worksheet can hold; write .csv or .parquet instead.")


def check_columns(path: Path, schema: pa.Schema) -> None:
    """See that a file of this name can hold such columns.

    Raises:
        UsageError: it cannot; only Parquet holds lists, objects and bytes.
    """
    if path.suffix.lower() == ".parquet":
        return
    for column in schema:
        if pa.types.is_nested(column.type) or "binary" in str(column.type):
            kind = f"a column of {str(column.type)[:40]}"
            raise UsageError(f"{path}: cannot hold {column.name!r}, {kind}; write .parquet instead.")


def open_single(place: Path, suffix: str, schema: pa.Schema, style: Style) -> TableWriter:
    """A new file at `place` in the format that goes with `suffix`."""
    match suffix.lower():
        case ".parquet":
            return ParquetFile(place, pa.schema(_told_apart(schema)))
        case ".xlsx":
            from pipeline.files.workbook import Workbook  # noqa: PLC0415 - its library is an extra

            return Workbook(place, schema.names)
        case other:
            return CsvFile(
                place,
                schema.names,
                bom=style.bom,
                formula_guard=style.formula_guard,
                unguarded=style.unguarded,
                delimiter="\t" if other == ".tsv" else style.delimiter,
                encoding=style.encoding,
            )


def _told_apart(schema: pa.Schema) -> Iterator[pa.Field[Any]]:
    """Columns with names of their own: readers of Parquet find columns by name; the second `a` becomes `a.1`."""
    taken: Counter[str] = Counter()
    names = set(schema.names)
    for column in schema:
        number = taken[column.name]
        taken[column.name] += 1
        if number:
            fresh = (f"{column.name}.{n}" for n in itertools.count(number))
            name = next(name for name in fresh if name not in names)
            names.add(name)
            yield column.with_name(name)
        else:
            yield column


def names_of(suffix: str, schema: pa.Schema) -> Sequence[str]:
    """The names that the columns have in a file with this ending."""
    return [column.name for column in _told_apart(schema)] if suffix.lower() == ".parquet" else schema.names

"""A table without some people where it cannot be made again: rows are left out of the file as it is.

What stays is as it was: in Parquet the row groups, the compression, the dictionaries and the description of the
columns; in CSV each line byte for byte.
"""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.files import durable
from pipeline.files.output_format import FileInfo
from pipeline.files.worksheet_cells import set_value
from pipeline.outcomes import Outcome
from pipeline.privacy.identity import GIVEN
from pipeline.privacy.redaction import redacted_column, redacted_text
from pipeline.schema import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.privacy.identity import People

_ROWS = 10_000
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_OUTCOMES = "outcomes"
_LEFT = (ACCOUNT, "input", "row")
"""Columns of `outcomes` that an erased row keeps."""
_BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class RowFilter:
    """What is to go from a table.

    Attributes:
        table: its name.
        people: whose rows go.
        account: a word for the account whose leads the run holds.
        erased: the numbers of the rows of `outcomes` that are erased rather than left out.
        redact: whether their addresses are replaced in the rows of others.
    """

    table: str
    people: People
    account: str
    erased: frozenset[int] = frozenset()
    redact: bool = False

    def is_theirs(self, batch: pa.RecordBatch, first: int) -> list[bool]:
        """Which rows of a batch are theirs; `first` is the number of its first row."""
        if self.table == _OUTCOMES:
            return [first + number in self.erased for number in range(batch.num_rows)]
        return [bool(one) for one in self.people.rows_of(self.table, batch, self.account).to_pylist()]

    def redacted(self, batch: pa.RecordBatch) -> frozenset[str]:
        """The columns in which their addresses are replaced in the rows of others.

        A cell of a list may have a name before its address, and that may be an address of theirs.
        """
        if self.redact:
            return frozenset(batch.schema.names)
        return frozenset((GIVEN,) if self.people.cells_of(batch).true_count else ())

    def without(self, batch: pa.RecordBatch, first: int) -> pa.RecordBatch:
        """A batch without their rows."""
        theirs = pa.array(self.is_theirs(batch, first), pa.bool_())
        if self.table == _OUTCOMES:
            batch = _erased(batch, theirs)
        elif theirs.true_count:
            batch = batch.filter(pc.call_function("invert", [theirs]))
        names = self.redacted(batch)
        if not names:
            return batch
        columns = [
            redacted_column(column, self.people.needles) if name in names and _is_text(column.type) else column
            for name, column in zip(batch.schema.names, batch.columns, strict=True)
        ]
        return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _erased(batch: pa.RecordBatch, theirs: pa.Array[Any]) -> pa.RecordBatch:
    blank = {"outcome": Outcome.ERASED.value, "attempts": 0}
    columns = []
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        value = pa.scalar(blank.get(name), column.type)
        columns.append(column if name in _LEFT else pc.call_function("if_else", [theirs, value, column]))
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def filter_file(source: Path, target: Path, what: RowFilter) -> FileInfo:
    """Write the new file `target`: the table in `source` without the rows that are to go.

    Raises:
        StorageError: a file cannot be read or written.
    """
    kind = source.suffix.removeprefix(".")
    try:
        with durable.storage_errors(target):
            if kind == "parquet":
                rows = _filter_parquet(source, target, what)
            elif kind == "xlsx":
                rows = _filter_workbook(source, target, what)
            else:
                rows = _filter_text(source, target, what, _DELIMITERS[kind])
            return FileInfo.of(target, rows)
    except (pa.ArrowException, csv.Error, KeyError, ValueError) as error:
        raise StorageError(f"{source}: not a table that lead-export wrote ({type(error).__name__}).") from error


def _filter_parquet(source: Path, target: Path, what: RowFilter) -> int:
    rows = first = 0
    with pq.ParquetFile(source, pre_buffer=False) as file, durable.create(target) as stream:
        schema = file.schema_arrow
        compression, dictionaries = _layout(file.metadata)
        with pq.ParquetWriter(
            stream,
            schema,
            compression=compression,
            use_dictionary=dictionaries,  # type: ignore[arg-type]  # the stubs lack lists
        ) as writer:
            for group in range(file.num_row_groups):
                table = file.read_row_group(group)
                parts = [what.without(batch, first + at) for at, batch in _numbered(table)]
                left = pa.Table.from_batches(parts, schema)
                if left.num_rows:
                    writer.write_table(left, row_group_size=left.num_rows)
                rows, first = rows + left.num_rows, first + table.num_rows
    return rows


def _numbered(table: pa.Table) -> Iterator[tuple[int, pa.RecordBatch]]:
    at = 0
    for batch in table.to_batches():
        yield at, batch
        at += batch.num_rows


def _layout(metadata: Any) -> tuple[Any, list[str]]:  # noqa: ANN401 - pyarrow's stubs do not know all of it
    """The compression of a file, and the columns of it that have dictionaries."""
    if not metadata.num_row_groups:
        return "zstd", []
    group = metadata.row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    return columns[0].compression.lower(), [one.path_in_schema for one in columns if one.has_dictionary_page]


def _filter_text(source: Path, target: Path, what: RowFilter, delimiter: str) -> int:
    rows = first = 0
    with source.open(encoding="utf-8", newline="") as file, durable.create(target) as stream:
        records = _records(file)
        header = next(records, "")
        stream.write(header.encode())
        names = next(csv.reader([header.removeprefix(_BOM)], delimiter=delimiter), [])
        while part := list(itertools.islice(records, _ROWS)):
            cells = [next(csv.reader([record], delimiter=delimiter)) for record in part]
            batch = pa.RecordBatch.from_arrays([pa.array(column) for column in zip(*cells, strict=True)], names)
            redacted = what.redacted(batch)
            for record, row, is_theirs in zip(part, cells, what.is_theirs(batch, first), strict=True):
                if not is_theirs:
                    stream.write(_kept_record(record, row, names, delimiter, redacted, what).encode())
                elif what.table == _OUTCOMES:
                    stream.write(_line(_erased_cells(names, row), delimiter, record).encode())
                rows += not is_theirs or what.table == _OUTCOMES
            first += len(part)
    return rows


def _kept_record(
    record: str, row: Sequence[str], names: Sequence[str], delimiter: str, redacted: frozenset[str], what: RowFilter
) -> str:
    """The line of somebody else, byte for byte unless an address is replaced in it."""
    if what.redact:
        return redacted_text(record, what.people.needles) or ""
    kept = [_redacted_value(cell, what) if name in redacted else cell for name, cell in zip(names, row, strict=False)]
    return record if kept == [*row] else _line(kept, delimiter, record)


def _records(file: Any) -> Iterator[str]:  # noqa: ANN401 - a text file
    """Each record with its line end: lines are joined until their quotes are closed."""
    record, quotes = "", 0
    for line in file:
        record += line
        quotes += line.count('"')
        if quotes % 2 == 0:
            yield record
            record, quotes = "", 0
    if record:
        yield record


def _erased_cells(names: Sequence[str], row: Sequence[str]) -> list[str]:
    kept = dict(zip(names, row, strict=False))
    blank = {"outcome": Outcome.ERASED.value, "attempts": "0"}
    return [kept.get(name, "") if name in _LEFT else blank.get(name, "") for name in names]


def _line(cells: Sequence[str], delimiter: str, record: str) -> str:
    end = record[len(record.rstrip("\r\n")) :]
    return delimiter.join(_quoted(cell, delimiter) for cell in cells) + end


def _quoted(cell: str, delimiter: str) -> str:
    needs_quotes = any(mark in cell for mark in (delimiter, '"', "\r", "\n"))
    return '"' + cell.replace('"', '""') + '"' if needs_quotes else cell


def _filter_workbook(source: Path, target: Path, what: RowFilter) -> int:
    import openpyxl  # noqa: PLC0415 - an extra, for those who publish workbooks

    rows = 0
    with source.open("rb") as file, durable.create(target) as stream:
        book = openpyxl.load_workbook(file, read_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        values = sheet.iter_rows(values_only=True)
        made = openpyxl.Workbook(write_only=True)
        written = made.create_sheet(sheet.title)
        names = [str(name) for name in next(values, ())]
        written.append(names)
        for row in _kept_cells(names, values, what):
            written.append([_cell(written, value) for value in row])
            rows += 1
        made.save(stream)
        book.close()
    return rows


def _kept_cells(names: list[str], values: Iterator[Sequence[Any]], what: RowFilter) -> Iterator[Sequence[Any]]:
    first = 0
    while part := [[*row, *[None] * (len(names) - len(row))] for row in itertools.islice(values, _ROWS)]:
        texts = [["" if value is None else str(value) for value in row] for row in part]
        batch = pa.RecordBatch.from_arrays([pa.array(column) for column in zip(*texts, strict=True)], names)
        redacted = what.redacted(batch)
        for row, cells, is_theirs in zip(part, texts, what.is_theirs(batch, first), strict=True):
            if not is_theirs:
                yield [_redacted_value(v, what) if n in redacted else v for n, v in zip(names, row, strict=True)]
            elif what.table == _OUTCOMES:
                yield [cell or None for cell in _erased_cells(names, cells)]
        first += len(part)


def _redacted_value(value: Any, what: RowFilter) -> Any:  # noqa: ANN401 - of a cell
    return redacted_text(value, what.people.needles) if isinstance(value, str) else value


def _cell(sheet: Any, value: Any) -> Any:  # noqa: ANN401 - openpyxl has no types
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415 - as above

    if not isinstance(value, str):
        return value
    cell = WriteOnlyCell(sheet, value=None)
    set_value(cell, value)
    return cell


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_binary(kind)

"""Parquet files: cells of one column as texts, or all columns as they are, a few thousand rows at a time."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.emails.batches import BATCH_ROWS
from pipeline.emails.columns import find_column
from pipeline.emails.reading import Detected, Shape
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pipeline.emails.reading import Reading
    from pipeline.emails.source import Source

_SAMPLE_ROWS = 200
_BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at a time; otherwise all of a row group's are, which may be all there is."""
_BATCH_BYTES = 1 << 24
"""Bytes in a batch of rows of average size."""


class ParquetFile:
    """The rows of a Parquet file; nulls in the email column are empty cells."""

    def __init__(self, source: Source, reading: Reading) -> None:
        self._source, self._reading = source, reading
        self._detected: Detected | None = None

    def detected(self) -> Detected:
        """How the list is read."""
        if self._detected is None:
            with self._opened() as file:
                self._detected = self._describe(file)
        return self._detected

    def cells(self) -> Iterator[str]:
        """The value of the email column in each row, as text.

        Raises:
            UsageError: also if values of this column are no texts and cannot become some.
        """
        found = self.detected()
        name = found.columns[found.email_index]
        nth = found.columns[: found.email_index].count(name)
        with self._opened() as file:
            if not _castable(file.schema_arrow.field(found.email_index).type):
                raise self._refusal(f"the values of the column {name[:40]!r} are no texts")
            for batch in self._read(file, [name]):
                yield from self._email_texts(batch.column(batch.schema.get_all_field_indices(name)[nth]))

    def lines_of(self, _: Collection[int]) -> dict[int, int]:
        """Nothing: there are no lines."""
        return {}

    def shape(self) -> Shape:
        """How many rows and columns there are, as the file itself says."""
        with self._opened() as file:
            return Shape(rows=file.metadata.num_rows, width=len(file.schema_arrow), ragged=0, ragged_lines=())

    def batches(self, _width: int | None) -> Iterator[pa.RecordBatch]:
        """All columns with their types."""
        with self._opened() as file:
            yield from self._read(file, None)

    def _describe(self, file: pq.ParquetFile) -> Detected:
        schema, reading = file.schema_arrow, self._reading
        if not len(schema):
            raise self._refusal("there is no column")
        sample: list[list[str]] = []
        for batch in itertools.islice(self._read(file, None, _SAMPLE_ROWS), 1):
            sample = [list(row) for row in zip(*map(_sampled, batch.columns), strict=True)]
        column = find_column(self._source.name, schema.names, sample, reading.email_column)
        return Detected(
            form="parquet",
            compression=None,
            encoding=None,
            delimiter=None,
            header=True,
            columns=tuple(schema.names),
            email_column=schema.names[column],
            email_index=column,
            guessed=() if reading.email_column else ("email_column",),
        )

    @contextmanager
    def _opened(self) -> Iterator[pq.ParquetFile]:
        place = self._source.place
        with self._told("this is no Parquet file, or it is damaged"):
            file = pq.ParquetFile(place, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True)
        with file:
            yield file

    def _read(
        self, file: pq.ParquetFile, columns: list[str] | None, most: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        size = sum(file.metadata.row_group(n).total_byte_size for n in range(file.metadata.num_row_groups))
        rows = max(1, min(most, _BATCH_BYTES * file.metadata.num_rows // max(1, size)))
        passed = 0
        batches = file.iter_batches(rows, columns=columns, use_threads=False)
        while True:
            with self._told("the Parquet file is damaged"):
                batch = next(batches, None)
            if batch is None:
                break
            passed += len(batch)
            yield batch
        if passed != file.metadata.num_rows:
            raise self._refusal("the Parquet file is damaged")

    def _email_texts(self, column: pa.Array[Any]) -> list[str]:
        with self._told("there are values that are no texts in the email column"):
            return _texts(column)

    @contextmanager
    def _told(self, problem: str) -> Iterator[None]:
        try:
            yield
        except (pa.ArrowException, OSError, ValueError) as error:
            raise self._refusal(problem) from error

    def _refusal(self, problem: str) -> UsageError:
        return UsageError(f"{self._source.name}: {problem}.")


def _storage(column: pa.Array[Any]) -> pa.Array[Any]:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _texts(column: pa.Array[Any]) -> list[str]:
    return [value or "" for value in _storage(column).cast(pa.string()).to_pylist()]


def _sampled(column: pa.Array[Any]) -> list[str]:
    """Values as texts; empty ones if they are none, for a column like that holds no addresses."""
    try:
        return _texts(column)
    except (pa.ArrowException, ValueError):
        return [""] * len(column)


def _castable(kind: pa.DataType) -> bool:
    """Whether values of a type can become texts."""
    try:
        _storage(pa.array([], kind)).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True

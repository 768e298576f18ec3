"""Parquet files (`.parquet`): one column as strings, or all columns with their types, a few thousand rows at a time."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipeline.emails.columns import find_column
from pipeline.emails.formats import ListFormat
from pipeline.emails.options import Detected, RowCounts
from pipeline.emails.table import BATCH_ROWS, SAMPLE_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa
    import pyarrow.parquet as pq

_BUFFER_BYTES = 1 << 20
"""Bytes of a column that are read at a time; by default a whole row group is, which may be the whole file."""
_BATCH_BYTES = 1 << 24
"""Bytes in a batch of rows of average size."""


class Parquet(ListFormat):
    """The rows of a Parquet file; a null in the email column is an empty cell."""

    name = "parquet"
    suffixes = (".parquet",)
    title = "a Parquet file"
    signature = b"PAR1"
    unit = "row"

    def detected(self) -> Detected:
        """How the list is read."""
        return self._detected

    def cells(self) -> Iterator[str]:
        """The value of the email column in each row, as a string.

        Raises:
            UsageError: also if values of this column cannot be converted to strings.
        """
        detected = self.detected()
        name = detected.email_column
        nth = detected.columns[: detected.email_index].count(name)
        with self._open() as file:
            if not _is_castable(file.schema_arrow.field(detected.email_index).type):
                raise self.error(f"the values of the column {name[:40]!r} cannot be read as strings")
            for batch in self._read(file, [name]):
                column = batch.column(batch.schema.get_all_field_indices(name)[nth])
                with self._arrow_errors("the email column has values that cannot be read as strings"):
                    cells = _to_strings(column)
                yield from cells

    def row_counts(self) -> RowCounts:
        """How many rows and columns there are, from the file's metadata."""
        with self._open() as file:
            return RowCounts(file.metadata.num_rows, len(file.schema_arrow))

    def batches(self, width: int | None) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - all rows have all columns
        """All columns with their types."""
        import pyarrow as pa

        with self._open() as file:
            if not file.metadata.num_rows:
                yield pa.RecordBatch.from_pylist([], file.schema_arrow)
            yield from self._read(file, None)

    @cached_property
    def _detected(self) -> Detected:
        with self._open() as file:
            names = file.schema_arrow.names
            if not names:
                raise self.error("the file has no columns")
            rows: list[list[str]] = []
            for batch in itertools.islice(self._read(file, None, SAMPLE_ROWS), 1):
                rows = [list(row) for row in zip(*map(_sample_strings, batch.columns), strict=True)]
        email_index = find_column(self.source.name, names, rows, self.options.email_column)
        return self.describe(names, email_index, header=True, guessed=("email_column",))

    @contextmanager
    def _open(self) -> Iterator[pq.ParquetFile]:
        import pyarrow.parquet as pq

        with self.source.open() as source:
            with self._arrow_errors("not a Parquet file, or it is damaged"):
                file = pq.ParquetFile(
                    source, buffer_size=_BUFFER_BYTES, pre_buffer=False, page_checksum_verification=True
                )
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
            with self._arrow_errors("the Parquet file is damaged"):
                batch = next(batches, None)
            if batch is None:
                break
            passed += len(batch)
            yield batch
        if passed != file.metadata.num_rows:
            raise self.error("the Parquet file is damaged")

    @contextmanager
    def _arrow_errors(self, problem: str) -> Iterator[None]:
        import pyarrow as pa

        with self.errors_as(problem, pa.ArrowException, OSError, ValueError):
            yield


def _storage(column: pa.Array[Any]) -> pa.Array[Any]:
    import pyarrow as pa

    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _to_strings(column: pa.Array[Any]) -> list[str]:
    import pyarrow as pa

    return [value or "" for value in _storage(column).cast(pa.string()).to_pylist()]


def _sample_strings(column: pa.Array[Any]) -> list[str]:
    """Values as strings; empty ones if they cannot be converted, because such a column holds no addresses."""
    import pyarrow as pa

    try:
        return _to_strings(column)
    except (pa.ArrowException, ValueError):
        return [""] * len(column)


def _is_castable(kind: pa.DataType) -> bool:
    """Whether values of a type can be converted to strings."""
    import pyarrow as pa

    try:
        _storage(pa.array([], kind)).cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return False
    return True

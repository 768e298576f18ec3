"""Parquet: one table, batch by batch, each batch a row group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import private

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


class ParquetFile:
    """Writes one table to a new file, batch by batch; a context manager.

    The frames' types stand in the file's pandas metadata, so that `pandas.read_parquet` gives Arrow columns back (texts
    as pandas' own `string`, also backed by Arrow), and in Parquet's own types for everybody else.

    Args:
        path: where.
        empty: a frame with the table's columns and types, or just a schema.
    """

    def __init__(self, path: Path, empty: pd.DataFrame | pa.Schema) -> None:
        self._schema = empty if isinstance(empty, pa.Schema) else _schema(empty)
        self._file = private.create(path)
        self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the footer and close."""
        try:
            self._writer.close()
        finally:
            self._file.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`."""
        self.write_table(pa.Table.from_pandas(frame, schema=self._schema, preserve_index=False))

    def write_table(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        if len(table):
            self._writer.write_table(table.rename_columns(self._schema.names))


def _schema(empty: pd.DataFrame) -> pa.Schema:
    return pa.Table.from_pandas(empty, preserve_index=False).schema

"""Parquet: each batch is a row group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import durable
from pipeline.files.output_format import OutputFormat, written_names

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.files.output_format import WriteOptions


class ParquetWriter:
    """Writes frames to a new Parquet file, compressed by zstd.

    The file carries pandas' own description of the columns, so that `pandas.read_parquet` gives Arrow-backed columns
    back instead of floats with holes.
    """

    def __init__(self, path: Path, header: pd.DataFrame, options: WriteOptions) -> None:
        self._schema = _schema(_with_unique_names(header))
        # `use_dictionary` takes Parquet's own names of columns, which differ for nested ones; all is then the default.
        repeating = [name for name in self._schema.names if name not in options.mostly_unique]
        self._file = durable.create(path)
        self._writer = pq.ParquetWriter(
            self._file,
            self._schema,
            compression="zstd",
            use_dictionary=repeating if options.mostly_unique else True,  # type: ignore[arg-type]  # the stubs lack lists
        )

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the footer and close the file."""
        try:
            self._writer.close()
        finally:
            self._file.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame` as a row group."""
        if len(frame):
            frame = frame.set_axis(self._schema.names, axis="columns")
            self._writer.write_table(pa.Table.from_pandas(frame, self._schema, preserve_index=False))

    def losses(self) -> list[str]:
        """Nothing: Parquet holds everything."""
        return []


def _with_unique_names(header: pd.DataFrame) -> pd.DataFrame:
    if header.columns.is_unique:
        return header
    return header.set_axis(written_names(FORMAT, header.columns), axis="columns")


def _schema(header: pd.DataFrame) -> pa.Schema:
    """The Arrow schema of a frame, with pandas' metadata about every column whose type pandas can read back by name."""
    schema = pa.Schema.from_pandas(header, preserve_index=False)
    unreadable = [column.name for column in schema if not _has_name_in_pandas(column.type)]
    if not unreadable:
        return schema
    metadata: Any = pa.Schema.from_pandas(header.drop(columns=unreadable), preserve_index=False).metadata
    return schema.with_metadata(metadata)


def _has_name_in_pandas(kind: pa.DataType) -> bool:
    encoded = pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind)
    return not (encoded or pa.types.is_nested(kind) or isinstance(kind, pa.BaseExtensionType))


FORMAT = OutputFormat(open=ParquetWriter, bytes_per_lead=300, nested=True, unique_names=True)

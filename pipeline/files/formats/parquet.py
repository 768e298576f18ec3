"""Parquet: each batch is a row group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import durable
from pipeline.files.batches import first_difference
from pipeline.files.output_format import OutputFormat, written_names

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.files.output_format import WriteOptions

_COMPARED_ROWS = 2_000

_PANDAS_TYPES: dict[pa.DataType, Any] = {
    pa.string(): pd.StringDtype(),
    pa.large_string(): pd.StringDtype(),
    pa.bool_(): pd.BooleanDtype(),
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}
"""What readers with pandas get by default, where pandas has a type with nulls; else they get what pandas chooses."""


class ParquetWriter:
    """Writes frames to a new Parquet file, compressed by zstd.

    The file carries pandas' own description of the columns, so that `pandas.read_parquet` gives integers with nulls
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
    """The Arrow schema of a frame, with the description that pandas itself writes for columns of its own types.

    pandas before 2 and fastparquet cannot read the names of Arrow-backed types, such as `timestamp[s][pyarrow]`, and
    fastparquet wants all columns described, or none.
    """
    schema = pa.schema(
        [(field.name, _plain(field.type)) for field in pa.Schema.from_pandas(header, preserve_index=False)]
    )
    own = schema.empty_table().to_pandas(types_mapper=_PANDAS_TYPES.get)
    return schema.with_metadata(pa.Schema.from_pandas(own, preserve_index=False).metadata)


def _plain(kind: pa.DataType) -> pa.DataType:
    """The same without views, which pyarrow before 16 does not know."""
    if pa.types.is_string_view(kind):
        return pa.string()
    return pa.binary() if pa.types.is_binary_view(kind) else kind


def count_rows(path: Path) -> int:
    """Rows of a Parquet file, as its footer says."""
    return int(pq.read_metadata(path).num_rows)


def first_other_value(path: Path, other: Path) -> str | None:
    """Which columns, or which row, are the first that another file does not have; None if there are none.

    Both are read a batch at a time; how they are divided and compressed does not count.
    """
    with pq.ParquetFile(path, pre_buffer=False) as one, pq.ParquetFile(other, pre_buffer=False) as two:
        fields, expected = ({(f.name, f.type) for f in file.schema_arrow} for file in (one, two))
        if one.schema_arrow != two.schema_arrow:
            return f"in the columns {', '.join(sorted({name for name, _ in fields ^ expected})) or 'and their order'}"
        if one.metadata.num_rows != two.metadata.num_rows:
            return f"in the number of rows: {one.metadata.num_rows:,} instead of {two.metadata.num_rows:,}"
        found = first_difference(one.iter_batches(_COMPARED_ROWS), two.iter_batches(_COMPARED_ROWS))
    if found is None:
        return None
    row, ours, theirs = found
    names = [name for name in ours.schema.names if not ours.column(name).equals(theirs.column(name))]
    return f"from row {row + 1:,} on, in {', '.join(names)}"


FORMAT = OutputFormat(
    open=ParquetWriter,
    bytes_per_lead=200,
    bytes_per_row=30,
    bytes_per_file=7_500,
    nested=True,
    unique_names=True,
    count_rows=count_rows,
    difference=first_other_value,
)

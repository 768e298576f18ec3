"""Parquet: each batch is a row group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import durable
from pipeline.files.output_format import OutputFormat, arrow_columns, arrow_types, written_names

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
        self._schema = _schema(header.set_axis(written_names(FORMAT, header.columns), axis="columns"))
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
            self._writer.write_table(pa.Table.from_arrays(arrow_columns(frame), schema=self._schema))

    def losses(self) -> list[str]:
        """Nothing: Parquet holds everything."""
        return []


def _schema(header: pd.DataFrame) -> pa.Schema:
    """The Arrow schema of a frame, with pandas' metadata about every column whose type pandas can read back by name."""
    types = dict(zip(header.columns, arrow_types(header), strict=True))
    readable = [name for name, kind in types.items() if not pa.types.is_nested(kind) and not _is_encoded(kind)]
    metadata: Any = pa.Schema.from_pandas(header[readable], preserve_index=False).metadata
    return pa.schema(list(types.items()), metadata=metadata)


def _is_encoded(kind: pa.DataType) -> bool:
    return pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind) or isinstance(kind, pa.BaseExtensionType)


FORMAT = OutputFormat(open=ParquetWriter, bytes_per_lead=300, nested=True, unique_names=True)

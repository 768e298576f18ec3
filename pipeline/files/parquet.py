"""Parquet: one table, batch by batch, each batch a row group."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files import private

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_NAMES = {"string": "unicode", "binary": "bytes"}
_DESCRIBED = ("string", "binary", "bool", "int8", "int16", "int32", "int64")
"""Types that pandas reads back by their names; others, of a user's own columns, are left to itself."""


class ParquetFile:
    """Writes one table to a new file, batch by batch; a context manager.

    The columns' types stand in the file's pandas metadata, so that `pandas.read_parquet` gives Arrow columns back
    (texts as pandas' own `string`, also backed by Arrow), and in Parquet's own types for everybody else.

    Args:
        path: where.
        schema: the table's columns and types.
        distinct: columns in which hardly a value comes twice; of the others each value is kept once, in a dictionary,
            and then told which it is, which for these takes a tenth more room and time.
    """

    def __init__(self, path: Path, schema: pa.Schema, distinct: Collection[str] = ()) -> None:
        self._schema = described(schema)
        # Not a list of all where there are no others, for columns with parts go by names of Parquet's own.
        dictionaries = [name for name in schema.names if name not in distinct] if distinct else True
        self._file = private.create(path)
        self._writer = pq.ParquetWriter(
            self._file,
            self._schema,
            compression="zstd",
            use_dictionary=dictionaries,  # type: ignore[arg-type]  # the stubs know of no list
        )

    def __enter__(self) -> Self:
        """Return the file itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the footer and close."""
        try:
            self._writer.close()
        finally:
            self._file.close()

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table`."""
        if len(table):
            self._writer.write_table(table.rename_columns(self._schema.names))


def described(schema: pa.Schema) -> pa.Schema:
    """The schema as it stands in our files: with what pandas wants to know."""
    return schema.with_metadata({"pandas": json.dumps(_pandas_metadata(schema))})


def _pandas_metadata(schema: pa.Schema) -> dict[str, Any]:
    """What pandas itself writes about a frame of Arrow columns, but for versions; pandas need not be loaded for that.

    Source: pandas' developer documentation, "Storing pandas DataFrame objects in Apache Parquet format".
    """
    return {
        "index_columns": [],
        "column_indexes": [],
        "columns": [
            {
                "name": column.name,
                "field_name": column.name,
                "pandas_type": _pandas_type(column.type),
                "numpy_type": f"{column.type}[pyarrow]",
                "metadata": None,
            }
            for column in schema
            if pa.types.is_timestamp(column.type) or str(column.type) in _DESCRIBED
        ],
        "attributes": {},
    }


def _pandas_type(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "datetimetz" if kind.tz else "datetime"
    return _NAMES.get(str(kind), str(kind))

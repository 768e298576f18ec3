"""What is written in published files: their bytes as text and, of Parquet, what its pages and its footer stand for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def texts_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file in a folder, and in those below it, with its text; what a run does not publish is left out."""
    for path in folder.rglob("*"):
        if path.is_file() and "private" not in path.relative_to(folder).parts:
            content = path.read_bytes()
            more = _parquet_texts(content) if path.suffix == ".parquet" else ()
            yield path.name, "\n".join([content.decode("utf-8", "replace"), *more])


def _parquet_texts(content: bytes) -> Iterator[str]:
    """All values of a Parquet file, and the least and greatest ones that its footer names."""
    yield "\n".join(str(value) for column in pq.read_table(io.BytesIO(content)).columns for value in column.to_pylist())
    metadata = pq.read_metadata(io.BytesIO(content))
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            if column.statistics is not None and column.statistics.has_min_max:
                yield f"{column.statistics.min}\n{column.statistics.max}"

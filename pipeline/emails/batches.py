"""Rows of texts in, record batches out: bounded in rows, cells and characters, whatever the rows are like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

BATCH_ROWS = 5_000
_BATCH_CELLS = 1_000_000
_BATCH_CHARACTERS = 1 << 24


def batches(rows: Iterable[Sequence[str | None]], names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of text columns called `names`; each row has a cell for each."""
    schema = pa.schema([pa.field(name, pa.string()) for name in names])
    most = max(1, min(BATCH_ROWS, _BATCH_CELLS // max(1, len(names))))
    held: list[Sequence[str | None]] = []
    characters = 0
    for row in rows:
        held.append(row)
        characters += sum(len(cell) for cell in row if cell)
        if len(held) >= most or characters >= _BATCH_CHARACTERS:
            yield _batch(held, schema)
            held, characters = [], 0
    if held:
        yield _batch(held, schema)


def _batch(rows: Sequence[Sequence[str | None]], schema: pa.Schema) -> pa.RecordBatch:
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)

"""Two streams of record batches compared row by row, however they are divided; memory holds one batch of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa


def first_difference(
    one: Iterator[pa.RecordBatch], other: Iterator[pa.RecordBatch]
) -> tuple[int, pa.RecordBatch, pa.RecordBatch] | None:
    """The number, from 0, of the first row that differs, with that row of both; None if all rows are the same.

    Where one stream has ended its row has length 0. The columns must have the same names and types.
    """
    first = 0
    for ours, theirs in _side_by_side(_filled(one), _filled(other)):
        if not ours.equals(theirs):
            return next(
                (first + n, ours.slice(n, 1), theirs.slice(n, 1))
                for n in range(max(ours.num_rows, theirs.num_rows))
                if not ours.slice(n, 1).equals(theirs.slice(n, 1))
            )
        first += ours.num_rows
    return None


def _side_by_side(
    one: Iterator[pa.RecordBatch], other: Iterator[pa.RecordBatch]
) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Pairs with the same number of rows; last of all, if a stream is longer, what is left of it and nothing."""
    ours, theirs = next(one, None), next(other, None)
    while ours is not None and theirs is not None:
        rows = min(ours.num_rows, theirs.num_rows)
        yield ours.slice(0, rows), theirs.slice(0, rows)
        ours = ours.slice(rows) if rows < ours.num_rows else next(one, None)
        theirs = theirs.slice(rows) if rows < theirs.num_rows else next(other, None)
    if ours is not None:
        yield ours, ours.slice(0, 0)
    if theirs is not None:
        yield theirs.slice(0, 0), theirs


def _filled(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    return (batch for batch in batches if batch.num_rows)

"""Single replies of a published run, by their numbers: only the row groups that hold them are read."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.files.published import open_table
from pipeline.outcomes import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pyarrow.parquet as pq

_BATCH_ROWS = 2_000
_COLUMNS = [name if name != "answered_at_ms" else "answered_at" for name in Reply._fields]


@dataclass(frozen=True, slots=True)
class PublishedReplies:
    """The rows of `replies.parquet` of a run; picklable, so that any process can read them.

    Attributes:
        path: the file.
    """

    path: Path

    def take(self, numbers: Sequence[int]) -> dict[int, Reply]:
        """The replies with these numbers, from 0, by number.

        Raises:
            StorageError: the file cannot be read.
        """
        wanted = np.unique(np.array(numbers, np.int64))
        if not len(wanted):
            return {}
        found: dict[int, Reply] = {}
        with open_table(self.path) as file:
            for first, batch in _batches(file, wanted):
                last = first + batch.num_rows
                here = wanted[np.searchsorted(wanted, first) : np.searchsorted(wanted, last)]
                if len(here):
                    found.update(zip(here.tolist(), _replies(batch.take((here - first).astype(np.int64))), strict=True))
        return found


def _batches(file: pq.ParquetFile, wanted: np.ndarray[Any, Any]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batches that may hold the wanted rows, with the number of the first row of each."""
    ends = list(itertools.accumulate(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)))
    for group, end in enumerate(ends):
        first = ends[group - 1] if group else 0
        mine = wanted[bisect_left(wanted, first) : bisect_left(wanted, end)]
        if not len(mine):
            continue
        for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=_COLUMNS):
            yield first, batch.select(_COLUMNS)
            first += batch.num_rows
            if first > mine[-1]:
                break


def _replies(batch: pa.RecordBatch) -> Iterator[Reply]:
    columns = [
        (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()
        for column in batch.columns
    ]
    return itertools.starmap(Reply, zip(*columns, strict=True))

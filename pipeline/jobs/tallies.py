"""Whether what a published run says about itself adds up: its manifest, the rows of `outcomes`, and its replies."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.files import durable
from pipeline.files.batches import first_difference
from pipeline.files.latest import RUN_PREFIX
from pipeline.jobs.manifest import status_of
from pipeline.outcomes import FORGOTTEN, Answer, Outcome, column_names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest

_BATCH_ROWS = 10_000
_WITHOUT_REPLY = tuple(one.value for one in (*FORGOTTEN, Outcome.PENDING, Outcome.INVALID, Outcome.DUPLICATE))
_SHARED = tuple(name for name in column_names(Answer) if name != "body")
"""Columns that an address has in `replies` and its first row has in `outcomes`."""


def contradictions(manifest: Manifest, folder: Path) -> Iterator[str]:
    """What in a manifest contradicts itself, or the name of the run's folder; each the end of a sentence."""
    rows = manifest.rows
    if sum(rows.by_outcome().values()) != rows.read:
        yield "its rows by outcome do not add up to the rows read."
    if sum(one.rows for one in manifest.input) != rows.read:
        yield "the rows of its lists do not add up to the rows read."
    if manifest.status != status_of(rows.by_outcome(), manifest.codes, manifest.freshness):
        yield f"its status is {manifest.status}, with {rows.failed:,} rows failed and {rows.pending or 0:,} pending."
    if manifest.finished_at < manifest.started_at:
        yield "it says that the run finished before it started."
    name = folder.resolve().name
    if name.startswith(RUN_PREFIX) and name != f"{RUN_PREFIX}{manifest.run_id}":
        yield f"it names another run ({manifest.run_id}) than its folder."


def row_contradictions(manifest: Manifest, outcomes: Path) -> Iterator[str]:
    """What in a manifest contradicts the rows of the table `outcomes` (Parquet); each the end of a sentence.

    Raises:
        StorageError: the table cannot be read.
    """
    counted: Counter[tuple[str, str, str | None]] = Counter()
    keys = ["input", "outcome", "code"]
    for batch in _batches(outcomes, keys):
        groups = pa.Table.from_batches([batch]).group_by(keys).aggregate([([], "count_all")])
        for row in groups.to_pylist():
            counted[row["input"], row["outcome"], row["code"]] += row["count_all"]
    if _sums(counted, 1) != {name: count for name, count in manifest.rows.by_outcome().items() if count}:
        yield "its rows by outcome are not those of outcomes.parquet."
    lists: Counter[str] = Counter()
    for one in manifest.input:
        lists[one.name] += one.rows
    if _sums(counted, 0) != +lists:
        yield "its lists are not those of outcomes.parquet."
    codes = {(name, code): count for name, found in manifest.codes.items() for code, count in found.items()}
    seen: Counter[tuple[str, str]] = Counter()
    for (_, outcome, code), count in counted.items():
        if code is not None:
            seen[outcome, code] += count
    if seen != codes:
        yield "its codes are not those of outcomes.parquet."


def _sums(counted: Counter[tuple[str, str, str | None]], position: int) -> Counter[str]:
    sums: Counter[str] = Counter()
    for key, count in counted.items():
        sums[str(key[position])] += count
    return sums


def first_stray_reply(replies: Path, outcomes: Path) -> int | None:
    """The number, from 1, of the first reply that is not that of the next row which was asked for; None if all are.

    Both tables are in the order in which the addresses first appear in the lists.

    Raises:
        StorageError: a table cannot be read.
    """
    asked = (
        batch.filter(pc.invert(pc.is_in(batch.column("outcome"), pa.array(_WITHOUT_REPLY))))
        for batch in _batches(outcomes, _SHARED)
    )
    found = first_difference(_batches(replies, _SHARED), asked)
    return None if found is None else found[0] + 1


def _batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """These columns of a Parquet file, in this order, a batch at a time."""
    try:
        with durable.storage_errors(path), pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(columns)):
                yield batch.select(list(columns))
    except (pa.ArrowException, KeyError) as error:
        raise StorageError(f"{path}: not a table that lead-export wrote ({type(error).__name__}).") from error

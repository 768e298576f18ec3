"""What a report needs beside the manifest: when answers came, how filled the columns are, how earlier attempts ended.

Files are read as streams, a million rows in as little memory as a thousand.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.emails.lists import EmailList, ReadOptions
from pipeline.errors import LeadExportError
from pipeline.outcomes import ANSWERED
from pipeline.reporters.history import read_history
from pipeline.schema import LEAD_TABLES, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest
    from pipeline.reporters.history import Attempt

logger = logging.getLogger(__name__)

ATTEMPTS = 30
"""The attempts that a report shows, that of the run itself among them."""
MAX_BUCKETS = 60
_BATCH_ROWS = 20_000
_ANSWERED = pa.array(ANSWERED, pa.string())
_UNREADABLE = (LeadExportError, OSError, pa.ArrowException, ValueError, KeyError)
"""What reading a file raises that somebody has removed, changed or damaged since it was published."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Answers over time, in equal buckets from the first answer of an attempt to its last.

    Attributes:
        start_ms: the first answer, milliseconds since 1970 UTC.
        end_ms: the last answer.
        counts: answers in each bucket.
    """

    start_ms: int
    end_ms: int
    counts: tuple[int, ...]

    @property
    def bucket_s(self) -> float:
        """Seconds in a bucket."""
        return (self.end_ms - self.start_ms) / 1000 / len(self.counts)


@dataclass(frozen=True, slots=True)
class Fill:
    """How many rows of a table have a value, by column in the order of the schema; None if it cannot be read."""

    table: str
    rows: int
    columns: dict[str, int] | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report says, beside the manifest.

    Attributes:
        pace: None if there were too few answers for a picture, or their times cannot be read.
        fills: every table of the leads.
        attempts: those that ended before the run was published, oldest first.
    """

    pace: Pace | None
    fills: list[Fill]
    attempts: list[Attempt]

    @classmethod
    def of(cls, manifest: Manifest, folder: Path, state: Path) -> Facts:
        """Read the files in the `folder` of a run, and the history in the hidden folder `state`."""
        before = [each for each in read_history(state) if (each.ended_at or each.started_at) < manifest.finished_at]
        published = [one for one in LEAD_TABLES if manifest.tables is None or one.name in manifest.tables]
        fills = [_fill(folder, manifest, table.name) for table in published]
        return cls(_pace(folder, manifest), fills, before[-(ATTEMPTS - 1) :])


def milliseconds(moment: str) -> int:
    """A time of a manifest as milliseconds since 1970 UTC."""
    return round(datetime.fromisoformat(moment).astimezone(UTC).timestamp() * 1000)


def _pace(folder: Path, manifest: Manifest) -> Pace | None:
    """The pace of the attempt that published the run; answers of earlier attempts are left out."""
    attempt_ms = milliseconds(manifest.finished_at) - round(manifest.duration_s * 1000)
    try:
        first, last = float("inf"), float("-inf")
        for moments in _moments(folder, manifest, attempt_ms):
            first, last = min(first, moments.min()), max(last, moments.max())
        buckets = min(MAX_BUCKETS, int((last - first) / 1000)) if first < last else 0
        if not buckets:
            return None
        counts = np.zeros(buckets, np.int64)
        for moments in _moments(folder, manifest, attempt_ms):
            counts += np.histogram(moments, buckets, (first, last))[0]
    except _UNREADABLE as error:
        logger.info("the report has no picture of the pace (%s)", type(error).__name__)
        return None
    return Pace(int(first), int(last), tuple(map(int, counts)))


def _moments(folder: Path, manifest: Manifest, since_ms: int) -> Iterator[np.ndarray[Any, Any]]:
    """When addresses were answered, in milliseconds since 1970 UTC, some thousand at a time."""
    wanted = ["outcome", "answered_at"]
    for batch in _batches(_file(folder, manifest, OUTCOMES.name), len(OUTCOMES.names), wanted):
        asked = pc.is_in(batch.column("outcome"), value_set=_ANSWERED)
        moments = batch.column("answered_at").filter(asked).drop_null()
        if pa.types.is_string(moments.type):
            # UTC with a Z in CSV, without in a workbook, which may also have more digits than milliseconds.
            moments = pc.utf8_slice_codeunits(moments, 0, len("2026-11-23T02:00:00.123")).cast(pa.timestamp("ms"))
        numbers = moments.cast(pa.int64()).to_numpy(zero_copy_only=False)
        numbers = numbers[numbers >= since_ms]
        if len(numbers):
            yield numbers


def _fill(folder: Path, manifest: Manifest, table: str) -> Fill:
    rows = manifest.tables[table].files[0].rows if manifest.tables and table in manifest.tables else 0
    try:
        return Fill(table, rows, _filled(_file(folder, manifest, table), rows) if rows else {})
    except _UNREADABLE as error:
        logger.info("the report does not say how filled %s is (%s)", table, type(error).__name__)
        return Fill(table, rows, None)


def _filled(path: Path, rows: int) -> dict[str, int]:
    """How many rows have a value in each column of a file."""
    if path.suffix == ".parquet" and (filled := _filled_by_statistics(path)) is not None:
        return filled
    width = next(len(table.names) for table in LEAD_TABLES if table.name == path.stem)
    empty: dict[str, int] = {}
    for batch in _batches(path, width):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if not name:  # beyond the header: the table has fewer columns
                continue
            empty.setdefault(name, 0)
            blank = sum(cell == "" for cell in column.to_pylist()) if pa.types.is_string(column.type) else 0
            empty[name] += column.null_count + blank
    return {name: rows - count for name, count in empty.items()}


def _filled_by_statistics(path: Path) -> dict[str, int] | None:
    """The same from a Parquet file's metadata, without reading a value; None if it has no such statistics."""
    metadata = pq.read_metadata(path)
    filled = dict.fromkeys(metadata.schema.names, 0)
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for column in map(group.column, range(group.num_columns)):
            nulls = column.statistics.null_count if column.statistics else None
            if nulls is None:
                return None
            filled[column.path_in_schema] += group.num_rows - nulls
    return filled


def _file(folder: Path, manifest: Manifest, table: str) -> Path:
    """The file of a table that is cheapest to read."""
    names = [file.name for file in manifest.tables[table].files] if manifest.tables else []
    return folder / min(names, key=lambda name: not name.endswith(".parquet"))


def _batches(path: Path, width: int, wanted: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Columns of a published file, in batches: with their types from Parquet, as strings from anything else.

    `width` is the most columns that it has; from anything but Parquet all of them are read.
    """
    if path.suffix == ".parquet":
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield from file.iter_batches(_BATCH_ROWS, columns=None if wanted is None else list(wanted))
        return
    delimiter = {".csv": ",", ".tsv": "tab"}.get(path.suffix)
    options = ReadOptions(email_column="1", encoding="utf-8" if delimiter else None, delimiter=delimiter)
    yield from EmailList(path, options).batches(width)

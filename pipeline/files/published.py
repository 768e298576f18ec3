"""A published run read back: its answers from `replies.parquet` and its input rows from `outcomes.parquet`."""

from __future__ import annotations

import itertools
import shutil
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError, UsageError
from pipeline.files import private
from pipeline.files.folder import read_manifest
from pipeline.files.table_writer import FileInfo
from pipeline.outcomes import Answer, Outcome, RowOutcome
from pipeline.schema import OUTCOMES, REPLIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_BATCH_ROWS = 2_000


class PublishedRun:
    """The answers and input rows of the run in the folder `path`, as a journal would give them.

    Raises:
        UsageError: there is no published run, or it was published without its replies.
        StorageError: a file cannot be read, or is not the one that the manifest describes.
    """

    def __init__(self, path: Path) -> None:
        manifest = read_manifest(path)
        if manifest is None or not isinstance(manifest.get("settings"), dict):
            raise UsageError(
                f"{path}: not a published run, or its manifest is damaged; name a folder such as DIR/latest."
            )
        self.manifest: dict[str, Any] = manifest
        self._replies = self._file(path, REPLIES.name)
        self._outcomes = self._file(path, OUTCOMES.name)

    def _file(self, run: Path, table: str) -> Path:
        files = self.manifest["tables"].get(table, {}).get("files", ())
        described = next((file for file in files if file["name"].endswith(".parquet")), None)
        if described is None:
            raise UsageError(f"{run}: this run was published without its replies (--no-keep-replies).")
        path: Path = run / described["name"]
        with private.storage(path):
            intact = private.sha256(path) == described["sha256"]
        if not intact:
            raise StorageError(
                f"{path}: differs from what the manifest describes (changed or damaged); use another run."
            )
        return path

    def rows_read(self) -> int:
        """The number of input rows of all lists together."""
        return int(self.manifest["rows"]["read"])

    def numbered_answers(self) -> PublishedAnswers:
        """Every answer in the order of the addresses' first appearance."""
        return PublishedAnswers(self._replies, _row_count(self._replies))

    def numbered_rows(self) -> PublishedRows:
        """Every input row, in order, with its outcome."""
        return PublishedRows(self._outcomes, _row_count(self._outcomes))

    def copy_replies(self, folder: Path, schema: pa.Schema) -> FileInfo | None:
        """Copy `replies.parquet` into `folder` if it has this schema; None if the table must be written again."""
        path = folder / self._replies.name
        with _open(self._replies) as file:
            if not file.schema_arrow.equals(schema):
                return None
            rows = int(file.metadata.num_rows)
        with private.storage(path), self._replies.open("rb") as source, private.create(path) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        return FileInfo.of(path, rows)


@dataclass(frozen=True, slots=True)
class PublishedAnswers:
    """The answers in a `replies.parquet`, numbered from 0 to `count` - 1; any process can read them."""

    path: Path
    count: int

    def slice(self, first: int, last: int) -> Iterator[Answer]:
        """Those from number `first` up to, but not including, `last`.

        Raises:
            StorageError: the file cannot be read.
        """
        for email, outcome, *others in _rows(self.path, REPLIES.names, first, last):
            try:
                known = Outcome(outcome)
            except ValueError as error:
                raise StorageError(f"{self.path}: not a table that lead-export wrote ({error}).") from error
            yield Answer(email, known, *others)


@dataclass(frozen=True, slots=True)
class PublishedRows:
    """The rows in an `outcomes.parquet`, numbered from 0 to `count` - 1; any process can read them."""

    path: Path
    count: int

    def slice(self, first: int, last: int) -> Iterator[RowOutcome]:
        """Those from number `first` up to, but not including, `last`.

        Raises:
            StorageError: the file cannot be read.
        """
        return map(RowOutcome._make, _rows(self.path, OUTCOMES.names, first, last))


def _row_count(path: Path) -> int:
    with _open(path) as file:
        return int(file.metadata.num_rows)


def _rows(path: Path, names: tuple[str, ...], first: int, last: int) -> Iterator[tuple[Any, ...]]:
    """Rows `first` to `last` - 1 of a file, with these columns; only the row groups that hold them are read."""
    if first >= last:
        return
    with _open(path) as file:
        ends = list(itertools.accumulate(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)))
        groups = range(bisect_right(ends, first), min(bisect_left(ends, last) + 1, len(ends)))
        if not groups:
            return
        before = ends[groups.start - 1] if groups.start else 0
        batches = file.iter_batches(_BATCH_ROWS, columns=list(names), row_groups=[*groups])
        rows = itertools.chain.from_iterable(_row_tuples(batch, names) for batch in batches)
        yield from itertools.islice(rows, first - before, last - before)


@contextmanager
def _open(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # Buffering ahead would keep everything that was read until the end.
        with private.storage(path), pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, KeyError) as error:
        raise StorageError(f"{path}: not a table that lead-export wrote ({error}).") from error


def _row_tuples(batch: pa.RecordBatch, names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch; times as milliseconds since 1970 UTC."""
    return zip(*(_values(batch.column(name)) for name in names), strict=True)


def _values(column: pa.Array[Any]) -> list[Any]:
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()

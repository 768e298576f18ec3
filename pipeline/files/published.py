"""A published run read back: answers from `replies.parquet`, rows from `outcomes.parquet`, nothing else."""

from __future__ import annotations

import itertools
import shutil
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.folder import read_manifest
from pipeline.files.output_format import FileInfo
from pipeline.files.private import private_folder
from pipeline.outcomes import Answer, Outcome, Record, RowOutcome, column_names, from_row
from pipeline.schema import OUTCOMES, REPLIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_BATCH_ROWS = 1_000


class PublishedRun:
    """The answers and rows of the run in the folder `path`, as a journal gives them.

    Attributes:
        manifest: plain values.
        replies_path: the table of the raw replies.
        outcomes_path: the table of the rows.

    Raises:
        UsageError: there is no published run, or it has no replies.
        StorageError: a file cannot be read, or is not the one that the manifest describes.
    """

    def __init__(self, path: Path) -> None:
        self.manifest = published_manifest(path)
        self.replies_path = self._file(path, REPLIES.name)
        self.outcomes_path = self._file(path, OUTCOMES.name)

    def _file(self, folder: Path, table: str) -> Path:
        path, described = source_file(folder, self.manifest, table)
        if described is None:
            raise UsageError(f"{folder}: this run has no replies (--no-keep-replies, or older than keep_replies_days).")
        if not path.parent.is_dir():
            raise UsageError(
                f"{folder}: the replies of this run are not published but kept in {path.parent}, and that folder is not"
                " there; restore it."
            )
        with durable.storage_errors(path):
            intact = durable.sha256(path) == described.sha256
        if not intact:
            raise StorageError(
                f"{path}: differs from what the manifest describes (changed or damaged); use another run."
            )
        return path

    def rows_read(self) -> int:
        """Rows of all lists together."""
        return int(self.manifest["rows"]["read"])

    def answers(self) -> PublishedRecords[Answer]:
        """Every answer, in the order in which the addresses first appear."""
        return PublishedRecords(self.replies_path, _row_count(self.replies_path), Answer)

    def rows(self) -> PublishedRecords[RowOutcome]:
        """Every row of the lists, in order, with its outcome."""
        return PublishedRecords(self.outcomes_path, _row_count(self.outcomes_path), RowOutcome)

    def answer_dates(self) -> Iterator[tuple[str, int]]:
        """Each address that has an answer, which a failure is not, and when it was given, milliseconds since 1970 UTC.

        Raises:
            StorageError: the file cannot be read.
        """
        names = ("email", "outcome", "answered_at")
        with open_table(self.replies_path) as file:
            for batch in file.iter_batches(_BATCH_ROWS, columns=list(names), use_threads=False):
                for row in _rows(batch, names):
                    if row["outcome"] != Outcome.FAILED:
                        yield row["email"], row["answered_at"]

    def copy_replies(self, folder: Path, schema: pa.Schema) -> FileInfo | None:
        """Copy the table of the replies into `folder` if it has this schema; None if it has to be rebuilt."""
        folder.mkdir(mode=0o700, exist_ok=True)
        copy = folder / self.replies_path.name
        with open_table(self.replies_path) as file:
            if not file.schema_arrow.equals(schema):
                return None
            rows = int(file.metadata.num_rows)
        with durable.storage_errors(copy), self.replies_path.open("rb") as source, durable.create(copy) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        return FileInfo.of(copy, rows)


def has_replies(manifest: Mapping[str, Any]) -> bool:
    """Whether a run was published with what its answers can be read from, by its manifest."""
    return all(
        _described(manifest, "private", table.name) or _described(manifest, "tables", table.name)
        for table in (REPLIES, OUTCOMES)
    )


def source_file(run: Path, manifest: Mapping[str, Any], table: str) -> tuple[Path, SourceFile | None]:
    """Where the answers, or the rows, of a published run are as they are, and what its manifest says about that file.

    A file that the run does not publish goes before the published one, in which columns may be hashed.
    """
    if hidden := _described(manifest, "private", table):
        return private_folder(run, str(manifest["run_id"])) / hidden.name, hidden
    described = _described(manifest, "tables", table)
    return run / (described.name if described else f"{table}.parquet"), described


def _described(manifest: Mapping[str, Any], place: str, table: str) -> SourceFile | None:
    """What a manifest says about the Parquet file of a table; None if there is none."""
    try:
        tables = msgspec.convert(manifest.get(place) or {}, dict[str, _Table])
    except msgspec.ValidationError:
        return None
    files = tables[table].files if table in tables else []
    return next((file for file in files if file.name.endswith(".parquet")), None)


class SourceFile(msgspec.Struct, frozen=True):
    """A file that tables are made of; `sha256` (hex) is that of its bytes."""

    name: str
    sha256: str
    rows: int = 0
    bytes: int = 0


class _Table(msgspec.Struct, frozen=True):
    files: list[SourceFile]


def published_manifest(path: Path) -> dict[str, Any]:
    """The plain values of the manifest of the run in the folder `path`.

    Raises:
        UsageError: there is no published run, or its manifest cannot be read.
    """
    manifest = read_manifest(path)
    if manifest is None or not isinstance(manifest.get("settings"), dict):
        raise UsageError(f"{path}: not a published run, or its manifest is damaged; name a folder such as DIR/latest.")
    return manifest


@dataclass(frozen=True, slots=True)
class PublishedRecords(Generic[Record]):
    """The records in a published file, numbered from 0; picklable, so that any process can read them.

    Attributes:
        path: the file.
        count: how many there are.
        kind: what they are: an answer or a row with its outcome.
    """

    path: Path
    count: int
    kind: type[Record]

    def slice(self, first: int, last: int) -> Iterator[Record]:
        """The records with numbers from `first` up to, but not including, `last`.

        Raises:
            StorageError: the file cannot be read.
        """
        return _records(self.path, self.kind, first, last)


def _row_count(path: Path) -> int:
    with open_table(path) as file:
        return int(file.metadata.num_rows)


def _records(path: Path, record: type[Record], first: int, last: int) -> Iterator[Record]:
    """Rows `first` to `last` - 1 of a file; only the row groups that hold them are read."""
    if first >= last:
        return
    with open_table(path) as file:
        ends = list(itertools.accumulate(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)))
        groups = range(bisect_right(ends, first), min(bisect_left(ends, last) + 1, len(ends)))
        if not groups:
            return
        before = ends[groups.start - 1] if groups.start else 0
        names = column_names(record)
        # Group by group, and without threads: pyarrow would keep a hundred megabytes more.
        batches = itertools.chain.from_iterable(
            file.iter_batches(_BATCH_ROWS, columns=list(names), row_groups=[group], use_threads=False)
            for group in groups
        )
        rows = itertools.chain.from_iterable(_rows(batch, names) for batch in batches)
        for row in itertools.islice(rows, first - before, last - before):
            yield from_row(row, record)


@contextmanager
def open_table(path: Path) -> Iterator[pq.ParquetFile]:
    """Open a published Parquet file.

    Raises:
        StorageError: it cannot be read, or turns out in the block not to be such a file.
    """
    try:
        # Buffering ahead would keep everything that was read until the end.
        with durable.storage_errors(path), pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise StorageError(f"{path}: not a table that lead-export wrote ({error}).") from error


def _rows(batch: pa.RecordBatch, names: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The rows of a batch; times as milliseconds since 1970 UTC."""
    columns = [_values(batch.column(name)) for name in names]
    return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))


def _values(column: pa.Array[Any]) -> list[Any]:
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()

"""A published run read back: its answers from `replies.parquet`, its rows from `outcomes.parquet`, nothing else."""

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
from pipeline.files.table import FileInfo
from pipeline.outcomes import Answer, RowOutcome, outcome_called
from pipeline.schema import OUTCOMES, REPLIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROWS = 2_000


class KeptRun:
    """The answers and rows of the run in the folder `place`, as a journal would give them.

    Raises:
        UsageError: there is no published run, or it was published without its replies.
        StorageError: a file cannot be read, or is not the one that the manifest describes.
    """

    def __init__(self, place: Path) -> None:
        manifest = read_manifest(place)
        if manifest is None or not isinstance(manifest.get("settings"), dict):
            raise UsageError(
                f"{place}: there is no published run, or its manifest is damaged; name a folder such as DIR/latest."
            )
        self.manifest: dict[str, Any] = manifest
        self._replies = self._file(place, REPLIES.name)
        self._outcomes = self._file(place, OUTCOMES.name)

    def _file(self, place: Path, table: str) -> Path:
        files = self.manifest["tables"].get(table, {}).get("files", ())
        described = next((file for file in files if file["name"].endswith(".parquet")), None)
        if described is None:
            raise UsageError(f"{place}: this run was published without its replies (--no-keep-replies).")
        path: Path = place / described["name"]
        with private.storage(path):
            whole = private.sha256(path) == described["sha256"]
        if not whole:
            raise StorageError(
                f"{path}: is not the file that the manifest describes; it was changed or is damaged. Name another run."
            )
        return path

    def rows_read(self) -> int:
        """Rows of all lists together."""
        return int(self.manifest["rows"]["read"])

    def numbered_answers(self) -> KeptAnswers:
        """Every answer in the order of the addresses' first appearance; any process can read them."""
        return KeptAnswers(self._replies, _count(self._replies))

    def copy_replies(self, folder: Path, schema: pa.Schema) -> FileInfo | None:
        """Put the table of the replies into `folder` as it is, if it has this schema; None if it is to be made anew."""
        place = folder / self._replies.name
        with _table(self._replies) as file:
            if not file.schema_arrow.equals(schema, check_metadata=True):
                return None
            rows = int(file.metadata.num_rows)
        with private.storage(place), self._replies.open("rb") as source, private.create(place) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        return FileInfo.of(place, rows)

    def numbered_rows(self) -> KeptRows:
        """Every row of the lists, in order, with what it ended as; any process can read them."""
        return KeptRows(self._outcomes, _count(self._outcomes))


@dataclass(frozen=True, slots=True)
class KeptAnswers:
    """The answers in a `replies.parquet`, numbered from 0 to `count`."""

    path: Path
    count: int

    def between(self, first: int, last: int) -> Iterator[Answer]:
        """Those from number `first` to the one before `last`.

        Raises:
            StorageError: the file cannot be read.
        """
        for email, outcome, *rest in _between(self.path, REPLIES.names, first, last):
            try:
                known = outcome_called(outcome)
            except ValueError as error:
                raise StorageError(f"{self.path}: cannot be read as a table of ours ({error}).") from error
            yield Answer(email, known, *rest)


@dataclass(frozen=True, slots=True)
class KeptRows:
    """The rows in an `outcomes.parquet`, numbered from 0 to `count`."""

    path: Path
    count: int

    def between(self, first: int, last: int) -> Iterator[RowOutcome]:
        """Those from number `first` to the one before `last`.

        Raises:
            StorageError: the file cannot be read.
        """
        return map(RowOutcome._make, _between(self.path, OUTCOMES.names, first, last))


def _count(path: Path) -> int:
    with _table(path) as file:
        return int(file.metadata.num_rows)


def _between(path: Path, names: tuple[str, ...], first: int, last: int) -> Iterator[tuple[Any, ...]]:
    """Rows `first` to `last` - 1 of a file, with these columns; only the row groups that they lie in are read."""
    if first >= last:
        return
    with _table(path) as file:
        ends = list(itertools.accumulate(file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)))
        groups = range(bisect_right(ends, first), min(bisect_left(ends, last) + 1, len(ends)))
        if not groups:
            return
        before = ends[groups.start - 1] if groups.start else 0
        batches = file.iter_batches(_ROWS, columns=list(names), row_groups=[*groups])
        rows = itertools.chain.from_iterable(_rows(batch, names) for batch in batches)
        yield from itertools.islice(rows, first - before, last - before)


@contextmanager
def _table(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        # Without buffering ahead, which keeps all that was read until the end.
        with private.storage(path), pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, KeyError) as error:
        raise StorageError(f"{path}: cannot be read as a table of ours ({error}).") from error


def _rows(batch: pa.RecordBatch, names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """The rows of a batch; times as milliseconds since 1970 UTC."""
    return zip(*(_values(batch.column(name)) for name in names), strict=True)


def _values(column: pa.Array[Any]) -> list[Any]:
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()

"""A published run read back: its answers from `replies.parquet`, its rows from `outcomes.parquet`, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError, UsageError
from pipeline.files import private
from pipeline.files.folder import read_manifest
from pipeline.outcomes import Answer, Outcome, RowOutcome
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

    def count_answered(self) -> int:
        """Distinct addresses with an answer other than `failed`."""
        rows = self.manifest["rows"]
        return int(rows["found"] + rows["not_found"] + rows["deleted"])

    def answers(self) -> Iterator[Answer]:
        """Every answer in the order of the addresses' first appearance."""
        for email, outcome, *rest in _rows(self._replies, REPLIES.names):
            yield Answer(email, Outcome(outcome), *rest)

    def row_outcomes(self) -> Iterator[RowOutcome]:
        """Every row of the lists, in order, with what it ended as."""
        return map(RowOutcome._make, _rows(self._outcomes, OUTCOMES.names))


def _rows(path: Path, names: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    """The rows of a file, batch by batch, with these columns; times as milliseconds since 1970 UTC."""
    try:
        # Without buffering ahead, which keeps all that was read until the end.
        with private.storage(path), pq.ParquetFile(path, pre_buffer=False) as file:
            for batch in file.iter_batches(_ROWS, columns=list(names)):
                yield from zip(*(_values(batch.column(name)) for name in names), strict=True)
    except (pa.ArrowException, KeyError) as error:
        raise StorageError(f"{path}: cannot be read as a table of ours ({error}).") from error


def _values(column: pa.Array[Any]) -> list[Any]:
    return (column.cast(pa.int64()) if pa.types.is_timestamp(column.type) else column).to_pylist()

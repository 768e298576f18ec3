"""The second pass of a purge: every file is decoded again, and whatever is still there of these people is named.

Tables are read value by value, with what the footers of Parquet files say about them; workbooks, journals and the
replies packed in them are unpacked; and the bytes of every file are looked at as they are. No value is ever named, only
where it is.
"""

from __future__ import annotations

import zipfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.journal.database import connect_read_only, has_tables, reading
from pipeline.journal.records import unpacked
from pipeline.privacy.mentions import in_file, in_table
from pipeline.privacy.places import FOREIGN, files_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.privacy.needles import Needles

BYTES = "bytes of the file"
UNREADABLE = "cannot be read"
_TABLES = ("csv", "tsv")
_STATISTICS = "statistics"
_ZIPPED = b"PK\x03\x04"
_SQLITE = b"SQLite format 3\0"
_PARQUET = b"PAR1"


class Remain(msgspec.Struct, frozen=True):
    """Where something is left.

    Attributes:
        path: of the file, relative to the output folder.
        where: the column, the table of a journal, the part of a workbook, or the bytes of the file.
        values: how many values there mention somebody; 0 if it cannot be read or does not say whose rows it has.
        is_ours: whether lead-export wrote the file.
    """

    path: str
    where: str
    values: int
    is_ours: bool


@dataclass(slots=True)
class Proof:
    """What the second pass has looked at, and what it has found.

    Attributes:
        files: how many files.
        bytes: their size.
        remains: what is left.
    """

    files: int = 0
    bytes: int = 0
    remains: list[Remain] = field(default_factory=list)


def prove(root: Path, needles: Needles) -> Proof:
    """Look for the addresses in every file below a folder."""
    proof = Proof()
    for path, kind in files_in(root):
        name = path.relative_to(root).as_posix()
        is_ours = kind is not FOREIGN
        proof.files += 1
        try:
            proof.bytes += path.stat().st_size
            found = Counter(_places(path, needles, is_ours=is_ours))
        except (OSError, StorageError, ValueError, pa.ArrowException, zipfile.BadZipFile):
            proof.remains.append(Remain(name, UNREADABLE, 0, is_ours))
            continue
        proof.remains += [Remain(name, where, count, is_ours) for where, count in sorted(found.items())]
    return proof


def _places(path: Path, needles: Needles, *, is_ours: bool) -> Iterator[str]:
    """Where in a file an address is, once for each value."""
    with path.open("rb") as file:
        head = file.read(len(_SQLITE))
    decoded = []
    if head.startswith(_PARQUET):
        decoded = [*_in_parquet(path, needles)]
    elif head.startswith(_ZIPPED):
        decoded = [*_in_archive(path, needles)]
    elif head == _SQLITE and is_ours:
        decoded = [*_in_journal(path, needles)]
    elif path.suffix.removeprefix(".") in _TABLES and path.stat().st_size:
        decoded = [column for column, _ in in_table(path, needles)]
    yield from decoded
    if not decoded and in_file(path, needles):
        yield BYTES


def _in_parquet(path: Path, needles: Needles) -> Iterator[str]:
    yield from (column for column, _ in in_table(path, needles))
    with pq.ParquetFile(path) as file:
        metadata: Any = file.metadata
        for group in range(metadata.num_row_groups):
            for number in range(metadata.num_columns):
                column = metadata.row_group(group).column(number)
                values = _least_and_greatest(column.statistics)
                if any(needles.in_bytes(value) for value in values):
                    yield f"{column.path_in_schema}, {_STATISTICS}"
        for key, value in (file.schema_arrow.metadata or {}).items():
            if needles.in_bytes(key) or needles.in_bytes(value):
                yield "description of the columns"


def _least_and_greatest(statistics: Any) -> list[bytes]:  # noqa: ANN401 - pyarrow's stubs have no type for it
    if statistics is None or not statistics.has_min_max:
        return []
    values = (statistics.min, statistics.max)
    return [value.encode() if isinstance(value, str) else value for value in values if isinstance(value, (str, bytes))]


def _in_archive(path: Path, needles: Needles) -> Iterator[str]:
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if needles.in_bytes(archive.read(part)):
                yield part.filename


def _in_journal(path: Path, needles: Needles) -> Iterator[str]:
    with reading(path), closing(connect_read_only(path)) as db:
        if not has_tables(db, path):
            return
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
        for (table,) in db.execute(tables).fetchall():
            for row in db.execute(f"SELECT * FROM {table}"):  # noqa: S608 - a name in the file, not a value
                for value in row:
                    if table == "packs" and isinstance(value, bytes):
                        found = sum(1 for body in unpacked(value).values() if needles.in_bytes(body))
                        yield from [f"table {table}"] * found
                    elif isinstance(value, str | bytes) and needles.in_bytes(
                        value.encode(errors="surrogatepass") if isinstance(value, str) else value
                    ):
                        yield f"table {table}"

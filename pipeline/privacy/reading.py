"""The tables of a published run read back for a search, whatever their format and their version."""

from __future__ import annotations

import csv
import itertools
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import StorageError
from pipeline.files import durable
from pipeline.files.private import private_folder

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

_BATCH_ROWS = 20_000
_DELIMITERS = {"csv": ",", "tsv": "\t"}
_MAX_FIELD = 1 << 30
FORMATS = ("parquet", "csv", "tsv", "xlsx")
"""The formats that can be read back, the fastest first."""


class _File(msgspec.Struct, frozen=True):
    name: str
    sha256: str
    rows: int


class _Table(msgspec.Struct, frozen=True):
    files: list[_File]


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of a published run, as its manifest describes them.

    Attributes:
        folder: where they are.
        manifest: its plain values.
        tables: the names of the files of each table.
        hidden: the files of the tables that it does not publish, and that the others are made of.
        hashes: the SHA-256, in hex, of each file, by its path.
        account: a word for the account whose leads the run holds.
    """

    folder: Path
    manifest: Mapping[str, Any]
    tables: Mapping[str, list[str]]
    hidden: Mapping[str, Path]
    hashes: Mapping[Path, str]
    account: str

    @classmethod
    def of(cls, folder: Path, manifest: Mapping[str, Any]) -> RunFiles:
        """Read the manifest's plain values.

        Raises:
            StorageError: they are not those of a manifest.
        """
        try:
            tables = msgspec.convert(manifest["tables"], dict[str, _Table])
            private = msgspec.convert(manifest.get("private") or {}, dict[str, _Table])
        except (KeyError, msgspec.ValidationError) as error:
            raise StorageError(f"{folder}: the manifest is damaged ({type(error).__name__}).") from error
        hashes = {folder / file.name: file.sha256 for table in tables.values() for file in table.files}
        place = private_folder(folder, str(manifest["run_id"]))
        hashes |= {place / file.name: file.sha256 for table in private.values() for file in table.files}
        report = manifest.get("report")
        if isinstance(report, dict):
            hashes[folder / str(report.get("name"))] = str(report.get("sha256"))
        return cls(
            folder,
            manifest,
            {name: [file.name for file in table.files] for name, table in tables.items()},
            {name: place / table.files[0].name for name, table in private.items()},
            hashes,
            account_word(manifest),
        )

    def path(self, table: str, *formats: str) -> Path | None:
        """The file of a table in the first of these formats in which there is one; None if there is none.

        A file that is not published goes before those that are, in which columns may be hashed or missing.
        """
        if table in self.hidden:
            return self.hidden[table]
        names = self.tables.get(table, ())
        wanted = formats or FORMATS
        return next((self.folder / f"{table}.{one}" for one in wanted if f"{table}.{one}" in names), None)

    @property
    def has_replies(self) -> bool:
        """Whether its tables can be made again from its answers."""
        return bool(self.path("replies", "parquet") and self.path("outcomes", "parquet"))

    @property
    def is_plain(self) -> bool:
        """Whether its tables have every column as it is, rather than hashed or left out."""
        settings = self.manifest.get("settings") or {}
        return not (settings.get("drop_columns") or settings.get("hash_columns"))

    @property
    def all_tables(self) -> list[str]:
        """The names of all tables, also of those that are not published."""
        return [*dict.fromkeys([*self.tables, *self.hidden])]


def account_word(manifest: Mapping[str, Any]) -> str:
    """A word for the account that a manifest names, or that it can be told from."""
    account = manifest.get("account")
    if isinstance(account, dict):
        return f"{account.get('api_url')} {account.get('app_hash')}"
    return ""


def first_changed(run: RunFiles) -> Path | None:
    """The first file that is not the one that the manifest describes; None if all are.

    Raises:
        StorageError: a file cannot be read.
    """
    for path, sha256 in run.hashes.items():
        if not path.is_file():
            return path
        with durable.storage_errors(path):
            if durable.sha256(path) != sha256:
                return path
    return None


def batches(path: Path, columns: Collection[str] | None = None, *, rows: int = _BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """A table in a file, that many rows at a time: all of its columns, or those of these that it has.

    Columns of other formats than Parquet are strings.

    Raises:
        StorageError: the file cannot be read.
    """
    kind = path.suffix.removeprefix(".")
    with _explained(path):
        if kind == "parquet":
            yield from _parquet(path, columns, rows)
            return
        records = _sheet(path) if kind == "xlsx" else _lines(path, _DELIMITERS[kind])
        names = next(records, [])
        wanted = [number for number, name in enumerate(names) if columns is None or name in columns]
        while part := list(itertools.islice(records, rows)):
            arrays = [pa.array([row[number] if number < len(row) else "" for row in part]) for number in wanted]
            yield pa.RecordBatch.from_arrays(arrays, [names[number] for number in wanted])


def read_schema(path: Path) -> pa.Schema:
    """The columns of a Parquet file.

    Raises:
        StorageError: it cannot be read.
    """
    with _explained(path):
        return pq.read_schema(path)


def _parquet(path: Path, columns: Collection[str] | None, rows: int) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(path, pre_buffer=False) as file:
        names = [name for name in file.schema_arrow.names if columns is None or name in columns]
        yield from file.iter_batches(rows, columns=names)


def _lines(path: Path, delimiter: str) -> Iterator[list[str]]:
    csv.field_size_limit(_MAX_FIELD)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        yield from csv.reader(file, delimiter=delimiter)


def _sheet(path: Path) -> Iterator[list[str]]:
    import openpyxl  # noqa: PLC0415 - an extra, for those who publish workbooks

    with path.open("rb") as file:
        book = openpyxl.load_workbook(file, read_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()
        for row in sheet.iter_rows(values_only=True):
            yield ["" if value is None else str(value) for value in row]
        book.close()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        with durable.storage_errors(path):
            yield
    except (pa.ArrowException, csv.Error, KeyError, ValueError) as error:
        raise StorageError(f"{path}: not a table that lead-export wrote ({type(error).__name__}).") from error

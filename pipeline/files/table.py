"""One table in every format that was asked for, and what the manifest says about its files."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from pipeline.files import private
from pipeline.files.csv import CsvFile
from pipeline.files.parquet import ParquetFile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pyarrow as pa

    from pipeline.settings import Settings


class FileInfo(NamedTuple):
    """One file as the manifest names it; `sha256` is of its bytes."""

    name: str
    rows: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, rows: int) -> Self:
        """A finished file with so many rows; it is on the disk when this returns."""
        private.sync(path)
        return cls(path.name, rows, path.stat().st_size, private.sha256(path))


class _Writer(Protocol):
    def write(self, table: pa.Table) -> None: ...


class TableFiles:
    """Writes one table, batch by batch, to a file for each format; a context manager."""

    def __init__(self, folder: Path, name: str, schema: pa.Schema, formats: dict[str, Opener]) -> None:
        self.rows = 0
        self._paths = [folder / f"{name}.{suffix}" for suffix in formats]
        self._stack = ExitStack()
        with ExitStack() as opened:
            self._writers: list[_Writer] = [
                opened.enter_context(opener(path, schema))
                for path, opener in zip(self._paths, formats.values(), strict=True)
            ]
            self._stack = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the table itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Finish every file."""
        self._stack.close()

    def write(self, table: pa.Table) -> None:
        """Append the rows of `table` to every file."""
        for writer in self._writers:
            writer.write(table)
        self.rows += len(table)

    def infos(self) -> list[FileInfo]:
        """What was written, once the table is finished; each file is on the disk when this returns."""
        return [FileInfo.of(path, self.rows) for path in self._paths]


if TYPE_CHECKING:
    Opener = Callable[[Path, pa.Schema], AbstractContextManager[_Writer]]


def openers(settings: Settings, distinct: Collection[str] = ()) -> dict[str, Opener]:
    """How to open a file of each format in the settings, by the ending of its name; `distinct` is for `ParquetFile`."""

    def csv(path: Path, schema: pa.Schema) -> CsvFile:
        return CsvFile(path, schema.names, bom=settings.csv_bom, formula_guard=settings.formula_guard)

    known: dict[str, Opener] = {"parquet": partial(ParquetFile, distinct=distinct), "csv": csv}
    return {name: known[name] for name in settings.formats}

"""One table in every format that was asked for, and what the manifest says about its files."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

from pipeline.files import private
from pipeline.files.csv import CsvFile
from pipeline.files.parquet import ParquetFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    import pandas as pd

    from pipeline.settings import Settings


class FileInfo(NamedTuple):
    """One file as the manifest names it; `sha256` is of its bytes."""

    name: str
    rows: int
    bytes: int
    sha256: str


class _Writer(Protocol):
    def write(self, frame: pd.DataFrame) -> None: ...


class TableFiles:
    """Writes the frames of one table to a file for each format; a context manager."""

    def __init__(self, folder: Path, name: str, empty: pd.DataFrame, formats: dict[str, Opener]) -> None:
        self.rows = 0
        self._paths = [folder / f"{name}.{suffix}" for suffix in formats]
        self._stack = ExitStack()
        with ExitStack() as opened:
            self._writers: list[_Writer] = [
                opened.enter_context(opener(path, empty))
                for path, opener in zip(self._paths, formats.values(), strict=True)
            ]
            self._stack = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the table itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Finish every file."""
        self._stack.close()

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame` to every file."""
        for writer in self._writers:
            writer.write(frame)
        self.rows += len(frame)

    def infos(self) -> list[FileInfo]:
        """What was written, once the table is finished; each file is on the disk when this returns."""
        for path in self._paths:
            private.sync(path)
        return [FileInfo(path.name, self.rows, path.stat().st_size, private.sha256(path)) for path in self._paths]


if TYPE_CHECKING:
    Opener = Callable[[Path, pd.DataFrame], AbstractContextManager[_Writer]]


def openers(settings: Settings) -> dict[str, Opener]:
    """How to open a file of each format in the settings, by the ending of its name."""
    known: dict[str, Opener] = {
        "parquet": ParquetFile,
        "csv": partial(CsvFile, bom=settings.csv_bom, formula_guard=settings.formula_guard),
    }
    return {name: known[name] for name in settings.formats}

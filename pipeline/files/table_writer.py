"""One table of a run in every format that was asked for, and what the manifest says about its files."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, NamedTuple, Self

from pipeline.files import durable
from pipeline.files.output_format import load_format

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from pipeline.files.output_format import WriteOptions


class FileInfo(NamedTuple):
    """One file as the manifest describes it; `sha256` is that of its bytes, in hex."""

    name: str
    rows: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, rows: int) -> Self:
        """A finished file with that many rows; it is synced to the disk when this returns."""
        durable.sync(path)
        return cls(path.name, rows, path.stat().st_size, durable.sha256(path))


class TableWriter:
    """Writes the frames of one table to a file in each format; a context manager.

    Args:
        folder: where the files go.
        name: of the table.
        header: the table's columns and their types, without rows.
        formats: by name.
        options: how the files are written.

    Raises:
        UsageError: there is no such format, or its library is not installed.
    """

    def __init__(
        self, folder: Path, name: str, header: pd.DataFrame, formats: Sequence[str], options: WriteOptions
    ) -> None:
        self.rows = 0
        self._paths = [folder / f"{name}.{suffix}" for suffix in formats]
        with ExitStack() as opened:
            self._writers = [
                opened.enter_context(load_format(suffix).open(path, header, options))
                for suffix, path in zip(formats, self._paths, strict=True)
            ]
            self._files = opened.pop_all()

    def __enter__(self) -> Self:
        """Return the writer itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Finish every file."""
        self._files.__exit__(*error)  # type: ignore[arg-type]  # as the context manager got it

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame` to every file."""
        for writer in self._writers:
            writer.write(frame)
        self.rows += len(frame)

    def files(self) -> list[FileInfo]:
        """What was written, once the table is finished; each file is synced to the disk when this returns."""
        return [FileInfo.of(path, self.rows) for path in self._paths]

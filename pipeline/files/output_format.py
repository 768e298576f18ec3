"""Output formats, each a module of `pipeline.files.formats`, and a table written in several of them."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import pkgutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.files import durable, formats
from pipeline.filesystem import sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    import pandas as pd


class FrameWriter(Protocol):
    """Writes frames with the same columns to one new file, one after the other; a context manager."""

    def write(self, frame: pd.DataFrame) -> None:
        """Append the rows of `frame`, whose columns are Arrow-backed."""

    def losses(self) -> list[str]:
        """What the format could not hold, as clauses for a warning; empty if everything was written as it is."""

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, /, *others: object) -> None: ...


@dataclass(frozen=True, slots=True)
class WriteOptions:
    r"""How files are written; each format uses what concerns it.

    Attributes:
        delimiter: between the fields of a CSV file.
        quoting: `standard` doubles a quote within a field; `backslash` puts a backslash before it, and writes a null of
            the `unguarded` columns as `\N`; `none` has no quotes, and spaces for delimiters and line ends in a field.
        encoding: of text; characters that it does not have become `?` and are counted as losses.
        line_end: after each row of text.
        bom: start UTF-8 text with a byte order mark, for Excel.
        announce_delimiter: make `sep=;` or the like the first line of a CSV file, for Excel.
        title: of a worksheet.
        formula_guard: put `'` before strings that a spreadsheet would run as a formula.
        unguarded: the number of leading columns that are written without that guard.
        mostly_unique: columns whose values rarely repeat, so that a dictionary would only make them larger.
    """

    delimiter: str = ","
    quoting: str = "standard"
    encoding: str = "utf-8"
    line_end: str = "\n"
    bom: bool = False
    announce_delimiter: bool = False
    title: str = "leads"
    formula_guard: bool = True
    unguarded: int = 0
    mostly_unique: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFormat:
    """One output format.

    Attributes:
        open: makes a writer for a new file; the frame has the columns and their types, and no rows.
        bytes_per_lead: roughly what a lead takes in all tables, to see whether the disk has room.
        bytes_per_row: roughly what an input row takes in `outcomes`.
        bytes_per_file: roughly what a file without rows takes.
        nested: whether columns may hold lists, objects and bytes.
        unique_names: whether no two columns may have the same name.
        max_rows: the number of rows that a file can hold; None is no limit.
        library: the module that an extra, called like the format, installs.
        count_rows: counts the rows of a file; None if the format cannot tell.
        difference: where the content of a file differs from that of another, in words without any of it; None if only
            the bytes differ. A format without this is compared by its bytes alone.
    """

    open: Callable[[Path, pd.DataFrame, WriteOptions], FrameWriter]
    bytes_per_lead: int
    bytes_per_row: int = 80
    bytes_per_file: int = 0
    nested: bool = False
    unique_names: bool = False
    max_rows: int | None = None
    library: str | None = None
    count_rows: Callable[[Path], int] | None = None
    difference: Callable[[Path, Path], str | None] | None = None


def format_names() -> list[str]:
    """The names of all output formats; no format is loaded."""
    return [module.name for module in pkgutil.iter_modules(formats.__path__)]


def load_format(name: str) -> OutputFormat:
    """The format called `name`.

    Raises:
        UsageError: there is no such format, or its library is not installed.
    """
    if name not in format_names():
        raise UsageError(f"unsupported output format {name!r}; use {', '.join(format_names())}.")
    found: OutputFormat = importlib.import_module(f"{formats.__name__}.{name}").FORMAT
    if found.library and importlib.util.find_spec(found.library) is None:
        raise UsageError(f".{name} output needs {found.library}; run: pip install 'lead-export[{name}]'")
    return found


def check_formats(names: Iterable[str]) -> None:
    """Check that tables can be written in these formats.

    Raises:
        UsageError: there is no such format, or its library is not installed.
    """
    try:
        for name in names:
            load_format(name)
    except UsageError as error:
        raise UsageError(f"--format: {error}") from None


def format_of(path: Path) -> OutputFormat:
    """The format that goes with the suffix of `path`.

    Raises:
        UsageError: there is none, or its library is not installed.
    """
    if not path.suffix:
        raise UsageError(f"{path}: names no file with the ending of a format; use {', '.join(format_names())}.")
    try:
        return load_format(path.suffix.lower().removeprefix("."))
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def check_fits(path: Path, header: pd.DataFrame, rows: int = 0) -> None:
    """Check that a file at `path` can hold the columns of `header` and that many rows.

    Raises:
        UsageError: it cannot.
    """
    chosen = format_of(path)
    if chosen.max_rows is not None and rows > chosen.max_rows:
        raise UsageError(f"{path}: a worksheet holds {chosen.max_rows:,} rows, not {rows:,}; write .csv or .parquet.")
    for name, kind in zip(header.columns, arrow_types(header), strict=True):
        if not chosen.nested and (pa.types.is_nested(kind) or "binary" in str(kind)):
            raise UsageError(f"{path}: cannot hold the column {name!r} of type {str(kind)[:40]}; write .parquet.")


def written_names(chosen: OutputFormat, names: Iterable[str]) -> list[str]:
    """The names that columns have in a file; where they must be unique, the second `a` becomes `a.1`."""
    given = list(names)
    if not chosen.unique_names:
        return given
    taken, unique = set(given), []
    for number, name in enumerate(given):
        if name in unique:
            candidates = (f"{name}.{n}" for n in itertools.count(given[:number].count(name)))
            name = next(candidate for candidate in candidates if candidate not in taken)  # noqa: PLW2901 - renamed
            taken.add(name)
        unique.append(name)
    return unique


def arrow_types(frame: pd.DataFrame) -> list[pa.DataType]:
    """The Arrow type of each column of a frame with Arrow-backed columns."""
    return [dtype.pyarrow_dtype for dtype in frame.dtypes]


def arrow_columns(frame: pd.DataFrame) -> list[Any]:
    """The columns of a frame with Arrow-backed columns, as the Arrow arrays underneath; names may repeat."""
    return [pa.array(frame.iloc[:, number].array) for number in range(frame.shape[1])]


class FileInfo(NamedTuple):
    """One file as the manifest describes it; `sha256` is that of its bytes, in hex."""

    name: str
    rows: int
    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path, rows: int) -> Self:
        """A finished file with that many rows; it is synced to the disk when this returns."""
        sync(path)
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

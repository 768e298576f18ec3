"""What a list format is, and which there are: one module of this package for each, found without a list to edit.

To add a format, put one file into this folder: a subclass of `ListFormat` that sets `name` and `suffixes`, or of
`pipeline.emails.table.TableFormat`, which needs nothing more than `rows`. All modules here are imported as soon as a
list is opened or a message lists the formats, so the library of a format must be imported within its methods.
"""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import pkgutil
from abc import ABC, abstractmethod
from contextlib import contextmanager
from functools import cache, cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, ClassVar, Literal

from pipeline.emails.options import Detected
from pipeline.emails.source import COMPRESSIONS, compression_of
from pipeline.emails.text import MAX_LINE, ByteStats, detect_codec, has_byte_order_mark, read_lines
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from contextlib import AbstractContextManager

    import pyarrow as pa

    from pipeline.emails.delimited import Quoting
    from pipeline.emails.options import ReadOptions, RowCounts
    from pipeline.emails.source import Source

_FORMATS: dict[str, type[ListFormat]] = {}
_UNREADABLE = {b"\xd0\xcf\x11\xe0": "an old Excel workbook (.xls)", b"%PDF": "a PDF file"}


class ListFormat(ABC):
    """One list, read in its format.

    Attributes:
        name: what reports call the format.
        suffixes: of file names in this format, in lower case; a class without them is not a format itself.
        is_text: whether it is text, which can be in any encoding and compressed.
        max_line: characters in the longest line of a text that is read.
        title: what a file in this format is, with its article; for files with a wrong suffix.
        signature: the first bytes of every file in this format; empty if they can be anything.
        library: the module that reading it needs if that is not installed with lead-export itself.
        extra: the extra that installs `library`.
        unit: what a person counts in such a file: its lines, or the rows of a sheet or a table.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    is_text: ClassVar[bool] = False
    max_line: ClassVar[int] = MAX_LINE
    title: ClassVar[str] = ""
    signature: ClassVar[bytes] = b""
    library: ClassVar[str] = ""
    extra: ClassVar[str] = ""
    unit: ClassVar[Literal["line", "row"]] = "line"

    def __init_subclass__(cls) -> None:
        """Register the suffixes."""
        super().__init_subclass__()
        _FORMATS.update(dict.fromkeys(cls.suffixes, cls))

    def __init__(self, source: Source, options: ReadOptions) -> None:
        self.source, self.options = source, options

    @abstractmethod
    def detected(self) -> Detected:
        """How the list is read."""

    @abstractmethod
    def cells(self) -> Iterator[str]:
        """The cell of the email column of each row, in order; empty if the row has none."""

    def numbered_cells(self) -> Iterator[tuple[int, str]]:
        """The same, each with the number of its line or row as a person counts them, from 1."""
        return enumerate(self.cells(), 1)

    @abstractmethod
    def row_counts(self) -> RowCounts:
        """How many rows and cells there are."""

    @abstractmethod
    def batches(self, width: int | None) -> Iterator[pa.RecordBatch]:
        """All columns of all rows, see `EmailList.batches`."""

    def line_numbers(self, rows: Collection[int]) -> dict[int, int]:
        """The line, or row of the sheet, on which each of these rows begins; both are counted from 1."""
        return {row: row for row in rows}

    @classmethod
    def check_library(cls, name: str) -> None:
        """Check that the list called `name` can be read with what is installed.

        Raises:
            UsageError: the library is missing; says how to install it.
        """
        if cls.library and importlib.util.find_spec(cls.library) is None:
            problem = f"reading {cls.suffixes[0]} files requires {cls.library}"
            raise UsageError(f"{name}: {problem}; run: pip install 'lead-export[{cls.extra}]'.")

    @cached_property
    def byte_stats(self) -> ByteStats:
        """Of a text, counts over all its bytes: the last one may be the only one that is not UTF-8."""
        with self.source.open_decompressed() as binary:
            return ByteStats.of(binary)

    @cached_property
    def codec(self) -> str:
        """Of a text, the codec of its encoding."""
        if hint := _misnamed(self.byte_stats.start, Path(self.source.name)):
            raise self.error(hint)
        return detect_codec(self.source.name, self.byte_stats, self.options.codec())

    def lines(self) -> Iterator[str]:
        """Of a text, its lines with their ends, from the start."""
        return itertools.chain.from_iterable(self._line_lists())

    def _line_lists(self) -> Iterator[list[str]]:
        with self.source.open_decompressed() as binary:
            yield from read_lines(self.source.name, binary, self.codec, max_length=self.max_line)

    def stored(self) -> AbstractContextManager[IO[bytes]]:
        """The bytes as stored, or in the variant of the format that its library reads."""
        return self.source.open()

    def describe(
        self,
        columns: Sequence[str],
        email_index: int,
        *,
        header: bool,
        delimiter: str | None = None,
        quoting: Quoting | None = None,
        guessed: Sequence[str] = (),
    ) -> Detected:
        """How the list is read; of the facts in `guessed`, and the encoding, those count that were not stated."""
        facts = ("encoding", *guessed) if self.is_text else guessed
        return Detected(
            format=self.name,
            compression=self.source.compression.name if self.source.compression else None,
            encoding=self.codec.removesuffix("-sig") if self.is_text else None,
            delimiter=delimiter,
            quoting=quoting,
            header=header,
            columns=tuple(columns),
            email_column=columns[email_index],
            email_index=email_index,
            guessed=tuple(fact for fact in facts if getattr(self.options, fact, None) is None),
            byte_order_mark=self.is_text and has_byte_order_mark(self.byte_stats.start),
        )

    def error(self, problem: str) -> UsageError:
        """An error about this list."""
        return UsageError(f"{self.source.name}: {problem}.")

    def check_may_be_empty(self) -> None:
        """Check that a list may hold nothing, not even a header, as this one does.

        Raises:
            UsageError: it may not.
        """
        if not self.options.allow_empty:
            raise self.error("the list is empty; pass --allow-empty if it may be")

    @contextmanager
    def errors_as(self, problem: str, *errors: type[Exception]) -> Iterator[None]:
        """Report what a library raises as an error about this list."""
        try:
            yield
        except UsageError:
            raise
        except errors as error:
            raise self.error(problem) from error


@cache
def formats() -> dict[str, type[ListFormat]]:
    """Every format by its suffixes."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        importlib.import_module(module.name)
    return _FORMATS


def format_of(path: Path) -> type[ListFormat] | None:
    """The format that the suffixes of `path` name; only text formats can be compressed."""
    compression = compression_of(path)
    suffix = Path(path.stem).suffix if compression else path.suffix
    found = formats().get(suffix.lower())
    return found if found and (found.is_text or not compression) else None


def supported() -> str:
    """All suffixes, as messages and help texts list them."""
    text = sorted(suffix for suffix, each in formats().items() if each.is_text)
    binary = sorted(formats().keys() - set(text))
    compressed = " or ".join(each.suffix for each in COMPRESSIONS)
    return f"{', '.join(text)} (each also compressed as {compressed}), {', '.join(binary)}, or - for standard input"


def _misnamed(start: bytes, path: Path) -> str | None:
    """What the file `path` with these first bytes is instead of text, and what to do."""
    for suffix, each in formats().items():
        if each.signature and start.startswith(each.signature):
            return f"this is {each.title}; rename it to {suffix} or export the list as CSV"
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:14].lower().startswith((b"<!doctype html", b"<html")):
        return "this is a web page, perhaps one to log in; log in and download the list again"
    for compression in COMPRESSIONS:
        if start.startswith(compression.signature):
            if compression_of(path):
                return "this file is compressed twice; decompress it once"
            return f"this is a {compression.title} file; add {compression.suffix} to its name"
    return next(
        (f"this is {what}; export the list as CSV" for sign, what in _UNREADABLE.items() if start[:4] == sign), None
    )

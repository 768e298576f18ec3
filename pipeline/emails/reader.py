"""Lists as people have them: `.csv`, `.txt` and standard input in, the text of each row's email cell out.

A line with nothing on it is no row. Rows count from 1, without the header. Each list is read once, as a stream; its
size and SHA-256 are known when it has been read to its end.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import itertools
import os
import re
import stat
import sys
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING

from pipeline.emails.columns import find_column, is_header
from pipeline.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

STDIN = "-"
_SUFFIXES = (".csv", ".txt")
_SAMPLE_ROWS = 200
_DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'(?<![^,;\t|\r\n])"[^"]*(?:""[^"]*)*"')
"""A cell in quotes, which may hold any of the delimiters and line breaks."""
_CHUNK_BYTES = 1 << 20
_NO_TEXT = {
    b"PK\x03\x04": "a workbook or a ZIP file; export it as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook of an old kind; export it as CSV",
    b"\x1f\x8b": "a gzip file; unpack it first",
    b"\x28\xb5\x2f\xfd": "a Zstandard file; unpack it first",
    b"%PDF": "a PDF file; export the list as CSV",
}
_MAX_LINE = 1 << 18
"""Characters in the longest line that is read; what goes on beyond that is no list, and must not fill the memory."""


@dataclass(slots=True)
class EmailList:
    """One list: where it is, and after `cells` has run to its end how many rows it had and which bytes.

    Attributes:
        path: the file, or `-` for standard input.
        email_column: the column as the user named it; None to detect it.
        label: how to call it; None is the file's name without its folder.
    """

    path: Path
    email_column: str | None = None
    label: str | None = None
    rows: int = field(default=0, init=False)
    sha256: str = field(default="", init=False)
    _spool: Path | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """How messages and tables call it: its label, or the file's name; as text even if that is not UTF-8."""
        if str(self.path) == STDIN:
            return "standard input"
        return os.fsencode(self.label or self.path.name).decode(errors="replace")

    def check(self) -> None:
        """Refuse at once what could not be read later.

        Raises:
            UsageError: no such file, not readable, or of a kind that is not read.
        """
        if str(self.path) == STDIN:
            return
        try:
            mode = self.path.stat().st_mode
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be read ({error.strerror}).") from error
        if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
            return  # opening a pipe just to look would cut off its writer
        if self.path.suffix.lower() not in _SUFFIXES:
            raise UsageError(f"{self.path}: this kind of list is not read; use {', '.join(_SUFFIXES)} or - for stdin.")
        with self._open():
            pass

    def fingerprint(self, spool: Path) -> str:
        """Read the list to its end once; return the SHA-256 of its bytes, in hex.

        What cannot be read twice is copied to `spool`, for its owner only, and read from there later.

        Raises:
            UsageError: it cannot be read.
            StorageError: the copy cannot be written.
        """
        once = str(self.path) == STDIN or not self.path.is_file()
        try:
            with self._open() as binary, nullcontext() if not once else _copy(spool) as copy:
                hashing = hashlib.sha256()
                while chunk := binary.read(_CHUNK_BYTES):
                    hashing.update(chunk)
                    if copy:
                        copy(chunk)
        except OSError as error:
            raise UsageError(f"{self.name}: cannot be read ({error.strerror}).") from error
        if once:
            self._spool = spool
        self.sha256 = hashing.hexdigest()
        return self.sha256

    def cells(self) -> Iterator[str]:
        """The text of the email cell of each row.

        Raises:
            UsageError: not UTF-8 or UTF-16 text, no plausible email column, not CSV, or nothing in it at all. A list
                with a header and no rows is a list with no rows.
        """
        with self._open() as binary:
            hashing = _Hashing(binary)
            for cell in self._parse(_decoded(self.name, hashing)):
                self.rows += 1
                yield cell
            self.sha256 = hashing.digest()

    def _open(self) -> AbstractContextManager[IO[bytes]]:
        if self._spool is not None:
            return self._spool.open("rb")
        if str(self.path) == STDIN:
            if sys.stdin is None:
                raise UsageError("standard input: it is closed.")
            return nullcontext(sys.stdin.buffer)
        try:
            return self.path.open("rb")
        except OSError as error:
            raise UsageError(f"{self.path}: cannot be read ({error.strerror}).") from error

    def _parse(self, lines: Iterator[str]) -> Iterator[str]:
        blank, first = next(((n, line) for n, line in enumerate(lines) if line.strip()), (0, ""))
        if not first:
            raise UsageError(f"{self.name}: the list is empty.")
        lines = itertools.chain([first], lines)
        if self.path.suffix.lower() == ".txt":
            return (line.rstrip("\r\n") for line in lines if line.strip())
        return self._parse_csv(lines, blank)

    def _parse_csv(self, lines: Iterator[str], skipped: int) -> Iterator[str]:
        head = list(itertools.islice(lines, _SAMPLE_ROWS))
        rows = (row for row in self._records(itertools.chain(head, lines), _delimiter(head), skipped) if row)
        sample = list(itertools.islice(rows, _SAMPLE_ROWS))
        header = sample.pop(0) if is_header(sample[0]) else None
        column = find_column(self.name, header, sample, self.email_column)
        for row in itertools.chain(sample, rows):
            yield row[column] if column < len(row) else ""

    def _records(self, lines: Iterable[str], delimiter: str, skipped: int) -> Iterator[list[str]]:
        # Strict, because otherwise a quote left open swallows every row after it without a word.
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while True:
            line = skipped + reader.line_num + 1
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise UsageError(f"{self.name}: line {line} is not CSV ({error}); is a quote left open?") from error
            if row is None:
                return
            yield row


@contextmanager
def _copy(spool: Path) -> Iterator[Callable[[bytes], None]]:
    """A function that writes to a new file at `spool`, which only its owner can read."""
    try:
        with os.fdopen(os.open(spool, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb", buffering=0) as file:

            def write(chunk: bytes) -> None:
                try:
                    file.write(chunk)
                except OSError as error:
                    raise StorageError.of(error, spool) from error

            yield write
    except OSError as error:
        raise StorageError.of(error, spool) from error


class _Hashing(io.RawIOBase):
    """Passes bytes on and hashes what went by."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """Always: this is for reading."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stub's Buffer has no len()
        """Fill `buffer` from the list; 0 at its end."""
        chunk = self._inner.read(len(buffer)) or b""  # a pipe that does not block gives None where it is empty
        self._hash.update(chunk)
        buffer[: len(chunk)] = chunk
        return len(chunk)

    def digest(self) -> str:
        """SHA-256 of all that was read, in hex."""
        return self._hash.hexdigest()


def _decoded(name: str, binary: io.RawIOBase) -> Iterator[str]:
    """Lines of UTF-8, with or without a byte order mark, or of UTF-16 with one."""
    buffered = io.BufferedReader(binary, _CHUNK_BYTES)
    try:
        start = buffered.peek(4)[:4]
    except OSError as error:
        raise UsageError(f"{name}: cannot be read ({error.strerror}).") from error
    for magic, what in _NO_TEXT.items():
        if start.startswith(magic):
            raise UsageError(f"{name}: this is {what}.")
    utf_16 = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = io.TextIOWrapper(buffered, "utf-16" if utf_16 else "utf-8-sig", newline="")
    for number in itertools.count(1):
        try:
            line = text.readline(_MAX_LINE)
        except UnicodeError as error:
            raise UsageError(f"{name}: damaged text near line {number}; save the list as UTF-8.") from error
        except OSError as error:
            raise UsageError(f"{name}: reading stopped in line {number} ({error.strerror}).") from error
        if not line:
            return
        if "\0" in line:
            raise UsageError(f"{name}: binary data in line {number}; this is not a text list.")
        if len(line) == _MAX_LINE:
            raise UsageError(
                f"{name}: line {number} is longer than {_MAX_LINE:,} characters; this is not a list of addresses."
            )
        yield line


def _delimiter(head: list[str]) -> str:
    """The separator that most of the first lines agree on, or at least the very first uses; else a comma."""
    bare = re.split(r"[\r\n]+", _QUOTED.sub("", "".join(head)).strip("\r\n"))
    counts = {mark: sum(mark in line for line in bare) for mark in _DELIMITERS}
    best = max(counts, key=lambda mark: (counts[mark], bare[0].count(mark)))
    return best if best in bare[0] or counts[best] > len(bare) / 2 else ","

"""Where the bytes of a list are: a file, or a pipe that is copied to a file, because it flows only once."""

from __future__ import annotations

import hashlib
import io
import os
import select
import stat
import sys
import tempfile
import weakref
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pipeline.emails.packing import PACKINGS, Unpacked
from pipeline.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

STDIN = "-"
FORMS = {
    ".csv": "csv", ".tsv": "tsv", ".txt": "txt", ".jsonl": "jsonl", ".ndjson": "jsonl",
    ".parquet": "parquet", ".xlsx": "xlsx",
}  # fmt: skip
TEXT_FORMS = ("csv", "tsv", "txt", "jsonl")
_KINDS = (
    "use .csv, .tsv, .txt, .jsonl or .ndjson, each also packed as .gz or .zst, .parquet, .xlsx, or - for standard input"
)
_CHUNK_BYTES = 1 << 20
_PIPE_FOLDERS = ("/dev/fd", "/proc/self/fd")


class Source:
    """The bytes of one list.

    Attributes:
        path: the file as the user named it, or `-` for standard input.
        name: how messages call it.
        form: csv, tsv, txt, jsonl, parquet or xlsx, as its name says; csv for what has no name, such as a pipe.
        packing: gz, zst or None.
        sha256: of its bytes as they lie on the disk, in hex; empty until it was read to its end.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.sha256 = ""
        self._spool: Path | None = None
        suffixes = [suffix.lower() for suffix in path.suffixes]
        self.packing = PACKINGS.get(suffixes[-1]) if suffixes else None
        suffix = (suffixes[-2:-1] or [""])[0] if self.packing else "".join(suffixes[-1:])
        known = FORMS.get(suffix)
        self.known = known is not None and (self.packing is None or known in TEXT_FORMS)
        self.form = known if known is not None and self.known else "csv"

    @property
    def place(self) -> Path:
        """The file to read: the list itself, or the copy of a pipe, which is made now if there is none.

        Raises:
            UsageError: the pipe cannot be read.
            StorageError: the copy cannot be written.
        """
        if self._spool is None and _flows(self.path):
            descriptor, name = tempfile.mkstemp(prefix="lead-export-")
            os.close(descriptor)
            weakref.finalize(self, Path(name).unlink, missing_ok=True)
            self.copy(Path(name))
        return self._spool or self.path

    def check(self) -> None:
        """Refuse what could not be read later, without opening a pipe: that would cut off its writer.

        Raises:
            UsageError: no such file, not readable, or of a kind that is not read.
        """
        if _flows(self.path):
            return
        with _reading(self.path):
            self.path.stat()
        if not self.known:
            raise UsageError(f"{self.path}: this kind of list is not read; {_KINDS}.")
        with _reading(self.path), self.path.open("rb"):
            pass

    @contextmanager
    def opened(self) -> Iterator[io.RawIOBase]:
        """The bytes, unpacked; once they are read to their end, `sha256` is known.

        Raises:
            UsageError: it cannot be read, is damaged, or is another list than it was when it was first read.
        """
        with self.file() as file:
            passing = _Passing(file)
            yield Unpacked(self.name, self.packing, passing) if self.packing else passing
            if passing.ended:
                self._remember(passing.sha256())

    @contextmanager
    def file(self) -> Iterator[io.BufferedReader]:
        """The bytes as they lie on the disk.

        Raises:
            UsageError: it cannot be opened.
        """
        with ExitStack() as stack:
            with _reading(self.path):
                file = stack.enter_context(self.place.open("rb"))
            yield file

    def refuse_empty(self) -> None:
        """Say of a file without a byte that it is empty, rather than that it is no workbook.

        Raises:
            UsageError: there is nothing in it, or it cannot be read.
        """
        with self.file() as file:
            if not file.peek(1):
                raise UsageError(f"{self.name}: the list is empty.")

    def copy(self, spool: Path) -> None:
        """Copy a pipe to the new file `spool`, for its owner only; from then on that is read. A file is left alone.

        Raises:
            UsageError: the pipe cannot be read.
            StorageError: the copy cannot be written.
        """
        if self._spool is not None or not _flows(self.path):
            return
        with _storing(spool):
            spool.unlink(missing_ok=True)
            file = os.fdopen(os.open(spool, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb")
        with _storing(spool), file:
            for chunk in self._flow():
                file.write(chunk)
        self._spool = spool

    def hash(self) -> None:
        """Read the file to its end, so that `sha256` is known.

        Raises:
            UsageError: it cannot be read.
        """
        with self.file() as file, _reading(self.path):
            self._remember(hashlib.file_digest(file, "sha256").hexdigest())

    def _flow(self) -> Iterator[bytes]:
        """What comes out of the pipe; its own errors are not those of the copy."""
        with ExitStack() as stack:
            with _reading(self.path):
                if str(self.path) != STDIN:
                    pipe: IO[bytes] = stack.enter_context(self.path.open("rb"))
                elif sys.stdin is None:
                    raise UsageError("standard input: it is closed.")
                else:
                    pipe = sys.stdin.buffer
            while True:
                with _reading(self.path):
                    chunk: bytes | None = pipe.read(_CHUNK_BYTES)
                    if chunk is None:  # a pipe that does not block, and is empty but not at its end
                        select.select([pipe], [], [])
                        continue
                if not chunk:
                    return
                yield chunk

    def _remember(self, sha256: str) -> None:
        if self.sha256 not in ("", sha256):
            raise UsageError(f"{self.name}: the list was changed while it was read; try again.")
        self.sha256 = sha256


def _flows(path: Path) -> bool:
    if str(path) in (STDIN, "/dev/stdin") or str(path.parent) in _PIPE_FOLDERS:
        return True
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from error


@contextmanager
def _storing(spool: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(f"{error.filename or spool}: {error.strerror or error}.") from error


class _Passing(io.RawIOBase):
    """Passes bytes on and hashes what went by; `ended` once there are no more."""

    def __init__(self, inner: IO[bytes]) -> None:
        self._inner = inner
        self._hash = hashlib.sha256()
        self.ended = False

    def readable(self) -> bool:
        """Always: this is for reading."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stub's Buffer has no len()
        """Fill `buffer` from the list; 0 at its end."""
        chunk = self._inner.read(len(buffer))
        self._hash.update(chunk)
        buffer[: len(chunk)] = chunk
        self.ended = not chunk
        return len(chunk)

    def sha256(self) -> str:
        """SHA-256 of all that went by, in hex."""
        return self._hash.hexdigest()

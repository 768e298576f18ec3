"""The bytes of a list, decompressed as a stream.

They come from a file, or from a pipe, which is copied first because it can be read only once.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import select
import stat
import sys
import tempfile
import weakref
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from pipeline.errors import StorageError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

STDIN = "-"
_CHUNK_BYTES = 1 << 20
_DESCRIPTOR_FOLDERS = ("/dev/fd", "/proc/self/fd")


def _open_gzip(file: io.RawIOBase) -> IO[bytes]:
    return gzip.GzipFile(fileobj=file)  # type: ignore[return-value]  # a binary file, whatever typeshed says


def _open_zstandard(file: io.RawIOBase) -> IO[bytes]:
    """Read Zstandard with Arrow: the stream reader of `zstandard` does not notice when a file was cut off."""
    import pyarrow as pa

    stream: Any = pa.input_stream(file, compression="zstd")
    return stream  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Compression:
    """A way to compress text lists.

    Attributes:
        suffix: the last suffix of the file's name.
        title: what messages call it.
        signature: the first bytes of such files.
        open: makes a readable stream of the decompressed bytes.
    """

    suffix: str
    title: str
    signature: bytes
    open: Callable[[io.RawIOBase], IO[bytes]]

    @property
    def name(self) -> str:
        """The suffix without its dot, as reports have it."""
        return self.suffix[1:]


COMPRESSIONS = (
    Compression(".gz", "gzip", b"\x1f\x8b", _open_gzip),
    Compression(".zst", "Zstandard", b"\x28\xb5\x2f\xfd", _open_zstandard),
)


def compression_of(path: Path) -> Compression | None:
    """The compression that the last suffix of `path` announces, if any."""
    return next((each for each in COMPRESSIONS if each.suffix == path.suffix.lower()), None)


class Source:
    """The bytes of one list.

    Attributes:
        path: the file as the user named it, or `-` for standard input.
        name: what messages call it.
        compression: as the file's suffix announces it; None if it is not compressed.
        sha256: of its bytes as stored, in hex; empty until they were read to the end.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        self.compression = compression_of(path)
        self.sha256 = ""
        self._copy: IO[bytes] | None = None

    @property
    def is_pipe(self) -> bool:
        """Whether it can be read only once: standard input, a named pipe, or an open descriptor."""
        if str(self.path) in (STDIN, "/dev/stdin") or str(self.path.parent) in _DESCRIPTOR_FOLDERS:
            return True
        try:
            mode = self.path.stat().st_mode
        except OSError:
            return False
        return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)

    def check(self) -> None:
        """Check that the file can be opened; a pipe is left alone, because opening and closing it would end it.

        Raises:
            UsageError: it does not exist or cannot be read.
        """
        if not self.is_pipe:
            with _reading(self.path), self.path.open("rb"):
                pass

    @contextmanager
    def open(self) -> Iterator[io.BufferedReader]:
        """The bytes as stored, from the start; those of a pipe come from its copy.

        Raises:
            UsageError: it cannot be read.
            StorageError: a pipe cannot be copied.
        """
        self.spool()
        with ExitStack() as stack:
            if self._copy is not None:
                shared: Any = _SharedFile(self._copy)
                file: io.BufferedReader = stack.enter_context(io.BufferedReader(shared))
            else:
                with _reading(self.path):
                    file = stack.enter_context(self.path.open("rb"))
            yield file

    @contextmanager
    def open_decompressed(self) -> Iterator[io.RawIOBase]:
        """The bytes, decompressed; once they were read to the end, `sha256` is known.

        Raises:
            UsageError: it cannot be read, is damaged, or has changed since it was first read.
        """
        with self.open() as file:
            hashed = _HashedFile(self.path, file)
            yield _Decompressed(self.name, self.compression, hashed) if self.compression else hashed
            if hashed.ended:
                self._set_sha256(hashed.sha256())

    def is_empty(self) -> bool:
        """Whether there is not a single byte."""
        with self.open() as file, _reading(self.path):
            return not file.read(1)

    def hash(self) -> None:
        """Read the bytes to the end, so that `sha256` is known.

        Raises:
            UsageError: it cannot be read, or has changed since it was first read.
        """
        with self.open() as file, _reading(self.path):
            self._set_sha256(hashlib.file_digest(file, "sha256").hexdigest())

    def spool(self, folder: Path | None = None) -> None:
        """Copy a pipe, once, to a temporary file without a name, which disappears however the process ends.

        Args:
            folder: where the space is taken; None is the system's folder for temporary files.

        Raises:
            UsageError: the pipe cannot be read.
            StorageError: the copy cannot be written.
        """
        if self._copy is not None or not self.is_pipe:
            return
        with _storing(folder):
            copy = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - it is open for as long as this object lives
        weakref.finalize(self, copy.close)
        for chunk in self._read_pipe():
            with _storing(folder):
                copy.write(chunk)
        with _storing(folder):
            copy.flush()
        self._copy = copy

    def _read_pipe(self) -> Iterator[bytes]:
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
                    if chunk is None:  # a non-blocking pipe that is empty for now
                        select.select([pipe], [], [])
                        continue
                if not chunk:
                    return
                yield chunk

    def _set_sha256(self, sha256: str) -> None:
        if self.sha256 not in ("", sha256):
            raise UsageError(f"{self.name}: the list was changed while it was read; try again.")
        self.sha256 = sha256


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from error


@contextmanager
def _storing(folder: Path | None) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError.of(error, folder or Path("temporary files")) from error


class _SharedFile(io.RawIOBase):
    """An open file, read from a position of its own, so that several readers do not disturb each other."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._position = file, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # typeshed's Buffer has no len()
        size = os.preadv(self._file.fileno(), [buffer], self._position)
        self._position += size
        return size

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        size = os.fstat(self._file.fileno()).st_size
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: size}[whence]
        return self._position


class _HashedFile(io.RawIOBase):
    """Hashes bytes as they are read; `ended` is true at the end of the file."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file
        self._hash = hashlib.sha256()
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # typeshed's Buffer has no len()
        with _reading(self._path):
            chunk = self._file.read(len(buffer))
        self._hash.update(chunk)
        buffer[: len(chunk)] = chunk
        self.ended = not chunk
        return len(chunk)

    def sha256(self) -> str:
        """SHA-256 of all bytes so far, in hex."""
        return self._hash.hexdigest()


class _Decompressed(io.RawIOBase):
    """The decompressed bytes of the list called `name`; concatenated gzip members or Zstandard frames are one stream.

    Raises:
        UsageError: from reading: the file is damaged or cut off.
    """

    def __init__(self, name: str, compression: Compression, file: io.RawIOBase) -> None:
        self._name, self._title = name, compression.title
        self._stream = compression.open(file)

    def readable(self) -> bool:
        """Always true."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # typeshed's Buffer has no len()
        """Fill `buffer` with the next bytes; 0 at the end."""
        try:
            chunk = self._stream.read(len(buffer))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            problem = f"the {self._title} file is damaged or cut off; download or compress it again"
            raise UsageError(f"{self._name}: {problem}.") from error
        buffer[: len(chunk)] = chunk
        return len(chunk)

"""Compressed lists: the suffixes that announce them, and their content as a stream, so that memory stays bounded."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


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


class Decompressed(io.RawIOBase):
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

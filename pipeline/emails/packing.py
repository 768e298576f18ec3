"""Bytes as they are packed on the disk in, bytes of the list out: gzip and Zstandard, as a stream of bounded memory."""

from __future__ import annotations

import io
import zlib
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from typing import IO

PACKINGS = {".gz": "gz", ".zst": "zst"}
_FEED_BYTES = 1 << 8
"""Packed bytes unpacked at a time: four bytes can become a block of 128 KiB, so these can become 8 MiB, not more."""
_FEED_GZIP = 1 << 13
"""The same for gzip, which packs 1,032 to 1 at best: 8 MiB."""
_WINDOW_BYTES = 1 << 27
"""The farthest that Zstandard may look back, which it keeps in memory; its own tools draw the line there too."""
_BOMB_BYTES, _BOMB_RATIO = 1 << 28, 200
"""No list that grows that large has so little in it; lists of addresses pack 3 to 20 to 1."""


class _Unpacker(Protocol):
    """What zlib and zstandard have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _gzip() -> _Unpacker:
    return zlib.decompressobj(wbits=31)


def _zstandard() -> _Unpacker:
    import zstandard

    return zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES).decompressobj()


class Unpacked(io.RawIOBase):
    """The unpacked bytes of a packed file, as a stream; several packed one behind the other are one.

    Raises:
        UsageError: from reading: damaged, cut off, or a bomb: next to nothing that unpacks to a great deal.
    """

    def __init__(self, name: str, packing: str, packed: IO[bytes] | io.RawIOBase) -> None:
        self._name, self._packing, self._packed = name, packing, packed
        self._new = _gzip if packing == "gz" else _zstandard
        self._feed = _FEED_GZIP if packing == "gz" else _FEED_BYTES
        self._unpacker: _Unpacker | None = None
        self._input = io.BytesIO()
        self._ready = memoryview(b"")
        self._in = self._out = self._files = 0

    def readable(self) -> bool:
        """Always: this is for reading."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]  # the stub's Buffer has no len()
        """Fill `buffer` with what comes next; 0 at the end."""
        while not self._ready:
            data = self._next_input()
            if not data:
                if self._unpacker is not None or not self._in:
                    raise self._refusal("is cut off" if self._in else "is empty")
                return 0
            self._ready = memoryview(self._unpack(data))
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next_input(self) -> bytes:
        data = self._input.read(self._feed)
        if not data:
            self._input = io.BytesIO(self._packed.read(1 << 20) or b"")
            data = self._input.read(self._feed)
        return data

    def _unpack(self, data: bytes) -> bytes:
        self._in += len(data)
        pieces = []
        while data:
            if self._unpacker is None:
                if self._files and self._packing == "gz" and not data.strip(b"\0"):  # filled up, as tapes and disks do
                    break
                self._unpacker = self._new()
            try:
                pieces.append(self._unpacker.decompress(data))
            except Exception as error:  # zlib.error or ZstdError, whose module is not to be imported for gzip
                raise self._refusal("is damaged") from error
            data = self._unpacker.unused_data if self._unpacker.eof else b""
            if self._unpacker.eof:
                self._unpacker = None
                self._files += 1
        self._out += sum(map(len, pieces))
        if self._out > max(_BOMB_BYTES, self._in * _BOMB_RATIO):
            raise self._refusal(f"unpacks to more than {_BOMB_RATIO} times its size; this is not a list of addresses")
        return b"".join(pieces)

    def _refusal(self, problem: str) -> UsageError:
        what = "gzip" if self._packing == "gz" else "Zstandard"
        hint = "" if "size" in problem else "; fetch or make it again"
        return UsageError(f"{self._name}: the {what} file {problem}{hint}.")

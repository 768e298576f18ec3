"""Replies of one account resemble each other: from the first few zstd learns a dictionary that packs the rest.

That makes a reply about eight times smaller than it came, in less time than the disk would need for what is saved.
"""

from __future__ import annotations

import zlib

import msgspec
import zstandard

SAMPLE_REPLIES = 64
"""Replies that a dictionary is learnt from; more of them gain little."""
_SAMPLE_BYTES = 1 << 16
"""Of each of them; a giant reply must not be gone through for every other one."""
_DICTIONARY_BYTES = 20_000
"""As large as what replies have in common; more of it gains little."""
_LEVEL = 1
"""Higher levels take longer for three per cent."""
_encode = msgspec.msgpack.encode

Facts = tuple[int, str, str | None, str | None, str | None, int, int, int | None]
"""What stands in a journal about an answer beside its body: number of the address, outcome, code, message, id of the
lead, attempts, time, and whether the body is packed: 1 or 0, None if there is none."""


class Packing:
    """Packs and unpacks bodies; until there is a dictionary they stay as they are.

    Args:
        dictionary: as an earlier `learn` gave it; None if there is none yet.
    """

    def __init__(self, dictionary: bytes | None) -> None:
        self._sample: list[bytes] = []
        self._known = dictionary is not None
        if dictionary is not None:
            self._use(dictionary)

    def _use(self, dictionary: bytes) -> None:
        content = zstandard.ZstdCompressionDict(dictionary)
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL, dict_data=content)
        self._decompressor = zstandard.ZstdDecompressor(dict_data=content)
        self._known = True

    def learn(self, body: bytes) -> bytes | None:
        """Take one of the first bodies as a sample; return the dictionary as soon as there is one, once."""
        if self._known or not body:
            return None
        self._sample.append(body[:_SAMPLE_BYTES])
        if len(self._sample) < SAMPLE_REPLIES:
            return None
        dictionary = _learnt(self._sample)
        self._sample = []
        self._use(dictionary)
        return dictionary

    def pack(self, body: bytes) -> tuple[int, bytes]:
        """Whether it was packed, 1 or 0, and the body as it is to be stored."""
        return (1, self._compressor.compress(body)) if self._known else (0, body)

    def unpack(self, body: bytes, *, packed: int) -> bytes:
        """The body as it came.

        Raises:
            ValueError: it is damaged.
        """
        if not packed:
            return body
        if not self._known:
            raise ValueError("there is no dictionary")
        try:
            return self._decompressor.decompress(body)
        except zstandard.ZstdError as error:
            raise ValueError(str(error)) from error


def _learnt(sample: list[bytes]) -> bytes:
    try:
        return zstandard.train_dictionary(_DICTIONARY_BYTES, [*sample], level=_LEVEL).as_bytes()
    except zstandard.ZstdError:
        # Too small, or too much alike, to learn anything from: then they serve as they stand. Behind a blank, for what
        # begins with certain four bytes is taken for a dictionary that was learnt.
        return b" " + b"".join(sample)[-_DICTIONARY_BYTES:]


def checksum(facts: Facts, body: bytes | None) -> int:
    """CRC-32 over everything that stands in a journal about an answer, so that a single flipped bit is noticed."""
    return _crc_32(_encode(facts), body)


def is_intact(facts: Facts, body: object, expected: int) -> bool:
    """Whether `expected` is the checksum of these, as it is made now or as it was in journals before version 4."""
    if not isinstance(body, bytes | None):
        return False
    return expected == checksum(facts, body) or expected == _crc_32(ascii((facts[1:-1], body is None)).encode(), body)


def _crc_32(head: bytes, body: bytes | None) -> int:
    return zlib.crc32(body or b"", zlib.crc32(head))

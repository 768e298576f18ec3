"""Bytes to lines of text: detects the encoding from all bytes of a list, then decodes them as a stream.

A byte order mark is certain. If all bytes are valid UTF-8, it is UTF-8: no other text is by coincidence. Zeros in every
second byte are UTF-16. Beyond that an encoding can only be guessed, and nobody notices names that were decoded wrongly:
Windows-1252 is assumed only for text that is clearly Western European, and everything else is rejected. Statistical
detection (charset-normalizer) was tried on lists in twelve languages: a few names among addresses are not enough for
it, and it confidently took Spanish and French for Polish, and Japanese for Korean.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = logging.getLogger(__name__)

MAX_LINE = 1 << 18
"""Characters in the longest line that is read; anything longer is not a list, and must not fill the memory."""
_CHUNK_BYTES = 1 << 17
_STATS_CHUNK_BYTES = 1 << 20
_START_BYTES = 1 << 16
_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\v\f\r\x1a"})
"""Bytes that occur in no text, whatever its encoding; 1A ends text files of DOS."""
_END_OF_FILE = "\x1a"
"""What programs for DOS write at the end of a text."""
_NOT_IN_1252 = b"\x81\x8d\x8f\x90\x9d"
_NON_ASCII = bytes(range(0x80, 0x100))
_NON_ASCII_RUN = re.compile(rb"[\x80-\xff]{3,}")
_MAX_COINCIDENCES = 0.1
"""The largest share of accented letters in another encoding that happen to be valid UTF-8."""
_MAX_RUN_SHARE = 0.6
"""Hardly any Western European word has three accents in a row; in other scripts nearly every letter is non-ASCII."""
_ESCAPED_QUOTE = re.compile(rb'\\\x00?"')
"""A backslash before a quote, in single bytes or UTF-16."""
_ENOUGH_NON_ASCII = 100_000
"""Non-ASCII bytes that identify a script as well as all of them would."""


@dataclass(slots=True)
class ByteStats:
    """Counts over the bytes of a list, from which its encoding is detected.

    Attributes:
        start: the first 64 KiB.
        known: the codec that a byte order mark or zeros in `start` show, or ""; if it is set, the rest is not counted.
        invalid: how many bytes are not UTF-8; `invalid_line` is the line of the first one, counted from 1.
        multibyte: how many characters are UTF-8 sequences of more than one byte.
        non_ascii, in_runs: how many bytes are non-ASCII, and how many of those are in runs of three or more; counted
            once a byte is not UTF-8, up to a limit.
        controls: how many bytes are control characters, including zeros.
        not_in_1252: how many bytes Windows-1252 does not define.
        escapes_quotes: whether there is a backslash before a quote.
    """

    start: bytes = b""
    known: str | None = None
    invalid: int = 0
    invalid_line: int = 0
    multibyte: int = 0
    non_ascii: int = 0
    in_runs: int = 0
    controls: int = 0
    not_in_1252: int = 0
    escapes_quotes: bool = False
    _lines: int = 1
    _end: bytes = b""
    _decoder: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("surrogateescape")
    )

    @classmethod
    def of(cls, binary: io.RawIOBase) -> ByteStats:
        """Count over all bytes of a list.

        Raises:
            UsageError: it cannot be read, or a compressed list is damaged.
        """
        stats = cls()
        buffered = io.BufferedReader(binary, _STATS_CHUNK_BYTES)  # whole chunks: `known` is decided by the first one
        while chunk := buffered.read(_STATS_CHUNK_BYTES):
            stats._add(chunk)
        stats._add(b"", last=True)
        return stats

    def _add(self, chunk: bytes, *, last: bool = False) -> None:
        if len(self.start) < _START_BYTES:
            self.start += chunk[: _START_BYTES - len(self.start)]
        self.escapes_quotes = self.escapes_quotes or bool(_ESCAPED_QUOTE.search(self._end + chunk))
        self._end = chunk[-2:]
        self.controls += len(chunk) - len(chunk.translate(None, _CONTROLS))
        if self.known is None:
            self.known = _byte_order_mark(self.start) or _utf_16(self.start) or ""
        if not self.known and (last or self._decoder.getstate()[0] or not chunk.isascii()):
            self._add_non_ascii(chunk, last=last)
        self._lines += chunk.count(b"\n")

    def _add_non_ascii(self, chunk: bytes, *, last: bool) -> None:
        text = self._decoder.decode(chunk, last)
        non_ascii = len(chunk) - len(chunk.translate(None, _NON_ASCII))
        invalid = 0
        try:
            text.encode()
        except UnicodeEncodeError as error:
            if not self.invalid:
                self.invalid_line = self._lines + text.count("\n", 0, error.start)
            invalid = len(text) - len(text.encode(errors="ignore").decode())
        self.invalid += invalid
        self.multibyte += len(text) - (len(chunk) - non_ascii) - invalid
        self.not_in_1252 += len(chunk) - len(chunk.translate(None, _NOT_IN_1252))
        if self.invalid and self.non_ascii < _ENOUGH_NON_ASCII:
            self.non_ascii += non_ascii
            self.in_runs += sum(map(len, _NON_ASCII_RUN.findall(chunk)))


def detect_codec(name: str, stats: ByteStats, stated: str | None) -> str:
    """The codec of the list called `name`; a byte order mark takes precedence over the `stated` codec.

    Raises:
        UsageError: it is binary, damaged UTF-8, or its encoding could not be detected.
    """
    if marked := _byte_order_mark(stats.start):
        shown = marked.removesuffix("-sig")
        if stated and shown not in stated:
            logger.warning("%s: has a byte order mark of %s, which is used instead of %s.", name, shown, stated)
        return marked
    if stated:
        return stated
    if stats.known:
        return stats.known
    return _guess_single_byte(name, stats) if stats.invalid else "utf-8"


def has_byte_order_mark(start: bytes) -> bool:
    """Whether a text that starts with these bytes has a byte order mark."""
    return _byte_order_mark(start) is not None


def _byte_order_mark(start: bytes) -> str | None:
    return next((codec for mark, codec in _BYTE_ORDER_MARKS.items() if start.startswith(mark)), None)


def _utf_16(start: bytes) -> str | None:
    """UTF-16 without a mark: zeros are frequent in one half of the byte pairs and nearly absent from the other."""
    pairs = len(start) // 2
    even, odd = start[0 : pairs * 2 : 2].count(0), start[1 : pairs * 2 : 2].count(0)
    few, many = sorted((even, odd))
    if not pairs or many < 0.3 * pairs or few > 0.1 * many:
        return None
    return "utf-16-le" if odd == many else "utf-16-be"


def _guess_single_byte(name: str, stats: ByteStats) -> str:
    """Windows-1252, or Latin-1 if there is a byte that Windows-1252 does not define.

    Raises:
        UsageError: it is binary, mostly UTF-8, or not clearly Western European.
    """
    where = f"{name}: line {stats.invalid_line}"
    if stats.controls:
        raise UsageError(f"{where} contains binary data; this is not a text list.")
    western = stats.in_runs <= _MAX_RUN_SHARE * stats.non_ascii
    if stats.multibyte > stats.invalid or (western and stats.multibyte > _MAX_COINCIDENCES * stats.invalid):
        raise UsageError(f"{where} is not valid UTF-8; fix the file or pass --encoding.")
    if not western:
        raise UsageError(
            f"{where} has an encoding that could not be detected; pass --encoding, such as cp1251 or shift_jis."
        )
    codec = "iso8859-1" if stats.not_in_1252 else "cp1252"
    message = "%s is not UTF-8 and is read as %s, a guess; check the accents, or pass --encoding."
    logger.warning(message, where, codec)
    return codec


def read_lines(name: str, binary: io.RawIOBase, codec: str, *, max_length: int = MAX_LINE) -> Iterator[list[str]]:
    r"""The lines of a text, some at a time, with their ends (`\n`, `\r\n` or `\r`).

    A byte order mark before any of them is left out: files are joined that begin with one each.

    Raises:
        UsageError: bytes that are not valid in this encoding, binary data, or a line of more than `max_length`
            characters.
    """
    decoder = codecs.getincrementaldecoder(codec)()
    passed, rest, ended = 0, "", False
    while not ended:
        text = _decode_chunk(name, binary, decoder, codec, passed + 1)
        ended = not text
        # The last line waits for the next chunk even if it looks complete: a \r at its end may be half of a \r\n.
        ready = list(io.StringIO(rest + text, newline=""))
        if "\ufeff" in text:
            ready = [line.removeprefix("\ufeff") for line in ready]
        rest = ready.pop() if ready and not ended else ""
        if ended and ready:
            ready[-1:] = [line for line in [ready[-1].rstrip(_END_OF_FILE)] if line]
        _check_lines(name, [*ready, rest], passed, max_length, binary_data="\0" in text)
        passed += len(ready)
        yield ready


def _decode_chunk(name: str, binary: io.RawIOBase, decoder: codecs.IncrementalDecoder, codec: str, line: int) -> str:
    """The next characters, which begin in `line`; empty only at the end of the list."""
    while True:
        chunk = binary.read(_CHUNK_BYTES) or b""
        try:
            text = decoder.decode(chunk, not chunk)
        except UnicodeError as error:
            if isinstance(error, UnicodeDecodeError):
                line += error.object.count(b"\n", 0, error.start)
            problem = f"is not valid {codec.removesuffix('-sig')}; fix the file or pass --encoding"
            raise UsageError(f"{name}: line {line} {problem}.") from error
        if text or not chunk:
            return text


def _check_lines(name: str, lines: list[str], passed: int, max_length: int, *, binary_data: bool) -> None:
    if binary_data:
        number = next(n for n, line in enumerate(lines, passed + 1) if "\0" in line)
        raise UsageError(f"{name}: line {number} contains binary data; this is not a text list.")
    if max(map(len, lines)) > max_length:
        number = next(n for n, line in enumerate(lines, passed + 1) if len(line) > max_length)
        raise UsageError(
            f"{name}: line {number} is longer than {max_length:,} characters; this is not a list of addresses."
        )

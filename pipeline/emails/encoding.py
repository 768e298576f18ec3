"""In which encoding the bytes of a list are: what is certain first, then what is plain, then a guess that is said.

A byte order mark is certain. A whole file that is valid UTF-8 is UTF-8: no other text is by chance. Zeros in every
second byte are UTF-16. What is left is a guess, and a guess of names is seen by nobody: so Windows-1252 is taken only
for what is plainly Western European, and the rest is refused. Detection by statistics (charset-normalizer) was tried
on lists in twelve languages: a few names among addresses are too little for it, and it took Spanish and French for
Polish, and Japanese for Korean, without a doubt.
"""

from __future__ import annotations

import codecs
import io
import logging
import re
from dataclasses import dataclass, field

from pipeline.errors import UsageError

logger = logging.getLogger(__name__)

_SAMPLE_BYTES = 1 << 16
_CHUNK_BYTES = 1 << 20
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_CONTROLS = bytes({*range(0x20)} - {*b"\t\n\v\f\r\x1a"})
"""Bytes that no text has, whatever the encoding; 1A ends texts of DOS."""
_NOT_IN_1252 = b"\x81\x8d\x8f\x90\x9d"
_HIGH = bytes(range(0x80, 0x100))
_HIGH_RUN = re.compile(rb"[\x80-\xff]{3,}")
_BY_CHANCE = 0.1
"""Accents of another encoding that are UTF-8 by chance, as a share, at the very most."""
_MANY = 100_000
"""Bytes above 7F that tell a script as well as all of them do."""
_MAX_RUN_SHARE = 0.6
"""Hardly a Western European word has three accents in a row; in other scripts nearly every letter is a high byte."""
_BINARY = {
    b"PK\x03\x04": "a workbook or a ZIP file; name a workbook .xlsx, or export it as CSV",
    b"\xd0\xcf\x11\xe0": "a workbook of an old kind; export it as CSV",
    b"\x1f\x8b": "a gzip file; name it .csv.gz, .txt.gz or .jsonl.gz",
    b"\x28\xb5\x2f\xfd": "a Zstandard file; name it .csv.zst, .txt.zst or .jsonl.zst",
    b"PAR1": "a Parquet file; name it .parquet",
    b"%PDF": "a PDF file; export the list as CSV",
}


@dataclass(slots=True)
class Facts:
    """What the bytes of a list are like.

    Attributes:
        start: the first 64 KiB.
        known: the codec that a byte order mark or zeros there show, or empty; if there is one, no more is noted.
        broken: how many bytes are not UTF-8, and `broken_line` the line of the first, from 1.
        multibyte: how many characters are UTF-8 of more than one byte.
        high, in_runs: how many bytes are above 7F, and how many of them stand three or more in a row; of the first
            that are, once some byte is not UTF-8.
        controls: how many are control characters, zeros included; `odd`: how many Windows-1252 does not know.
    """

    start: bytes = b""
    known: str | None = None
    broken: int = 0
    broken_line: int = 0
    multibyte: int = 0
    high: int = 0
    in_runs: int = 0
    controls: int = 0
    odd: int = 0
    _lines: int = 1
    _utf_8: codecs.IncrementalDecoder = field(
        default_factory=lambda: codecs.getincrementaldecoder("utf-8")("surrogateescape")
    )

    def add(self, chunk: bytes, *, last: bool = False) -> None:
        """Take note of the next bytes; `last` also of what the end cuts off."""
        if len(self.start) < _SAMPLE_BYTES:
            self.start += chunk[: _SAMPLE_BYTES - len(self.start)]
        self.controls += len(chunk) - len(chunk.translate(None, _CONTROLS))
        if self.known is None:
            self.known = _marked(self.start) or _utf_16(self.start) or ""
        if not self.known and (last or self._utf_8.getstate()[0] or not chunk.isascii()):
            self._add_high(chunk, last=last)
        self._lines += chunk.count(b"\n")

    def _add_high(self, chunk: bytes, *, last: bool) -> None:
        text = self._utf_8.decode(chunk, last)
        high = len(chunk) - len(chunk.translate(None, _HIGH))
        broken = 0
        try:
            text.encode()
        except UnicodeEncodeError as error:
            if not self.broken:
                self.broken_line = self._lines + text.count("\n", 0, error.start)
            broken = len(text) - len(text.encode(errors="ignore").decode())
        self.broken += broken
        self.multibyte += len(text) - (len(chunk) - high) - broken
        self.odd += len(chunk) - len(chunk.translate(None, _NOT_IN_1252))
        if self.broken and self.high < _MANY:
            self.high += high
            self.in_runs += sum(map(len, _HIGH_RUN.findall(chunk)))


def facts(binary: io.RawIOBase) -> Facts:
    """What the bytes of a list are like, from the first to the last.

    Raises:
        UsageError: a packed list is damaged.
        OSError: it cannot be read.
    """
    found = Facts()
    buffered = io.BufferedReader(binary, _CHUNK_BYTES)  # whole chunks, so that the first shows what the list is
    while chunk := buffered.read(_CHUNK_BYTES):
        found.add(chunk)
    found.add(b"", last=True)
    return found


def encoding(name: str, found: Facts, stated: str | None) -> str:
    """The codec for the list called `name`; a byte order mark counts more than what was `stated`.

    Raises:
        UsageError: it is no text, damaged UTF-8, or in an encoding that cannot be told.
    """
    for magic, what in _BINARY.items():
        if found.start.startswith(magic):
            raise UsageError(f"{name}: this is {what}.")
    if marked := _marked(found.start):
        shown = marked.removesuffix("-sig")
        if stated and shown not in stated:
            logger.warning("%s: a byte order mark says %s, which is taken in place of %s.", name, shown, stated)
        return marked
    if stated:
        return stated
    if found.known:
        return found.known
    if not found.broken:
        return "utf-8"
    return _single_byte(name, found)


def _marked(start: bytes) -> str | None:
    """The codec that a byte order mark stands for."""
    return next((codec for mark, codec in _MARKS.items() if start.startswith(mark)), None)


def _utf_16(start: bytes) -> str | None:
    """UTF-16 without a mark: zeros are frequent in one half of the byte pairs and all but absent in the other."""
    pairs = len(start) // 2
    even, odd = start[0 : pairs * 2 : 2].count(0), start[1 : pairs * 2 : 2].count(0)
    few, many = sorted((even, odd))
    if not pairs or many < 0.3 * pairs or few > 0.1 * many:
        return None
    return "utf-16-le" if odd == many else "utf-16-be"


def _single_byte(name: str, found: Facts) -> str:
    """Windows-1252, or Latin-1 where it has no character for a byte.

    Raises:
        UsageError: it is binary data, mostly UTF-8, or not plainly Western European.
    """
    where = f"{name}: line {found.broken_line}"
    if found.controls:
        raise UsageError(f"{where} is not UTF-8, and there is binary data; this is not a text list.")
    damaged = UsageError(f"{where} is damaged UTF-8; mend it, or state --encoding to read it as something else.")
    if found.multibyte > found.broken:
        raise damaged
    if found.in_runs > _MAX_RUN_SHARE * found.high:
        raise UsageError(
            f"{where} is in an encoding that cannot be told; state --encoding, such as cp1251, shift_jis or gb18030."
        )
    if found.multibyte > _BY_CHANCE * found.broken:
        raise damaged  # two lists in one, of which half would come out wrong either way
    codec = "iso8859-1" if found.odd else "cp1252"
    logger.warning(
        "%s is not UTF-8 and is read as %s, a guess; look at the accents in the result, or state --encoding.",
        where,
        codec,
    )
    return codec

"""Addresses replaced where they are mentioned in other people's data, in whatever way they are escaped there."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from pipeline.privacy.needles import GOES_ON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.outcomes import Answer, RowOutcome
    from pipeline.privacy.needles import Needles

ERASED = "[erased]"
"""What stands in the place of an address."""
_NAMED = {"@": "commat", "+": "plus", ".": "period", "'": "apos", '"': "quot", "_": "lowbar", "&": "amp"}
_ESCAPE = rb"\\{1,7}"
_INVISIBLE = rb"(?:\xc2\xad|\xe2\x80[\x8b-\x8f]|\xe2\x81[\xa0-\xa4]|\xef\xbb\xbf)*"
_SEPARATING = frozenset("nrtbf/\"'")


def redacted(raw: bytes, needles: Needles) -> bytes:
    """The bytes without those addresses that are mentioned in them; what is encoded as a whole, as in base64, stays."""
    for key in sorted(needles.in_bytes(raw), key=len, reverse=True):
        raw = _pattern(key).sub(lambda match: _replacement(match, raw), raw)  # noqa: B023 - called at once
    return raw


def redacted_text(text: str | None, needles: Needles) -> str | None:
    """The same of a text."""
    if text is None or not needles.in_text(text):
        return text
    return redacted(text.encode(errors="surrogatepass"), needles).decode(errors="surrogatepass")


def redacted_answer(answer: Answer, needles: Needles) -> Answer:
    """An answer of somebody else without those addresses in its body and its message."""
    mentioned = answer.body is not None and needles.in_bytes(answer.body)
    if not mentioned and not (answer.message and needles.in_text(answer.message)):
        return answer
    body = redacted(answer.body, needles) if answer.body is not None else None
    return msgspec.structs.replace(answer, body=body, message=redacted_text(answer.message, needles))


def redacted_row(row: RowOutcome, needles: Needles) -> RowOutcome:
    """A row of somebody else without those addresses in its message."""
    if not (row.message and needles.in_text(row.message)):
        return row
    return msgspec.structs.replace(row, message=redacted_text(row.message, needles))


def redacted_cell(row: RowOutcome, needles: Needles) -> RowOutcome:
    """A row of somebody else without those addresses in the cell of its list, as in a name before its own address."""
    if row.given is None or row.given == row.email or not needles.in_text(row.given):
        return row
    return msgspec.structs.replace(row, given=redacted_text(row.given, needles))


def redacted_column(column: pa.Array[Any], needles: Needles) -> pa.Array[Any]:
    """A column of strings or bytes without those addresses."""
    found = needles.in_column(column)
    if not found:
        return column
    values = column.to_pylist()
    for number in found:
        value = values[number]
        values[number] = redacted(value, needles) if isinstance(value, bytes) else redacted_text(value, needles)
    made: pa.Array[Any] = pa.array(values, column.type)
    return made


def _replacement(match: re.Match[bytes], raw: bytes) -> bytes:
    return ERASED.encode() if _is_whole(raw, match.start(), match.end()) else match[0]


def _is_whole(raw: bytes, start: int, end: int) -> bool:
    """Whether what stands there is the whole address, rather than a part of a longer one."""
    before = raw[max(0, start - 12) : start].decode(errors="replace")
    if len(before) > 1 and before[-2] == "\\" and before[-1] in _SEPARATING:
        before = ""  # an escaped line end or quote
    after = raw[end : end + 12].decode(errors="replace")
    if before and (before[-1].isalnum() or (before[-1] in "._+-" and len(before) > 1 and before[-2].isalnum())):
        return False
    return not GOES_ON.match(after)


@lru_cache(4_096)
def _pattern(key: str) -> re.Pattern[bytes]:
    """An address with each character written as it is, in either case, or escaped in any way."""
    return re.compile(_INVISIBLE.join(b"(?:%s)" % b"|".join(_forms(character)) for character in key), re.DOTALL)


def _forms(character: str) -> Iterator[bytes]:
    seen: set[str] = set()
    for case in (character, character.upper(), character.lower(), character.title()):
        for written in (case, unicodedata.normalize("NFD", case)):
            if written not in seen:
                seen.add(written)
                yield from _written(written)


def _written(text: str) -> Iterator[bytes]:
    if text in "\"'\\":
        yield rb"\\{0,7}" + re.escape(text.encode())
        yield re.escape(text.encode()) * 2
    yield re.escape(text.encode())
    units = text.encode("utf-16-be", errors="surrogatepass")
    pairs = [units[n : n + 2].hex().encode() for n in range(0, len(units), 2)]
    yield b"".join(_ESCAPE + b"u(?i:%s)" % pair for pair in pairs)
    octets = [b"%02x" % byte for byte in text.encode(errors="surrogatepass")]
    yield b"".join(b"%%(?:25)*(?i:%s)" % octet for octet in octets)
    yield b"".join(b"=(?i:%s)" % octet for octet in octets)
    yield b"".join(_ESCAPE + b"x(?i:%s)" % octet for octet in octets)
    yield b"".join(rb"&(?:amp;)*#(?:0*%d|[xX]0*(?i:%x));?" % (ord(one), ord(one)) for one in text)
    if text in _NAMED:
        yield rb"&(?:amp;)*%s;" % _NAMED[text].encode()
    if text == "@":
        yield rb"\+AEA-"

"""Text as it may stand in a file: escaped for JSON, URLs, HTML or mail, in UTF-16 or UTF-32, as base64 or hexadecimal.

`readings` undoes one layer after the other; what an address looks like in the end is the same for all of them.
"""

from __future__ import annotations

import binascii
import html
import quopri
import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import unquote

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

ESCAPED_AT = (
    *(b"\\u0040", b"\\x40", b"\\100", b"%40", b"%2540", b"=40", b"+AEA-"),
    *(b"&#64", b"&#064", b"&#x40", b"&#X40", b"&commat"),
)
"""An at sign where it is escaped; what begins with one of these is decoded before it is looked at."""
ENCODINGS = (
    *("UTF-8", "UTF-16", "UTF-32", "JSON escapes", "JSON within JSON", "percent-encoding", "HTML references"),
    *("quoted-printable", "base64", "base64url", "hexadecimal", "UTF-7", "decomposed Unicode", "any case"),
)
"""What is undone, in words."""
BASE64_BYTES = 14
"""The shortest run of base64 that is decoded: that of ten bytes, and few addresses are shorter."""
_ROUNDS = 3
"""Layers that are undone one after the other, as of JSON within JSON within a URL."""
_MAX_READINGS = 64
_JSON = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|x([0-9A-Fa-f]{2})|([0-7]{3})|(.))", re.DOTALL)
_JSON_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{BASE64_BYTES},}}")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}){8,}")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff]")
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def readings(raw: bytes) -> Iterator[str]:
    """Every text that the bytes may stand for, in Unicode NFC; the text itself comes first."""
    seen: set[str] = set()
    layer = [*_texts(raw)]
    for _ in range(_ROUNDS + 1):
        following: list[str] = []
        for text in layer:
            if text in seen or len(seen) >= _MAX_READINGS:
                continue
            seen.add(text)
            yield _composed(text)
            following += _undone(text)
        layer = following


def _texts(raw: bytes) -> Iterator[str]:
    """The bytes as text: UTF-8, or where that does not fit Latin-1; with zero bytes in it also the wide encodings."""
    yield raw.decode(errors="replace")
    if not raw.isascii():
        yield raw.decode("latin-1")
    if b"\0" in raw:
        yield raw.replace(b"\0", b"").decode(errors="replace")
        for name in _WIDE:
            for start in range(4 if "32" in name else 2):
                yield raw[start:].decode(name, errors="ignore")


def _undone(text: str) -> Iterator[str]:
    """The text with one layer of escapes removed, once for each kind of which there are any."""
    yield from (undo(text) for mark, undo in _UNDONE.items() if mark in text)
    for run in _BASE64.findall(text):
        for content in decoded_base64(run.encode()):
            if b"@" in content:
                yield content.replace(b"\0", b"").decode(errors="replace")
    for run in _HEX.findall(text):
        if "40" in run:
            yield bytes.fromhex(run).decode(errors="replace")


def decoded_base64(run: bytes) -> Iterator[bytes]:
    """What a run of base64 stands for, wherever in it the encoded text begins."""
    standard = run.translate(_STANDARD)
    for start in range(4):
        part = standard[start:]
        yield binascii.a2b_base64(part[: len(part) - (len(part) % 4 == 1)] + b"==")


def long_words(raw: bytes) -> Iterator[tuple[int, int]]:
    """Start and end of each word that may be base64, or hexadecimal, with an address in it.

    An at sign in base64 always gives a capital letter; so most of the words that are this long are dismissed at once.
    """
    if len(raw) < BASE64_BYTES:
        return
    characters = np.frombuffer(raw, np.uint8)
    runs, length = _IN_WORD[characters], 1
    while length < BASE64_BYTES:  # a run of n, and one of n that begins up to n later, are one of up to 2n
        step = min(length, BASE64_BYTES - length)
        runs = runs[:-step] & runs[step:]
        length += step
    windows = np.flatnonzero(runs)
    if not len(windows):
        return
    breaks = np.flatnonzero(np.diff(windows) > 1)
    starts = windows[np.concatenate(([0], breaks + 1))]
    ends = windows[np.concatenate((breaks, [len(windows) - 1]))] + BASE64_BYTES
    limits = np.minimum(np.column_stack((starts, ends)).ravel(), len(raw) - 1)
    has_capital = np.logical_or.reduceat(_IS_CAPITAL[characters], limits)[::2]
    is_hexadecimal = np.logical_and.reduceat(_IS_HEX[characters], limits)[::2]
    wanted = has_capital | is_hexadecimal
    yield from zip(starts[wanted].tolist(), ends[wanted].tolist(), strict=True)


def _kind(characters: bytes) -> NDArray[np.bool_]:
    """Which of all bytes are among these."""
    return np.isin(np.arange(256), np.frombuffer(characters, np.uint8))


_IN_WORD = _kind(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-")
_IS_CAPITAL, _IS_HEX = _kind(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"), _kind(b"0123456789abcdefABCDEF")


def _unescaped(match: re.Match[str]) -> str:
    unicode, two, octal, letter = match.groups()
    if letter is not None:
        return _JSON_LETTERS.get(letter, letter)
    return chr(int(octal, 8) if octal else int(unicode or two, 16))


def _composed(text: str) -> str:
    if text.isascii():
        return text
    joined = text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace")  # halves of a pair
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", joined))


def _mail(text: str) -> str:
    return quopri.decodestring(text.encode(errors="surrogatepass")).decode(errors="replace")


_UNDONE: dict[str, Callable[[str], str]] = {
    "\\": lambda text: _JSON.sub(_unescaped, text),
    "%": unquote,
    "+": lambda text: unquote(text.replace("+", " ")),
    "&": html.unescape,
    "=": _mail,
    '""': lambda text: text.replace('""', '"'),
    "''": lambda text: text.replace("''", "'"),
    "+AEA-": lambda text: text.replace("+AEA-", "@"),
}
"""What removes a layer of escapes, by the mark without which there are none."""

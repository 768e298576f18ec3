"""Bytes in, lines of text out: decoded as a stream, none too long, none with binary data in it."""

from __future__ import annotations

import codecs
import io
import itertools
from typing import TYPE_CHECKING, TypeVar

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

MAX_LINE = 1 << 18
"""Characters in the longest line that is read; what goes on beyond that is no list, and must not fill the memory."""
_CHUNK_BYTES = 1 << 17
_SAMPLE_ITEMS = 200
_SAMPLE_CHARACTERS = 1 << 20

_Item = TypeVar("_Item")


def lines(name: str, binary: io.RawIOBase, codec: str, *, longest: int = MAX_LINE) -> Iterator[str]:
    r"""The lines of a text, with their ends (`\n`, `\r\n` or `\r`), without a byte order mark.

    Raises:
        UsageError: bytes that are no text in this encoding, binary data, or a line longer than `longest` characters.
    """
    decoder = codecs.getincrementaldecoder(codec)()
    passed, rest, ended = 0, "", False
    while not ended:
        text = _decoded(name, binary, decoder, codec, passed + 1)
        ended = not text
        if not passed and not rest:
            text = text.removeprefix("\ufeff")
        # The last line goes around once more even if it looks whole: a \r at the end may be half of a \r\n.
        ready = list(io.StringIO(rest + text, newline=""))
        rest = ready.pop() if ready and not ended else ""
        if "\0" in text:
            _refuse_binary(name, ready, rest, passed)
        _check(name, ready, rest, passed, longest)
        passed += len(ready)
        yield from ready


def _decoded(name: str, binary: io.RawIOBase, decoder: codecs.IncrementalDecoder, codec: str, line: int) -> str:
    """The next characters, which begin in `line`; empty only at the end of the list."""
    while True:
        try:
            chunk = binary.read(_CHUNK_BYTES) or b""
        except OSError as error:
            raise UsageError(f"{name}: reading stopped in line {line} ({error.strerror}).") from error
        try:
            text = decoder.decode(chunk, not chunk)
        except UnicodeError as error:
            if isinstance(error, UnicodeDecodeError):
                line += error.object.count(b"\n", 0, error.start)
            shown = codec.removesuffix("-sig")
            raise UsageError(f"{name}: line {line} is no {shown} text; mend it, or state --encoding.") from error
        if text or not chunk:
            return text


def _check(name: str, ready: list[str], rest: str, passed: int, longest: int) -> None:
    if max(map(len, ready), default=0) > longest or len(rest) > longest:
        line = next(n for n, text in enumerate((*ready, rest), passed + 1) if len(text) > longest)
        raise UsageError(f"{name}: line {line} is longer than {longest:,} characters; this is not a list of addresses.")


def _refuse_binary(name: str, ready: list[str], rest: str, passed: int) -> None:
    line = next(n for n, text in enumerate((*ready, rest), passed + 1) if "\0" in text)
    raise UsageError(f"{name}: binary data in line {line}; this is not a text list.")


def nothing_in(name: str) -> UsageError:
    """What is said of a list with nothing in it."""
    return UsageError(f"{name}: the list is empty.")


def some(items: Iterator[_Item], size: Callable[[_Item], int]) -> Iterator[_Item]:
    """The first of these: as many as are looked at to find out how a list is to be read."""
    characters = 0
    for item in itertools.islice(items, _SAMPLE_ITEMS):
        yield item
        characters += size(item)
        if characters > _SAMPLE_CHARACTERS:
            return


def picked(lines_: Iterator[int], rows: Collection[int]) -> dict[int, int]:
    """Of the lines of all rows those of some; nothing is read behind the last of them."""
    return {row: line for row, line in enumerate(itertools.islice(lines_, max(rows, default=0)), 1) if row in rows}

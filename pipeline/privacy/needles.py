"""Addresses looked for in text and bytes, in whatever way they are encoded there.

The time does not depend on how many addresses are looked for: each at sign is looked at once, and what stands around it
is looked up. Nearly all of them are dismissed, or recognised, without decoding anything.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.privacy.encodings import ESCAPED_AT, decoded_base64, long_words, readings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_BEFORE, _AFTER = 900, 2_400
"""Bytes around an at sign that may belong to an address; each character may take a dozen."""
_PLAIN_DOMAIN = re.compile(rb"[A-Za-z0-9.-]*")
_PLAIN_NAME = re.compile(rb"[A-Za-z0-9.!#$'*+/?^_`{|}~-]*")
"""What a local part has before nothing is escaped in it, read backwards."""
_ODD = frozenset(b'\\%&="') | frozenset(range(0x80, 0x100))
"""Bytes next to a plain word that may belong to it once they are decoded."""
_CONTINUED = re.compile(
    rb"\\\\*[ux0-7]|%[0-9A-Fa-f]{2}|&(?:#|[A-Za-z]+;)|=[0-9A-Fa-f\r\n]{1,2}|\xe2[\x80\x81]|\xc2\xad|\xef\xbb\xbf"
)
"""How a domain may go on that is escaped, or has something invisible in it."""
_QUOTE = ord('"')
_DOMAIN = re.compile(r"[\w.-]+")
GOES_ON = re.compile(
    r"[^\W_]|\.(?!(?:csv|tsv|txt|jsonl?|xlsx?|parquet|zip|gz|html?|pdf|eml|vcf|log|png|jpe?g)(?![^\W_]))[^\W_]",
    re.IGNORECASE,
)
"""What after a domain makes it another one; the endings of files are no domains."""
_MAX_SEEN = 50_000
_LONGEST = 80
"""Bytes of a local part, or of a word, that is dealt with quickly."""
_LONGER = re.compile(r"[^\W_]")
_HEX = re.compile(rb"(?:[0-9A-Fa-f]{2})+")
_AT_SIGNS = re.compile(rb"@|40|AEA|#0?64|&c|\\100")
"""An at sign, and something of each in `ESCAPED_AT`."""
_ADDRESS_ALONE = r"^[A-Za-z0-9.!#$'*+/?^_`{|}~-]+@[A-Za-z0-9.-]+$"
"""A value that is a plain address and nothing else, as in most columns that have addresses at all."""


class Needles:
    """The addresses that are looked for.

    Args:
        keys: as `emails.address.key` gives them.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self.keys = frozenset(keys)
        by_domain: defaultdict[str, set[str]] = defaultdict(set)
        for key in self.keys:
            name, _, domain = key.rpartition("@")
            by_domain[domain].add(name)
        self._names = dict(by_domain)
        self._lengths = {domain: sorted({len(name) for name in names}) for domain, names in by_domain.items()}
        self._is_ascii = all(domain.isascii() for domain in by_domain)
        self._plain_keys = pa.array(sorted(key for key in self.keys if key.isascii()), pa.string())
        self._has_quotes = any('"' in key for key in self.keys)
        self._plain_names = {
            domain.encode(): (self._lengths[domain], {name.encode() for name in names})
            for domain, names in by_domain.items()
        }
        self._domains_seen: dict[bytes, bool] = {}
        self._words_seen: set[bytes] = set()
        self._plain_domains = {domain.encode() for domain in by_domain}

    def in_bytes(self, raw: bytes) -> set[str]:
        """The keys of the addresses in some bytes."""
        return {key for _, key in self._found(raw, [0, len(raw)])} if self.keys else set()

    def in_text(self, text: str) -> set[str]:
        """The keys of the addresses in a text that is not encoded."""
        return self.in_bytes(text.encode(errors="surrogatepass"))

    def in_column(self, column: pa.Array[Any] | pa.ChunkedArray[Any]) -> dict[int, set[str]]:
        """The keys of the addresses in each value of a column of strings or bytes, by the number of the value."""
        found: defaultdict[int, set[str]] = defaultdict(set)
        first = 0
        for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
            for row, key in self._in_chunk(chunk):
                found[first + row].add(key)
            first += len(chunk)
        return dict(found)

    def _in_chunk(self, chunk: pa.Array[Any]) -> Iterator[tuple[int, str]]:
        if not self.keys or chunk.null_count == len(chunk):
            return
        kind: Any = chunk.type
        if pa.types.is_dictionary(kind):
            chunk = chunk.cast(kind.value_type)
        # A value that is there a thousand times is looked at once.
        encoded: Any = chunk.dictionary_encode()
        found = self._in_values(encoded.dictionary)
        if found:
            mask = pc.is_in(encoded.indices, value_set=pa.array(sorted(found), encoded.indices.type))
            for row in pc.call_function("indices_nonzero", [mask]).to_pylist():
                yield from ((row, key) for key in found[encoded.indices[row].as_py()])

    def _in_values(self, values: pa.Array[Any]) -> dict[int, set[str]]:
        """The keys of the addresses in each of some values that are not null."""
        found: defaultdict[int, set[str]] = defaultdict(set)
        if not pa.types.is_binary(values.type) and not pa.types.is_large_binary(values.type):
            alone: Any = pc.match_substring_regex(values, _ADDRESS_ALONE)
            lowered = pc.call_function("ascii_lower", [values]).cast(pa.string())
            theirs = pc.and_(alone, pc.is_in(lowered, value_set=self._plain_keys))
            for row in pc.call_function("indices_nonzero", [theirs]).to_pylist():
                found[row].add(lowered[row].as_py())
            values = pc.call_function("if_else", [alone, pa.scalar("", values.type), values])
        raw, starts = _joined(values)
        for at, key in self._found(raw, starts):
            found[bisect_right(starts, at) - 1].add(key)
        return found

    def _found(self, raw: bytes, starts: Sequence[int], depth: int = 2) -> Iterator[tuple[int, str]]:
        """Where in the bytes which addresses are; `starts` are the starts of the values in them, and one more."""
        at = raw.find(b"@")
        while at >= 0:
            if self._may_be(raw, at) and not self._is_other(raw, at):
                yield from self._around(raw, at, starts)
            at = raw.find(b"@", at + 1)
        for escaped in ESCAPED_AT:
            at = raw.find(escaped)
            while at >= 0:
                yield from self._around(raw, at, starts)
                at = raw.find(escaped, at + 1)
        if depth:
            yield from self._in_words(raw, depth)
        if b"\0" in raw:
            yield from self._in_wide(raw, starts)

    def _may_be(self, raw: bytes, at: int) -> bool:
        """Whether the plain at sign there may belong to one of the addresses; True if that takes decoding."""
        match = _PLAIN_DOMAIN.match(raw, at + 1)
        end = match.end() if match else at + 1
        if _CONTINUED.match(raw, end) or (not self._is_ascii and end < len(raw) and raw[end] >= 0x80):
            return True
        domain = raw[at + 1 : end]
        known = self._domains_seen.get(domain)
        if known is None:
            lowered = domain.lower()
            known = any(lowered[:cut] in self._plain_domains for cut in (len(lowered), *_cuts(lowered)))
            if len(self._domains_seen) >= _MAX_SEEN:
                self._domains_seen.clear()
            self._domains_seen[domain] = known
        return known

    def _is_other(self, raw: bytes, at: int) -> bool:
        """Whether the plain at sign there surely belongs to somebody else: neither name nor domain is escaped."""
        match = _PLAIN_DOMAIN.match(raw, at + 1)
        known = self._plain_names.get(match[0].lower()) if match else None
        before = _PLAIN_NAME.match(raw[max(0, at - _LONGEST) : at][::-1])
        length = before.end() if before else 0
        if known is None or not 0 < length < _LONGEST:
            return False
        mark = raw[at - length - 1] if length < at else _QUOTE
        if (mark in _ODD and mark != _QUOTE) or (mark == _QUOTE and self._has_quotes):
            return False
        name = raw[at - length : at].lower()
        return not any(name[length - one :] in known[1] for one in known[0] if one <= length)

    def _around(self, raw: bytes, at: int, starts: Sequence[int]) -> Iterator[tuple[int, str]]:
        """The addresses around an at sign, as far as the value goes that it is in."""
        row = bisect_right(starts, at) - 1
        start, end = max(starts[row], at - _BEFORE), min(starts[row + 1], at + _AFTER)
        quick = self._plain_at(raw[start:at], raw[at:end])
        if quick is not None:
            yield from ((at, key) for key in quick)
            return
        for text in readings(raw[start:end]):
            for key in self._in_reading(text):
                yield at, key

    def _plain_at(self, before: bytes, after: bytes) -> tuple[str, ...] | None:
        """The address at a plain at sign if nothing around it is escaped; None if something may be."""
        name = _PLAIN_NAME.match(before[::-1])
        if not after.startswith(b"@") or name is None:
            return None
        if name.end() < len(before) and before[-1 - name.end()] in _ODD and not _quote_only(before, name.end()):
            return None
        match = _PLAIN_DOMAIN.match(after, 1)
        end = match.end() if match else 1
        if name.end() == 0 or (end < len(after) and after[end] in _ODD and after[end] != _QUOTE):
            return None
        text = (name[0][::-1] + after[:end]).decode()
        return tuple(self._in_reading(text))

    def _in_reading(self, text: str) -> Iterator[str]:
        """The addresses in a text that is decoded."""
        lowered = text.lower()
        at = lowered.find("@")
        while at >= 0:
            match = _DOMAIN.match(lowered, at + 1)
            domain = match[0] if match else ""
            for cut in (len(domain), *_cuts(domain)):
                if domain[:cut] in self._names and _ends_there(lowered, at + 1 + cut):
                    yield from self._named(lowered, at, domain[:cut])
            at = lowered.find("@", at + 1)

    def _named(self, text: str, at: int, domain: str) -> Iterator[str]:
        for length in self._lengths[domain]:
            name = text[at - length : at] if length <= at else ""
            if name and name in self._names[domain] and _begins_there(text, at - length):
                yield f"{name}@{domain}"

    def _in_words(self, raw: bytes, depth: int) -> Iterator[tuple[int, str]]:
        """The addresses in long words, which may be base64 or hexadecimal, and where these begin."""
        if len(self._words_seen) > _MAX_SEEN:
            self._words_seen.clear()
        for start, end in long_words(raw):
            word = raw[start:end]
            if word in self._words_seen:
                continue
            contents = [*decoded_base64(word)]
            if b"40" in word and _HEX.fullmatch(word):
                contents.append(bytes.fromhex(word.decode()))
            found = {key for content in contents if _AT_SIGNS.search(content) for key in self._in(content, depth - 1)}
            yield from ((start, key) for key in found)
            if not found and len(word) <= _LONGEST:
                self._words_seen.add(word)

    def _in(self, raw: bytes, depth: int) -> set[str]:
        return {key for _, key in self._found(raw, [0, len(raw)], depth)}

    def _in_wide(self, raw: bytes, starts: Sequence[int]) -> Iterator[tuple[int, str]]:
        """The addresses in values with zero bytes, which may be UTF-16 or UTF-32."""
        for start, end in pairwise(starts):
            value = raw[start:end]
            if b"\0" not in value:
                continue
            narrow = value.replace(b"\0", b"")
            yield from ((start, key) for _, key in self._found(narrow, [0, len(narrow)]))
            if not all(key.isascii() for key in self.keys):
                for text in readings(value):
                    yield from ((start, key) for key in self._in_reading(text))


def _joined(chunk: pa.Array[Any]) -> tuple[bytes, list[int]]:
    """All values of a column one after the other, with a line feed between them, and where each of them starts."""
    values: Any = pc.fill_null(chunk.cast(pa.large_binary()), pa.scalar(b"", pa.large_binary()))
    lists = pa.LargeListArray.from_arrays(pa.array([0, len(values)], pa.int64()), values)
    raw: bytes = pc.call_function("binary_join", [lists, pa.scalar(b"\n", pa.large_binary())])[0].as_py()
    lengths = pc.call_function("binary_length", [values]).to_numpy(zero_copy_only=False)
    return raw, np.concatenate(([0], np.cumsum(lengths + 1))).tolist()


def _quote_only(before: bytes, length: int) -> bool:
    """Whether what stands before a plain word is a quote that is not escaped, so that the word begins there."""
    mark, escape = before[-1 - length], before[-2 - length : -1 - length]
    return mark == _QUOTE and escape != b"\\"


def _cuts(domain: Any) -> Iterator[int]:  # noqa: ANN401 - bytes or str alike
    """Where a domain may end before the word does: at a mark that no domain has there."""
    marks = "._-" if isinstance(domain, str) else b"._-"
    for position in range(len(domain) - 1, 0, -1):
        if domain[position] in marks:
            yield position


def _ends_there(text: str, end: int) -> bool:
    """Whether a domain ends there, rather than going on with another label."""
    return not GOES_ON.match(text, end)


def _begins_there(text: str, start: int) -> bool:
    """Whether a local part begins there, rather than being the end of a longer one."""
    if start == 0:
        return True
    if _LONGER.match(text[start - 1]):
        return False
    return not (text[start - 1] in "._%+-" and start > 1 and _LONGER.match(text[start - 2]))

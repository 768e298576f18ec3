"""Lists of JSON, one value a line: objects with the address under a key, or texts that are addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import msgspec

from pipeline.emails.columns import find_column
from pipeline.emails.lines import lines, nothing_in, picked, some
from pipeline.emails.reading import Detected, Shape
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import pyarrow as pa

    from pipeline.emails.reading import Reading
    from pipeline.emails.source import Source

_MAX_LINE = 1 << 24
"""Characters in the longest line: an object can hold a whole page."""
_MAX_KEYS = 10_000
"""Keys of all objects together; more are no columns but data, and must not fill the memory."""
_BARE = "column 1"
"""How the one column of a list of texts is called."""

_Decoded = TypeVar("_Decoded")
_Object = dict[str, msgspec.Raw]
_decode_object = msgspec.json.Decoder(_Object).decode
_decode_text = msgspec.json.Decoder(str).decode


class JsonLines:
    """One JSON value a line; blank lines are no rows. Values that are no texts stand as their JSON."""

    def __init__(self, source: Source, reading: Reading, codec: str) -> None:
        self._source, self._reading, self._codec = source, reading, codec
        self._detected: Detected | None = None
        self._keys: dict[str, None] | None = None
        self._bare = False

    def detected(self) -> Detected:
        """How the list is read."""
        if self._detected is None:
            sample = some(self._rows(), lambda row: sum(len(bytes(value)) for value in row[1].values()))
            self._detected = self._describe([row for _, row in sample])
        return self._detected

    def cells(self) -> Iterator[str]:
        """The value under the email key of each object; empty where it is null or absent."""
        key = self.detected().email_column
        if self._bare:
            yield from (self._text(number, row[key]) or "" for number, row in self._rows())
            return
        kind = msgspec.defstruct("Row", [("cell", msgspec.Raw, msgspec.Raw(b"null"))], rename={"cell": key})
        decode: Callable[[str], Any] = msgspec.json.Decoder(kind).decode  # passes over all other keys, twice as fast
        for number, line in self._lines():
            yield self._text(number, self._decoded(decode, number, line).cell) or ""

    def lines_of(self, rows: Collection[int]) -> dict[int, int]:
        """In which line of the list each of these rows is."""
        return picked((number for number, _ in self._lines()), rows)

    def shape(self) -> Shape:
        """How many objects and keys there are; objects may lack keys, so that none counts as ragged."""
        keys: dict[str, None] = {}
        count = 0
        for _, row in self._rows():
            count += 1
            if not row.keys() <= keys.keys():
                keys.update(dict.fromkeys(row))
                self._check_keys(keys)
        self._keys = keys
        return Shape(rows=count, width=len(keys), ragged=0, ragged_lines=())

    def batches(self, _width: int | None) -> Iterator[pa.RecordBatch]:
        """All values as texts, a column for each key of any object, in order of first appearance."""
        from pipeline.emails.batches import batches

        names = tuple(self._all_keys())
        return batches(([self._text(line, row.get(name)) for name in names] for line, row in self._rows()), names)

    def _all_keys(self) -> dict[str, None]:
        if self._keys is None:
            self.shape()
        return self._keys or {}

    def _check_keys(self, keys: dict[str, None]) -> None:
        if len(keys) > _MAX_KEYS:
            raise UsageError(f"{self._source.name}: the objects have more than {_MAX_KEYS:,} different keys.")

    def _describe(self, sample: list[_Object]) -> Detected:
        name, reading = self._source.name, self._reading
        keys = dict.fromkeys(key for row in sample for key in row)
        self._check_keys(keys)
        wanted = reading.email_column
        if wanted is not None and wanted not in keys and not self._bare:
            keys = self._all_keys()  # the stated key may be in later objects only
        titles = tuple(keys)
        cells = [[self._text(n, row.get(key)) or "" for key in titles] for n, row in enumerate(sample, 1)]
        column = 0 if self._bare else find_column(name, titles, cells, wanted)
        guessed = {"encoding": reading.encoding is None, "email_column": wanted is None and not self._bare}
        return Detected(
            form="jsonl",
            compression=self._source.packing,
            encoding=self._codec.removesuffix("-sig"),
            delimiter=None,
            header=not self._bare,
            columns=titles,
            email_column=titles[column],
            email_index=column,
            guessed=tuple(what for what, is_guess in guessed.items() if is_guess),
        )

    def _rows(self) -> Iterator[tuple[int, _Object]]:
        """The number of each line, and its object; a text or null is an object of one key."""
        first = True
        for number, line in self._lines():
            if first:
                first, self._bare = False, not line.lstrip().startswith(("{", "["))
            yield number, self._row(number, line)
        if first:
            raise nothing_in(self._source.name)

    def _lines(self) -> Iterator[tuple[int, str]]:
        """The number of each line that has something on it, and the line."""
        with self._source.opened() as binary:
            text = lines(self._source.name, binary, self._codec, longest=_MAX_LINE)
            yield from ((number, line) for number, line in enumerate(text, 1) if not line.isspace())

    def _row(self, number: int, line: str) -> _Object:
        if self._bare:
            value = line.strip()
            if value[0] != '"' and value != "null":
                self._refuse(number, None)
            row = {_BARE: msgspec.Raw(value.encode())}
            self._text(number, row[_BARE])
            return row
        return self._decoded(_decode_object, number, line)

    def _decoded(self, decode: Callable[[str], _Decoded], number: int, line: str) -> _Decoded:
        try:
            return decode(line)
        except (msgspec.DecodeError, RecursionError) as error:
            self._refuse(number, error)

    def _text(self, number: int, value: msgspec.Raw | None) -> str | None:
        """A value as text: a text as it is, null as None, anything else as its JSON."""
        if value is None:
            return None
        raw = bytes(value)
        if raw[:1] != b'"':
            return None if raw == b"null" else raw.decode()
        try:
            return _decode_text(raw)
        except (msgspec.DecodeError, UnicodeError) as error:
            self._refuse(number, error)

    def _refuse(self, number: int, error: Exception | None) -> NoReturn:
        kind = "JSON text" if self._bare else "JSON object"
        raise UsageError(
            f"{self._source.name}: line {number} is not a {kind}; a list of JSON has one object, or one text, a line."
        ) from error

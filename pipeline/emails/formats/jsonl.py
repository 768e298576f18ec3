"""JSON Lines (`.jsonl`, `.ndjson`): on each line an object with an address in it, or an address as a string."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pipeline.emails.columns import AmbiguousColumn, find_column, looks_like_address
from pipeline.emails.formats import ListFormat
from pipeline.emails.json_paths import address_paths, value_at
from pipeline.emails.options import Detected, RowCounts
from pipeline.emails.table import pick_numbers, sample, string_batches
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    import msgspec
    import pyarrow as pa

    Object = dict[str, msgspec.Raw]

_MAX_LINE = 1 << 24
"""Characters on the longest line: an object can hold a whole document."""
_MAX_KEYS = 10_000
"""Different keys of all objects; more of them are data rather than columns, and must not fill the memory."""
_LISTED_PATHS = 5
_LONE_SURROGATE = re.compile(r"\\u[dD][89abAB]..(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)\\u[dD][c-fC-F]")
"""The escape of half a character, which is no Unicode."""
_STRING_COLUMN = "column 1"
"""The name of the one column of a list of strings."""

_Decoded = TypeVar("_Decoded")


class JsonLines(ListFormat):
    """One JSON value on each line; blank lines are skipped. Values other than strings are given as their JSON."""

    name = "jsonl"
    suffixes = (".jsonl", ".ndjson")
    is_text = True
    max_line = _MAX_LINE

    def detected(self) -> Detected:
        """How the list is read."""
        return self._detected

    def cells(self) -> Iterator[str]:
        """The value under the email key of each object; empty if it is null or missing."""
        return (cell for _, cell in self.numbered_cells())

    def numbered_cells(self) -> Iterator[tuple[int, str]]:
        """The same, with the numbers of their lines."""
        import msgspec

        detected = self.detected()
        key = detected.email_column
        if key not in detected.columns:
            yield from ((number, self._nested_string(number, row, key)) for number, row in self._objects())
            return
        if self._has_strings:
            yield from ((number, self._to_string(number, row[key]) or "") for number, row in self._objects())
            return
        kind = msgspec.defstruct("Row", [("cell", msgspec.Raw, msgspec.Raw(b"null"))], rename={"cell": key})
        decode: Callable[[str], Any] = msgspec.json.Decoder(kind).decode  # skips all other keys: twice as fast
        for number, line in self._filled_lines():
            yield number, self._to_string(number, self._decode(decode, number, line).cell) or ""

    def line_numbers(self, rows: Collection[int]) -> dict[int, int]:
        """The line of each of these rows."""
        return pick_numbers((number for number, _ in self._filled_lines()), rows)

    def row_counts(self) -> RowCounts:
        """How many objects and keys there are; objects may lack keys, so none counts as ragged."""
        rows, keys = self._rows_and_keys
        return RowCounts(rows, len(keys))

    def batches(self, width: int | None) -> Iterator[pa.RecordBatch]:  # noqa: ARG002 - keys are columns
        """All values as strings, with a column for each key of any object, in order of first appearance."""
        names = self._rows_and_keys[1]
        rows = ([self._to_string(number, row.get(name)) for name in names] for number, row in self._objects())
        return string_batches(rows, names)

    @cached_property
    def _rows_and_keys(self) -> tuple[int, tuple[str, ...]]:
        """The number of objects, and their keys, from one pass over all of them."""
        keys: dict[str, None] = {}
        count = 0
        for _, row in self._objects():
            count += 1
            if not row.keys() <= keys.keys():
                keys.update(dict.fromkeys(row))
                self._check_keys(keys)
        return count, tuple(keys)

    def _check_keys(self, keys: Collection[str]) -> None:
        if len(keys) > _MAX_KEYS:
            raise self.error(f"the objects have more than {_MAX_KEYS:,} different keys")

    @cached_property
    def _has_strings(self) -> bool:
        """Whether the list consists of strings, as its first line shows."""
        line = next((line for _, line in self._filled_lines()), None)
        if line is None:
            self.check_may_be_empty()
        return not (line or "{").lstrip().startswith(("{", "["))

    @cached_property
    def _detected(self) -> Detected:
        first = list(sample(self._objects(), lambda row: sum(len(bytes(value)) for value in row[1].values())))
        if self._has_strings or not first:
            return self.describe((_STRING_COLUMN,), 0, header=False)
        keys = tuple(dict.fromkeys(key for _, row in first for key in row))
        self._check_keys(keys)
        wanted = self.options.email_column
        if wanted is not None and wanted not in keys:
            keys = self._rows_and_keys[1]  # the stated key may be in later objects only
            head = next((n for n, key in enumerate(keys) if wanted.startswith(f"{key}.")), None)
            if head is not None and wanted not in keys and any(map(self._has_nested, self._objects())):
                return replace(self.describe(keys, head, header=True), email_column=wanted)
        email_index = self._find_key(keys, first, wanted)
        return self.describe(keys, email_index, header=True, guessed=("email_column",))

    def _find_key(self, keys: Sequence[str], first: list[tuple[int, Object]], wanted: str | None) -> int:
        """The index of the email key.

        Raises:
            UsageError: there is none, or it holds no addresses but objects or lists with addresses in them; the message
                names their paths.
        """
        cells = [[self._to_flat_string(number, row.get(key)) for key in keys] for number, row in first]
        paths = address_paths(self._decoded(number, row) for number, row in first)
        try:
            found = find_column(self.source.name, keys, cells, wanted)
        except AmbiguousColumn:
            raise
        except UsageError:
            if wanted is None and paths:
                self._refuse_nested(paths)
            raise
        if wanted is not None:
            paths = [path for path in paths if path.startswith(f"{keys[found]}.")]
        if paths and not any(looks_like_address(row[found]) for row in cells):
            self._refuse_nested(paths)
        return found

    def _refuse_nested(self, paths: Sequence[str]) -> NoReturn:
        names = ", ".join(path[:60] for path in paths[:_LISTED_PATHS])
        raise self.error(f"the addresses are within objects; pass --email-column with their path: {names}")

    def _has_nested(self, numbered: tuple[int, Object]) -> bool:
        """Whether an object has a value at the stated path."""
        return bool(self._nested_string(*numbered, self.options.email_column or ""))

    def _nested_string(self, number: int, row: Object, path: str) -> str:
        """The value at a path, as `_to_string` gives it; empty if there is none."""
        import msgspec

        value = value_at(self._decoded(number, {key: row[key] for key in row if path.startswith(f"{key}.")}), path)
        if value is None or isinstance(value, str):
            return value or ""
        return msgspec.json.encode(value).decode()

    def _decoded(self, number: int, row: Object) -> dict[str, object]:
        """The values of an object."""
        import msgspec

        try:
            return {key: msgspec.json.decode(value) for key, value in row.items()}
        except ValueError as error:
            raise self.error(f"line {number} begins like an object, but is not valid JSON") from error
        except RecursionError as error:
            raise self.error(f"line {number} is nested too deeply") from error

    def _filled_lines(self) -> Iterator[tuple[int, str]]:
        """Every line that is not blank, with its number."""
        return ((number, line) for number, line in enumerate(self.lines(), 1) if not line.isspace())

    def _objects(self) -> Iterator[tuple[int, Object]]:
        """The object on each line, with the line's number; a string, or null in its place, is an object of one key."""
        import msgspec

        decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
        has_strings = self._has_strings
        for number, line in self._filled_lines():
            if not has_strings:
                yield number, self._decode(decode, number, line)
                continue
            value = line.strip()
            if value[0] != '"' and value != "null":
                self._reject(number, None)
            row = {_STRING_COLUMN: msgspec.Raw(value.encode())}
            self._to_string(number, row[_STRING_COLUMN])
            yield number, row

    def _decode(self, decode: Callable[[str], _Decoded], number: int, line: str) -> _Decoded:
        try:
            return decode(line)
        except ValueError as error:  # msgspec.DecodeError is one
            self._check_surrogates(number, line, error)
            if line.lstrip().startswith("{"):
                rules = "one object a line, all quotes and brackets closed, no NaN"
                raise self.error(f"line {number} begins like an object, but is not valid JSON ({rules})") from error
            self._reject(number, error)
        except RecursionError as error:
            raise self.error(f"line {number} is nested too deeply") from error

    def _to_flat_string(self, number: int, value: msgspec.Raw | None) -> str:
        """A value as `_to_string` gives it; empty if it is an object or a list, which are no addresses."""
        return "" if value is not None and bytes(value)[:1] in b"{[" else self._to_string(number, value) or ""

    def _to_string(self, number: int, value: msgspec.Raw | None) -> str | None:
        """A string as it is, null as None, and any other value as its JSON."""
        if value is None:
            return None
        raw = bytes(value)
        if raw[:1] != b'"':
            return None if raw == b"null" else raw.decode()
        try:
            return self._decode_string(raw)
        except ValueError as error:  # msgspec.DecodeError, or half a character
            self._check_surrogates(number, raw.decode(), error)
            self._reject(number, error)

    @cached_property
    def _decode_string(self) -> Callable[[bytes], str]:
        import msgspec

        return msgspec.json.Decoder(str).decode

    def _check_surrogates(self, number: int, text: str, error: Exception) -> None:
        if _LONE_SURROGATE.search(text):
            raise self.error(f"line {number} has a string with half a character (a lone surrogate)") from error

    def _reject(self, number: int, error: Exception | None) -> NoReturn:
        kind = "string" if self._has_strings else "object"
        problem = f"line {number} is not a JSON {kind}; every line must hold one object, or every line one string"
        raise self.error(problem) from error

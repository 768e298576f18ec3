"""Cells as the feed of changes writes them: text, or a whole row as a JSON object; and `extra`, key by key.

How PHP writes a value makes no change: in `extra`, where values stand as they were received, 5 and "5" are the same,
and so are null, false and an empty string.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.replies.values import is_empty, is_keyed_list, read_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Cell = str | int | None
"""A value of a table: text, a number, or a date as text."""


def cells_of(column: pa.Array[Any]) -> Sequence[Cell]:
    """The values of a column; dates as CSV files have them, `2026-11-23 02:00:00`, and with a Z if they are in UTC."""
    if not pa.types.is_timestamp(column.type):
        return column.to_pylist()
    if column.type.tz is None:
        return column.cast(pa.string()).to_pylist()
    clock = column.cast(pa.timestamp(column.type.unit)).cast(pa.string())
    return [None if text is None else f"{text}Z" for text in pc.replace_substring(clock, " ", "T").to_pylist()]


def text_of(cell: Cell) -> str | None:
    """A cell as text; None stays None."""
    return None if cell is None else str(cell)


def json_of(names: Sequence[str], row: Sequence[Cell]) -> str:
    """A row as a JSON object, without what is null; `extra` is an object in it."""
    pairs: dict[str, Any] = {name: cell for name, cell in zip(names, row, strict=True) if cell is not None}
    if "extra" in pairs:
        pairs["extra"] = msgspec.Raw(pairs["extra"].encode())
    return msgspec.json.encode(pairs).decode()


def json_array(cells: Sequence[Cell]) -> str:
    """Cells as a JSON array."""
    return msgspec.json.encode(cells).decode()


def extra_cells(extra: Cell) -> dict[str, str | None]:
    """The values in a cell of `extra` by key, as text; what is empty is None."""
    if extra is None:
        return {}
    pairs: Mapping[str, Any] = msgspec.json.decode(str(extra))
    return {key: _text(value) for key, value in pairs.items()}


def _text(value: object) -> str | None:
    plain = _plain(value)
    return plain if plain is None or isinstance(plain, str) else msgspec.json.encode(plain, order="sorted").decode()


def _plain(value: object) -> Any:  # noqa: ANN401 - of any JSON
    """A value in the one form that all ways of writing it have in common."""
    if is_empty(value):
        return None
    if is_keyed_list(value) and isinstance(value, dict):
        return [_plain(member) for member in value.values()]
    if isinstance(value, dict):
        return {key: _plain(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_plain(member) for member in value]
    return read_value(value, "string")

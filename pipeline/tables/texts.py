"""The texts of one table: taken in row after row as replies bring them, given back as whole columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.tables.arrow import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    Column = pa.Array[Any]


class Texts:
    """The cells of a table with columns called `names`.

    Python's texts are put into Arrow arrays after a few dozen leads. While there are few of them they stay in the
    processor's cache and their memory is used again and again, which makes reading replies half as fast again; and a
    million texts would be a hundred megabytes.
    """

    def __init__(self, names: Sequence[str], *, most_bytes: int = MOST_BYTES) -> None:
        self._names = names
        self._most_bytes = most_bytes
        self._parts: list[Column] = [pa.array([], pa.string())]

    def add(self, cells: Sequence[str | None]) -> None:
        """Take in rows: their cells, row after row."""
        self._parts.append(pa.array(cells, pa.string()))

    def columns(self) -> dict[str, Column]:
        """All that was taken in, by column, as strings or, if these are many, large strings; an empty text is null."""
        cells = _empty_to_null(self._whole())
        width = len(self._names)
        return {name: cells.take(np.arange(n, len(cells), width)) for n, name in enumerate(self._names)}

    def _whole(self) -> Column:
        """All cells in one array, of which every n-th belongs to the same column: Arrow is quick at picking these."""
        if sum(part.nbytes for part in self._parts) <= self._most_bytes:
            return pa.concat_arrays(self._parts)
        return pa.concat_arrays([part.cast(pa.large_string()) for part in self._parts])


def _empty_to_null(texts: Column) -> Column:
    """The same texts over the same memory, of which those without a byte are null; a null has none anyway."""
    buffers: list[Any] = texts.buffers()
    _, offsets, data = buffers
    width = np.int64 if texts.type == pa.large_string() else np.int32
    lengths = np.diff(np.frombuffer(offsets, width, len(texts) + 1))
    filled: Any = np.packbits(lengths > 0, bitorder="little")
    return pa.Array.from_buffers(texts.type, len(texts), [pa.py_buffer(filled), offsets, data])

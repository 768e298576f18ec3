"""The texts of one table: taken in row after row as replies bring them, given back as whole columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    Column = pa.Array[Any]

# All columns of a table stand in one array first, which may hold more than the 2 GiB of Arrow's usual texts.
_TEXT = pa.large_string()


class Texts:
    """The cells of a table with columns called `names`.

    Python's texts are packed into Arrow arrays after a few dozen leads. While there are few of them they stay in the
    processor's cache and their memory is used again and again, which makes reading replies half as fast again; and a
    million texts would be a hundred megabytes.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._packed: list[Column] = [pa.array([], _TEXT)]

    def add(self, cells: Sequence[str | None]) -> None:
        """Take in rows: their cells, row after row."""
        self._packed.append(pa.array(cells, _TEXT))

    def columns(self) -> dict[str, Column]:
        """All that was taken in, by column, as large strings; an empty text is null."""
        cells = _empty_to_null(pa.concat_arrays(self._packed))
        width = len(self._names)
        return {name: cells.take(np.arange(n, len(cells), width)) for n, name in enumerate(self._names)}


def _empty_to_null(texts: Column) -> Column:
    """The same texts over the same memory, of which those without a byte are null; a null has none anyway."""
    buffers: list[Any] = texts.buffers()
    _, offsets, data = buffers
    lengths = np.diff(np.frombuffer(offsets, np.int64, len(texts) + 1))
    filled: Any = np.packbits(lengths > 0, bitorder="little")
    return pa.Array.from_buffers(_TEXT, len(texts), [pa.py_buffer(filled), offsets, data])

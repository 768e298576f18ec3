"""Where people are mentioned: their addresses in text columns, in raw replies, and in the bytes of any file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.privacy.reading import batches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from pipeline.privacy.needles import Needles

_ROWS = 4_000
"""Rows looked at together: raw replies are some kilobytes each."""
_BLOCK = 8 << 20
_OVERLAP = 4_096
"""Bytes that two blocks of a file share; an address in the middle is in one of them as a whole."""


def in_table(path: Path, needles: Needles, without: Collection[str] = ()) -> Iterator[tuple[str, int]]:
    """The column and the number of the row, from 0, of each value in a table in which an address is.

    Args:
        path: the file, in any format that runs are published in.
        needles: the addresses.
        without: columns that are not looked at.

    Raises:
        StorageError: the file cannot be read.
    """
    first = 0
    for batch in batches(path, rows=_ROWS):
        for name, column in zip(batch.schema.names, batch.columns, strict=True):
            if name not in without and is_text(column.type):
                yield from ((name, first + row) for row in needles.in_column(column))
        first += batch.num_rows


def in_file(path: Path, needles: Needles) -> set[str]:
    """The keys of the addresses in the bytes of a file, however they are encoded there, as far as it is not compressed.

    Raises:
        OSError: it cannot be read.
    """
    found: set[str] = set()
    rest = b""
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            raw = rest + block
            found |= needles.in_bytes(raw)
            rest = raw[-_OVERLAP:]
    return found


def is_text(kind: Any) -> bool:  # noqa: ANN401 - pyarrow's stubs have no common type
    """Whether values of an Arrow type are strings or bytes."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    checks = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    return any(check(kind) for check in checks)

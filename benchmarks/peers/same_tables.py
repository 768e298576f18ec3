"""Check that files of replies hold the same people: but for `extra`, all seven tables are those of the first file.

    python benchmarks/peers/same_tables.py FILE...

Ends with a sentence about the first table that differs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pyarrow as pa

import pipeline


def tables(path: Path) -> dict[str, pa.Table]:
    """All tables without `extra`."""
    frames = pipeline.flatten(path.read_bytes().splitlines()).by_name()
    return {
        name: pa.Table.from_pandas(frame.drop(columns="extra"), preserve_index=False) for name, frame in frames.items()
    }


def main(paths: list[Path]) -> str | None:
    """What differs; None if nothing does."""
    expected = tables(paths[0])
    for path in paths[1:]:
        for name, table in tables(path).items():
            if table != expected[name]:
                return f"{path.stem}: the table {name} is not that of {paths[0].stem}"
    return None


if __name__ == "__main__":
    sys.exit(main([Path(argument) for argument in sys.argv[1:]]))

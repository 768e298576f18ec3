"""Writes the replies of a run that never was, for `carry.py`, which has to stay small itself.

python earlier_run.py FOLDER ANSWERS
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.schema import REPLIES
from pipeline.tables.frames import arrow_schema

sys.path.append(str(Path(__file__).parents[1]))
from server import Template, lead_id, templates

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_MS = 1_795_572_000_000
GROUP = 4_000


def groups(answers: int, people: list[Template]) -> Iterator[pa.Table]:
    """The table of the replies, some thousand rows at a time."""
    schema = arrow_schema(REPLIES)
    for first in range(0, answers, GROUP):
        emails = [f"person{number}@example.com" for number in range(first, min(first + GROUP, answers))]
        sent = [email.encode() for email in emails]
        moments = pa.array(range(FIRST_MS + first, FIRST_MS + first + len(emails)), pa.int64())
        columns: dict[str, pa.Array[Any]] = {
            "email": pa.array(emails),
            "outcome": pa.array(["found"] * len(emails)),
            "code": pa.nulls(len(emails), pa.string()),
            "message": pa.nulls(len(emails), pa.string()),
            "lead_id": pa.array([lead_id(email).decode() for email in sent]),
            "attempts": pa.array([1] * len(emails), pa.int32()),
            "answered_at": moments.cast(schema.field("answered_at").type),
            "body": pa.array([people[crc32(email) % len(people)].body(email) for email in sent]),
        }
        yield pa.table([columns[name] for name in schema.names], schema=schema)


def write_replies(path: Path, answers: int) -> None:
    """Write them as a run does."""
    people = templates(2_048, "text")
    with pq.ParquetWriter(path, arrow_schema(REPLIES), compression="zstd") as file:
        for group in groups(answers, people):
            file.write_table(group, row_group_size=GROUP)


def main() -> None:
    """Write the file."""
    write_replies(Path(sys.argv[1]) / "replies.parquet", int(sys.argv[2]))


if __name__ == "__main__":
    main()

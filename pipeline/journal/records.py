"""What a journal holds: the run, its lists and rows, and how answers are stored.

The columns of `answers` are the fields of `Answer`. The address's email is stored once, with the address, and bodies
have a table of their own, so that counting answers does not read gigabytes of replies.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import zstandard

from pipeline.outcomes import Answer, column_names, from_row, to_row

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FIELDS = column_names(Answer)
ANSWER_COLUMNS = (*(name for name in _FIELDS if name not in ("email", "body")), "checksum")


class ListRow(NamedTuple):
    """One row of a list.

    Attributes:
        given: the cell as it is in the list.
        email: the address in it; None if there is none.
        key: what two spellings of the same address have in common.
        code: why there is no address.
        message: the same as a sentence.
    """

    given: str
    email: str | None = None
    key: str = ""
    code: str | None = None
    message: str | None = None


class ListSummary(NamedTuple):
    """A list as the manifest names it; `sha256` is that of the file's bytes, in hex."""

    name: str
    rows: int
    sha256: str


class RunRecord(NamedTuple):
    """The run that a journal belongs to.

    Attributes:
        run_id: its name.
        started_at_ms: when it started, milliseconds since 1970 UTC.
        subject: the settings that decide what is looked up where; see `jobs.request`.
        command: the command line that resumes it; "" if it was started from Python.
        folder: the working directory of that command.
        replaces: whether other unfinished runs are to be removed once this one is published.
    """

    run_id: str
    started_at_ms: int
    subject: str
    command: str = ""
    folder: str = ""
    replaces: bool = False


class StopRecord(NamedTuple):
    """Why a run stopped, and when in milliseconds since 1970 UTC; a killed run leaves none."""

    stopped_at_ms: int
    code: str
    reason: str


def select(columns: Iterable[str], source: str) -> str:
    """The statement that selects columns from a table, a view or a join."""
    return f"SELECT {', '.join(columns)} FROM {source}"  # noqa: S608 - names in the code, never values


def insert(table: str, columns: Iterable[str], *, verb: str = "INSERT") -> str:
    """The statement that inserts the values of a mapping with these keys."""
    names = tuple(columns)
    return f"{verb} INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


SELECT_ANSWERS = select(
    ("answers.address AS address", *_FIELDS, "checksum"),
    "addresses JOIN answers ON answers.address = addresses.id LEFT JOIN bodies ON bodies.address = addresses.id",
)


def stored(address: int, answer: Answer, compressor: zstandard.ZstdCompressor) -> dict[str, Any]:
    """An answer as the tables `answers` and `bodies` hold it; its body, if it has one, is a zstd frame."""
    body = None if answer.body is None else compressor.compress(answer.body)
    row = {**to_row(answer), "address": address, "body": body}
    return {**row, "checksum": _checksum(row)}


def restored(row: Mapping[str, Any]) -> Answer:
    """The answer in a row of SELECT_ANSWERS.

    Raises:
        ValueError: it is not the one that was stored.
    """
    if row["checksum"] != _checksum(row):
        raise ValueError("an answer does not match its checksum")
    body = None if row["body"] is None else zstandard.decompress(row["body"])
    return from_row({**row, "body": body}, Answer)


def _checksum(row: Mapping[str, Any]) -> int:
    """CRC-32 over the address's number and every field, so that no flipped bit and no mixed-up row goes unnoticed."""
    return zlib.crc32(msgspec.msgpack.encode([row["address"], *(row[name] for name in _FIELDS)]))

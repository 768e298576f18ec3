"""What a journal holds: the run, its lists and rows, and how answers are stored.

The columns of `answers` are the fields of `Answer`, but for two. The address's email is stored once, with the address.
Bodies are compressed together, some dozens at a time, because replies resemble each other: that takes a third of the
time and a quarter of the space that compressing each of them would. An answer names the pack that holds its body.
"""

from __future__ import annotations

import zlib
from enum import IntEnum
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import zstandard

from pipeline.outcomes import Answer, column_names, from_row, to_row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

PACK_BYTES = 256 * 1024
"""Bodies are packed together up to this size; reading one of them unpacks all."""
_FIELDS = tuple(name for name in column_names(Answer) if name != "body")
ANSWER_COLUMNS = (*(name for name in _FIELDS if name != "email"), "pack", "carried", "checksum")


class Carried(IntEnum):
    """Whose answer it is: in the column `carried` of `answers`."""

    NO = 0
    """This run asked for it."""
    YES = 1
    """An earlier run's; this run has not asked, or not yet."""
    KEPT = 2
    """An earlier run's; this run asked again and got none."""


class ListRow(NamedTuple):
    """One row of a list.

    Attributes:
        given: the cell as it is in the list.
        email: the address in it; None if there is none.
        key: what two spellings of the same address have in common.
        code: why there is no address.
        message: the same as a sentence.
        line: the number of its line, or row of the sheet, as a person counts them; None is the number of the row.
    """

    given: str
    email: str | None = None
    key: str = ""
    code: str | None = None
    message: str | None = None
    line: int | None = None


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
        command: the command line of its last attempt, which resumes it; "" if that was made from Python.
        folder: the working directory of that command; "" if it was deleted.
        replaces: whether other unfinished runs are to be removed once this one is published.
        max_age_days: how many nights old its answers may get; 0 is not limited. Ages are those at `started_at_ms`.
        selected: how many addresses it asks for, in the order of the table `due`; None: all, in the order of the lists.
        deadline_ms: when its calls must no longer start, milliseconds since 1970 UTC; None is never.
    """

    run_id: str
    started_at_ms: int
    subject: str
    command: str = ""
    folder: str = ""
    replaces: bool = False
    max_age_days: int = 0
    selected: int | None = None
    deadline_ms: int | None = None


class StopRecord(NamedTuple):
    """Why a run stopped, and when in milliseconds since 1970 UTC; a killed run leaves none."""

    stopped_at_ms: int
    code: str
    reason: str


class WrittenRecord(NamedTuple):
    """When a file in which rows failed was written, in milliseconds since 1970 UTC; other files leave no journal.

    Attributes:
        first_at_ms: for the first time.
        last_at_ms: for the last time.
        failed: how many rows failed then.
    """

    first_at_ms: int
    last_at_ms: int
    failed: int


def select(columns: Iterable[str], source: str) -> str:
    """The statement that selects columns from a table, a view or a join."""
    return f"SELECT {', '.join(columns)} FROM {source}"  # noqa: S608 - names in the code, never values


def insert(table: str, columns: Iterable[str], *, verb: str = "INSERT") -> str:
    """The statement that inserts the values of a mapping with these keys."""
    names = tuple(columns)
    return f"{verb} INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


SELECT_ANSWERS = select(
    ("answers.address AS address", *_FIELDS, "pack", "carried", "checksum"),
    "addresses JOIN answers ON answers.address = addresses.id",
)


def in_packs(batch: Iterable[tuple[int, Answer]]) -> Iterator[list[tuple[int, Answer]]]:
    """A batch of answers with the numbers of their addresses, divided so that the bodies of each part go together."""
    part: list[tuple[int, Answer]] = []
    size = 0
    for address, answer in batch:
        part.append((address, answer))
        size += len(answer.body or b"")
        if size >= PACK_BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def packed(part: Iterable[tuple[int, Answer]], compressor: zstandard.ZstdCompressor) -> bytes:
    """The bodies of these answers by the numbers of their addresses, compressed."""
    return packed_bodies({address: answer.body for address, answer in part if answer.body is not None}, compressor)


def packed_bodies(bodies: Mapping[int, bytes], compressor: zstandard.ZstdCompressor) -> bytes:
    """The same for bodies by the numbers of their addresses."""
    return compressor.compress(msgspec.msgpack.encode(bodies))


def unpacked(pack: object) -> dict[int, bytes]:
    """The bodies in a pack by the numbers of their addresses.

    Raises:
        ValueError: it is not what was stored.
    """
    if not isinstance(pack, bytes):
        raise ValueError("a pack of replies is missing")  # noqa: TRY004 - what a damaged file holds, not a wrong call
    try:
        return _pack_decoder.decode(zstandard.decompress(pack))
    except zstandard.ZstdError as error:
        raise ValueError("a pack of replies does not match its checksum") from error


def repacked(pack: object, without: Collection[int]) -> bytes:
    """A pack without the bodies of the addresses with these numbers.

    Raises:
        ValueError: it is not what was stored.
    """
    bodies = {address: body for address, body in unpacked(pack).items() if address not in without}
    return zstandard.ZstdCompressor(level=1, write_checksum=True).compress(msgspec.msgpack.encode(bodies))


_pack_decoder = msgspec.msgpack.Decoder(dict[int, bytes])


def stored(address: int, answer: Answer, pack: int | None, carried: Carried = Carried.NO) -> dict[str, Any]:
    """An answer as the table `answers` holds it, with the number of the pack that holds its body if it has one."""
    pack = None if answer.body is None else pack
    return checked({**to_row(answer), "address": address, "pack": pack, "carried": int(carried)})


def checked(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `answers` with the checksum that belongs to it."""
    return {**row, "checksum": _checksum(row)}


def restored(row: Mapping[str, Any], body: bytes | None) -> Answer:
    """The answer in a row of SELECT_ANSWERS, with its body from the pack that the row names.

    Raises:
        ValueError: it is not the one that was stored.
    """
    if row["checksum"] != _checksum(row):
        raise ValueError("an answer does not match its checksum")
    return from_row({**row, "body": body}, Answer)


def _checksum(row: Mapping[str, Any]) -> int:
    """CRC-32 over all columns of an answer, so that no flipped bit and no mixed-up row goes unnoticed.

    Its body is not in it: packs have checksums of their own, and tell whose body is whose.
    """
    values = [row["address"], row["pack"], row["carried"], *(row[name] for name in _FIELDS)]
    return zlib.crc32(msgspec.msgpack.encode(values))

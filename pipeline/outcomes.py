"""What an address, and a row of a list, can end as: the vocabulary that all stages share.

`Answer` and `RowOutcome` are the one definition of their fields: the journal's SQL, its checksums, the tables `replies`
and `outcomes` and reading those back are all derived from them by name. Only the documentation of the columns stands
elsewhere, in `pipeline.schema`; a test compares names and types.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Record = TypeVar("Record", bound=msgspec.Struct)


class Outcome(StrEnum):
    """The classes of input rows; every row ends in exactly one."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    DELETED = "deleted"
    FAILED = "failed"
    PENDING = "pending"
    SUPPRESSED = "suppressed"
    INVALID = "invalid"
    DUPLICATE = "duplicate"
    ERASED = "erased"

    @property
    def meaning(self) -> str:
        """The sentence that documents the class."""
        return _MEANINGS[self]


_MEANINGS = {
    Outcome.FOUND: "the API gave a lead",
    Outcome.NOT_FOUND: "the API knows no such lead",
    Outcome.DELETED: "the API says that the lead was deleted",
    Outcome.FAILED: "no usable answer; `code` says why, and a later run tries again",
    Outcome.PENDING: "not asked yet: the deadline or the allowed number of calls came first; a later run asks",
    Outcome.SUPPRESSED: "on the suppression list: not to be asked for; the address is not kept",
    Outcome.INVALID: "not an email address; never looked up",
    Outcome.DUPLICATE: "same address as an earlier row, which is looked up for both",
    Outcome.ERASED: "somebody was erased with `purge`, and nothing but the number of the row is left",
}

ANSWERED = (Outcome.FOUND, Outcome.NOT_FOUND, Outcome.DELETED, Outcome.FAILED)
"""What an address that was asked for ends as."""

CONCLUSIVE = frozenset((Outcome.FOUND, Outcome.NOT_FOUND, Outcome.DELETED))
"""The outcomes that say what the API knows of an address."""
FORGOTTEN = (Outcome.SUPPRESSED, Outcome.ERASED)
"""The classes of rows of which nothing but their place is kept."""

KEPT = "kept:"
"""How the code of an answer begins that stays because asking again failed; the code of that failure follows."""


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def iso(ms: int) -> str:
    """Milliseconds since 1970 UTC as manifests have them: `2026-11-23T02:00:00.123+00:00`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


class Address(NamedTuple):
    """A distinct address to look up; `id` numbers them from 1 in the order of first appearance."""

    id: int
    email: str


class Reply(NamedTuple):
    """What comparing two nights takes of an answer; the fields are those of `Answer`."""

    email: str
    outcome: str
    answered_at_ms: int
    body: bytes | None


class Answer(msgspec.Struct, frozen=True):
    """The outcome of one address, with the reply it was read from.

    Attributes:
        email: the address as it was sent.
        outcome: `found`, `not_found`, `deleted` or `failed`; `suppressed` or `erased` if the address is empty.
        code: the API's error type or our reason; `email_mismatch` when the reply is for another address.
        message: one sentence for a person, or None.
        lead_id: the lead's id in the API, if one was given.
        attempts: calls made for this address, throttled ones not counted.
        answered_at_ms: when the outcome was known, milliseconds since 1970 UTC; defaults to now.
        body: the raw reply, if one arrived whole.
    """

    email: str
    outcome: Outcome
    code: str | None = None
    message: str | None = None
    lead_id: str | None = None
    attempts: int = 1
    answered_at_ms: int = msgspec.field(name="answered_at", default_factory=now_ms)
    body: bytes | None = None

    def with_attempts(self, attempts: int) -> Answer:
        """The same answer after `attempts` calls."""
        return self if attempts == self.attempts else msgspec.structs.replace(self, attempts=attempts)

    @property
    def answered_at(self) -> datetime:
        """`answered_at_ms` as an aware datetime."""
        return datetime.fromtimestamp(self.answered_at_ms / 1000, UTC)


class RowOutcome(msgspec.Struct, frozen=True):
    """A row of a list with its outcome.

    Attributes:
        input: name of the list.
        row: number of the data row in it, from 1.
        given: the cell as it stood in the list; None if it is suppressed or erased.
        email: the address it was read as; None if it is not one, or is suppressed or erased.
        outcome: a value of `Outcome`; `pending` if the address has no answer yet.
        code: as in `Answer`, or why the cell is not an address.
        message: one sentence for a person, or None.
        lead_id: as in `Answer`, on duplicates too.
        attempts: calls made for the row; 0 if it was never looked up.
        answered_at_ms: as in `Answer`; None if the row was never looked up.
    """

    input: str
    row: int
    given: str | None
    email: str | None
    outcome: str
    code: str | None
    message: str | None
    lead_id: str | None
    attempts: int
    answered_at_ms: int | None = msgspec.field(name="answered_at")


def column_names(record: type[msgspec.Struct]) -> tuple[str, ...]:
    """The columns that hold the fields of a record, in order, wherever it is stored."""
    return tuple(field.encode_name for field in msgspec.structs.fields(record))


def to_row(record: msgspec.Struct) -> dict[str, Any]:
    """The values of a record by column: strings, integers, bytes and None; times in milliseconds since 1970 UTC."""
    row: dict[str, Any] = msgspec.to_builtins(record, builtin_types=(bytes,))
    return row


def from_row(row: Mapping[str, Any], record: type[Record]) -> Record:
    """The record with these values by column; further columns are ignored.

    Raises:
        ValueError: a value is missing or has the wrong type.
    """
    return msgspec.convert(row, record, builtin_types=(bytes,))

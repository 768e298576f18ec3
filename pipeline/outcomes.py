"""An address and what it can end as: the words every stage shares."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from enum import StrEnum
from typing import NamedTuple

import msgspec


class Outcome(StrEnum):
    """The six classes of input rows; every row ends in exactly one."""

    FOUND = "found"
    NOT_FOUND = "not_found"
    DELETED = "deleted"
    FAILED = "failed"
    INVALID = "invalid"
    DUPLICATE = "duplicate"

    @property
    def meaning(self) -> str:
        """The sentence that documents the class."""
        return _MEANINGS[self]


_MEANINGS = {
    Outcome.FOUND: "the API gave a lead",
    Outcome.NOT_FOUND: "the API knows no such lead",
    Outcome.DELETED: "the API says that the lead was deleted",
    Outcome.FAILED: "no usable answer; `code` says why, and a later run asks again",
    Outcome.INVALID: "not an address; never asked",
    Outcome.DUPLICATE: "the same address as an earlier row, which asks for both",
}


_BY_NAME = {outcome.value: outcome for outcome in Outcome}


def outcome_called(name: str) -> Outcome:
    """The outcome of this name, in a tenth of the time that `Outcome(name)` takes.

    Raises:
        ValueError: there is none.
    """
    return _BY_NAME.get(name) or Outcome(name)


def now_ms() -> int:
    """Milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


def iso(ms: int) -> str:
    """Milliseconds since 1970 UTC as manifests have them: `2026-11-23T02:00:00.123+00:00`."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")


class Address(NamedTuple):
    """A distinct address that is to be asked; `id` numbers them from 1 in the order of their first appearance."""

    id: int
    email: str


class Answer(msgspec.Struct, frozen=True, gc=False):
    """What one asked address ended as, with the reply that says so.

    Attributes:
        email: the address as it was asked.
        outcome: `found`, `not_found`, `deleted` or `failed`.
        code: the API's error type or our reason; `email_mismatch` when the reply is for another address.
        message: one sentence for a person, or None.
        lead_id: the lead's id in the API, if one was given.
        attempts: calls made for this address, throttled ones not counted.
        answered_at_ms: when it was known, milliseconds since 1970 UTC; now, unless given.
        body: the raw reply, if one arrived whole.
    """

    email: str
    outcome: Outcome
    code: str | None = None
    message: str | None = None
    lead_id: str | None = None
    attempts: int = 1
    answered_at_ms: int = msgspec.field(default_factory=now_ms)
    body: bytes | None = None

    def with_attempts(self, attempts: int) -> Answer:
        """The same answer with its number of attempts."""
        return self if attempts == self.attempts else msgspec.structs.replace(self, attempts=attempts)

    @property
    def answered_at(self) -> datetime:
        """The same instant as an aware datetime."""
        return datetime.fromtimestamp(self.answered_at_ms / 1000, UTC)


class RowOutcome(NamedTuple):
    """A row of a list with what it ended as; the fields are the columns of `outcomes`."""

    input: str
    row: int
    given: str
    email: str | None
    outcome: str
    code: str | None
    message: str | None
    lead_id: str | None
    attempts: int
    answered_at_ms: int | None

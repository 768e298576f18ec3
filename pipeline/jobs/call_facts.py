"""What the manifest says about the calls of an attempt: how many, how fast, what they waited for, and trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from pipeline.outcomes import iso

if TYPE_CHECKING:
    from pipeline.calls.counts import CallCounts


class CallTotals(msgspec.Struct, frozen=True):
    """Calls of this attempt.

    Attributes:
        sent: requests sent.
        answered: addresses found, not found or deleted.
        retried: calls repeated after a transient failure.
        throttled: calls answered with 429 Too Many Requests.
        probes: calls that only checked whether the API answers.
        resumed: addresses that a previous attempt of the same run had answered.
    """

    sent: int
    answered: int
    retried: int
    throttled: int
    probes: int
    resumed: int

    @classmethod
    def of(cls, calls: CallCounts, *, resumed: int) -> Self:
        """Take over the counts of an attempt."""
        return cls(calls.sent, calls.answered, calls.retried, calls.throttled, calls.probes, resumed)


class CallRate(msgspec.Struct, frozen=True):
    """Calls started per second: the configured limit (0 = none), and what was achieved."""

    limit_per_s: float
    achieved_per_s: float


class Speed(msgspec.Struct, frozen=True):
    """What limited the speed; `bound_by` is None if no call was made.

    Attributes:
        time_shares: shares (0 to 1) of the time from the first call to the last answer, by what was waited for.
    """

    bound_by: str | None
    time_shares: dict[str, float]


class Spell(msgspec.Struct, frozen=True):
    """A time, ISO 8601 in UTC, in which something happened `times` times."""

    since: str
    until: str
    times: int


class Trouble(msgspec.Struct, frozen=True):
    """When calls were answered with 429, and when the API gave no usable answer at all; at most 40 spells each."""

    throttled: list[Spell]
    outages: list[Spell]

    @classmethod
    def of(cls, calls: CallCounts) -> Self | None:
        """What the calls of an attempt met; None if that is nothing."""
        throttled, outages = (
            [
                Spell(iso(calls.moment_ms(spell.since)), iso(calls.moment_ms(spell.until)), spell.times)
                for spell in spells.spells
            ]
            for spells in (calls.throttlings, calls.outages)
        )
        return cls(throttled, outages) if throttled or outages else None

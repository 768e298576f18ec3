"""Whom to ask tonight: the pure choice, from the dates of the answers that are there.

An answer is as many nights old as days of 24 hours have passed since, and two hours more: for a job that starts a
little early, or on the night when clocks are put forward, it is as old as on any other. With `max_age_days`, these are
asked for, in this order:

1. those that are `max_age_days` old or older: they would be too old before the next night;
2. those without an answer: they are due just now, so that new addresses do not keep old ones waiting;
3. the oldest of the others, until a night's share is full: all addresses divided by `max_age_days`. Without it,
   everything that was asked for in one night would have to be asked for again in one night. If more than a share would
   have to be asked for in a later night, as after calls that failed, what is too much is spread over the nights before.

Nobody is asked for who was answered in the last `fresh_hours`. Equally old ones come in the order of the lists.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pipeline.journal.selection import Choice

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.settings import Settings

HOUR_MS = 3_600_000
NIGHT_MS = 24 * HOUR_MS
TOLERANCE_MS = 2 * HOUR_MS


def nights(answered_at_ms: int, as_of_ms: int) -> int:
    """How many nights old an answer is; an impossible date is that of tonight."""
    return max(0, (as_of_ms - answered_at_ms + TOLERANCE_MS) // NIGHT_MS)


def share_of(addresses: int, max_age_days: int) -> int:
    """How many of so many addresses a night asks for, so that all have their turn in `max_age_days` nights."""
    return -(-addresses // max_age_days) if max_age_days else addresses


def choice_of(settings: Settings, addresses: int, as_of_ms: int, *, is_limited: bool = False) -> Choice:
    """What is due in a run over so many addresses that starts at `as_of_ms`.

    Without `max_age_days` that is everything but what an unfinished run has just answered. If the time or the calls of
    the run are limited (`is_limited`), addresses without an answer then come first, and the oldest answers next.
    """
    fresh_ms = as_of_ms - round(settings.fresh_hours * HOUR_MS)
    ahead_ms = as_of_ms + TOLERANCE_MS
    if settings.max_age_days:
        must_ms = as_of_ms + TOLERANCE_MS - settings.max_age_days * NIGHT_MS
        share = share_of(addresses, settings.max_age_days)
        return Choice(must_ms, fresh_ms, ahead_ms, new_ms=must_ms, share=share, night_ms=NIGHT_MS)
    all_ms = fresh_ms if is_limited else as_of_ms - round(settings.resume_within_h * HOUR_MS)
    return Choice(all_ms, all_ms, ahead_ms, new_ms=0, share=0, night_ms=NIGHT_MS)


def count_due(answered: Iterable[int], addresses: int, choice: Choice) -> int:
    """How many of so many addresses are asked for; `answered` are the dates of the answers, in milliseconds."""
    due: Counter[int] = Counter()
    askable = 0
    until = min(choice.must_ms, choice.may_ms)
    for at_ms in answered:
        if at_ms <= until or at_ms > choice.ahead_ms:
            due[0] += 1
            continue
        due[max(1, -((choice.must_ms - at_ms) // choice.night_ms))] += 1
        askable += at_ms <= choice.may_ms
    due[0] += addresses - due.total()
    return choice.most(due, due[0] + askable)


def cycle_nights(addresses: int, calls_a_night: int) -> int | None:
    """How many nights it takes until each of so many addresses has been asked for; None if no call is made at all."""
    return -(-addresses // calls_a_night) if calls_a_night > 0 else (None if addresses else 0)


def smallest_age(addresses: int, calls_a_night: int) -> int | None:
    """The smallest `max_age_days` whose share fits into so many calls a night; None if no call does."""
    nights_needed = cycle_nights(addresses, calls_a_night)
    return None if nights_needed is None else max(1, nights_needed)

"""The setting `deadline`: a time of day on the clock of this machine, or an instant with its offset from UTC."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

_TIME_OF_DAY = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])")


def deadline_text(value: object) -> object:
    """Times as TOML has them, `06:00:00` or `2026-11-24T06:00:00+01:00`, as the setting has them."""
    if isinstance(value, time):
        return value.isoformat("minutes" if not value.second and not value.microsecond else "auto")
    return value.isoformat() if isinstance(value, datetime) else value


def checked_deadline(text: str) -> str:
    """The same text.

    Raises:
        ValueError: it is neither a time of day nor an instant with its offset.
    """
    if not _TIME_OF_DAY.fullmatch(text):
        _instant(text)
    return text


def is_time_of_day(text: str) -> bool:
    """Whether the deadline comes every day."""
    return _TIME_OF_DAY.fullmatch(text) is not None


def deadline_at(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """The instant, in UTC, that a deadline means at the instant `now`.

    A time of day is the next one after `now`: if it is over today, tomorrow's. Of a time that the clock shows twice in
    a night the first one counts; one that it skips is moved on by as much as the clock is.

    Args:
        text: as `checked_deadline` accepts it.
        now: with a time zone.
        zone: in which time of day is meant; None is the one that this machine is set to.
    """
    match = _TIME_OF_DAY.fullmatch(text)
    if match is None:
        return _instant(text)
    wanted = time(int(match[1]), int(match[2]))
    day = now.astimezone(zone).date()
    # Instants are compared in UTC: within a zone, Python compares what clocks show.
    while (instant := datetime.combine(day, wanted, zone).astimezone(UTC)) <= now:
        day += timedelta(days=1)
    return instant


def _instant(text: str) -> datetime:
    with suppress(ValueError, OverflowError):  # what is wrong, and what would be right, is said below
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    raise ValueError(
        "must be a time of day such as 06:00, or an instant with its offset such as 2026-11-24T06:00+01:00"
    )

"""What fits into the time and the calls of a night: how many calls, and how many nights all addresses take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from pipeline.calls.budget import ON_THE_WAY_S
from pipeline.calls.rate import interval_s
from pipeline.history.due import cycle_nights, share_of, smallest_age
from pipeline.jobs.budget import deadline_of, is_limited
from pipeline.outcomes import iso
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.journal.replay import JournalSummary
    from pipeline.settings import Settings


class PlannedBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What fits into one night, if no call has to be repeated and nothing is throttled.

    Attributes:
        starts_at: when the run starts, ISO 8601 in UTC.
        deadline: when its calls must no longer start; None without a deadline.
        calls: calls that there is room for; None if nothing says how many: neither a rate nor `max_calls`.
        nights: as many nights are needed until each address was asked for; None if that is not known, or never.
        least_max_age_days: the smallest `max_age_days` that can be kept; None as for `nights`.
        fits: whether `max_age_days` or, without it, the whole list fits into a night; None if that is not known.
    """

    starts_at: str
    deadline: str | None
    calls: int | None
    nights: int | None
    least_max_age_days: int | None
    fits: bool | None

    @classmethod
    def of(
        cls, settings: Settings, addresses: int, start_ms: int, resumed: JournalSummary | None = None
    ) -> Self | None:
        """What fits into a run over so many addresses; None if it is not limited.

        Args:
            settings: the rate and the limits.
            addresses: distinct ones, in all lists.
            start_ms: when it starts, milliseconds since 1970 UTC.
            resumed: the unfinished run that would be resumed, which has its deadline and has made calls.

        Raises:
            UsageError: the deadline is over.
        """
        deadline_ms = resumed.run.deadline_ms if resumed is not None else None
        if deadline_ms is None:
            if not is_limited(settings):
                return None
            deadline_ms = deadline_of(settings, start_ms)
        calls = _calls(settings, start_ms, deadline_ms, spent=resumed.calls if resumed is not None else 0)
        share = share_of(addresses, settings.max_age_days)
        return cls(
            starts_at=iso(start_ms),
            deadline=None if deadline_ms is None else iso(deadline_ms),
            calls=calls,
            nights=None if calls is None else cycle_nights(addresses, calls),
            least_max_age_days=None if calls is None else smallest_age(addresses, calls),
            fits=None if calls is None else share <= calls,
        )

    def lines(self) -> Iterator[str]:
        """The same in words."""
        until = f" from {_shown(self.starts_at)} until the deadline, {_shown(self.deadline)}" if self.deadline else ""
        if self.calls is None:
            yield f"without a limit of calls per second, nobody knows how many calls fit{until}"
            return
        yield f"room for {counted(self.calls, 'call')}{until}"
        if self.nights:
            yield f"all addresses take {counted(self.nights, 'night')}: {self._verdict()}"

    def _verdict(self) -> str:
        least = f"the smallest --max-age that fits is {self.least_max_age_days}"
        if self.fits or self.nights == 1:
            return "it fits" if self.nights == 1 else f"it fits; {least}"
        return f"it does not fit; {least}"


def _shown(moment: str) -> str:
    return f"{moment[:16].replace('T', ' ')} UTC"


def _calls(settings: Settings, start_ms: int, deadline_ms: int | None, *, spent: int) -> int | None:
    """Calls that there is room for in the time and in the number; None if both are unlimited."""
    limits = [settings.max_calls - spent] if settings.max_calls else []
    if deadline_ms is not None and settings.rate_per_s:
        seconds = (deadline_ms - start_ms) / 1000 - ON_THE_WAY_S
        limits.append(int(seconds / interval_s(settings.rate_per_s)))
    return max(0, min(limits)) if limits else None

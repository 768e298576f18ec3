"""Whether an address is asked again, and after how long: a pure function of the attempt and the error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from pipeline.errors import FirewallPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.errors import TryAgain
    from pipeline.settings import Settings

FIREWALL_ATTEMPTS = 3
"""A firewall that refuses us is tried a few times only, and slowly: hammering it makes it worse."""
FIREWALL_SLOWDOWN = 10


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential delays with full jitter, a cap on each, and a number of attempts.

    Full jitter spreads the second tries of calls that failed together. See "Exponential Backoff And Jitter" in the AWS
    Architecture Blog (2015).
    """

    max_attempts: int
    first_delay_s: float
    max_delay_s: float

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy that `settings` describe."""
        return cls(settings.max_attempts, settings.retry_first_delay_s, settings.retry_max_delay_s)

    def delay_s(self, attempt: int, error: TryAgain, random: Callable[[], float]) -> float | None:
        """Seconds to wait after the failed `attempt` (from 1), or None to give up; `random` gives 0 to 1."""
        firewall = isinstance(error, FirewallPage)
        if attempt >= (min(FIREWALL_ATTEMPTS, self.max_attempts) if firewall else self.max_attempts):
            return None
        ceiling = min(self.max_delay_s, self.first_delay_s * 2.0 ** min(attempt - 1, 60))
        if firewall:
            return min(self.max_delay_s, ceiling * FIREWALL_SLOWDOWN)
        return ceiling * random()

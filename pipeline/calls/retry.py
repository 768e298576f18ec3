"""Whether an address is called again, and after how long: the one policy of `LeadClient` and `FanOut`."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass
from random import SystemRandom
from typing import TYPE_CHECKING, Self

from pipeline.errors import ApiUnavailable, FirewallPage, StaleConnection, Throttled
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.errors import LeadExportError, TryAgain
    from pipeline.outcomes import Address
    from pipeline.settings import Settings

FIREWALL_ATTEMPTS = 3
"""A firewall that refuses a call is tried a few times only, and slowly: hammering makes it worse."""
FIREWALL_SLOWDOWN = 10
STALE_RETRIES = 3
"""Free retries per address after stale connections; limited, because some address may break every connection."""
THROTTLED_DELAY_S = 1.0
"""How long a throttled address lets others go first; should the API refuse only this address, they are not held up."""
jitter = SystemRandom().random
"""Numbers from 0 to 1; the generator behind `random.random` belongs to the program around us, which may seed it."""


@dataclass(slots=True, eq=False)
class Lookup:
    """An address on its way to an answer; times are on the event loop's clock, in seconds.

    Attributes:
        attempt: the number of the next attempt; an outage gives attempts back.
        calls: calls made so far, not counting those that were throttled or met a stale connection.
        stale: calls that met a stale connection.
        is_retry: whether the next call repeats one that failed.
        is_refused: whether the API refused it outright, but answered a probe after that.
        failing_since: when its first call failed.
        throttled_since: when the API began to refuse it as one call too many; None if the last call was not refused so.
    """

    address: Address
    attempt: int = 1
    calls: int = 0
    stale: int = 0
    is_retry: bool = False
    is_refused: bool = False
    failing_since: float | None = None
    throttled_since: float | None = None

    def failure(self, error: LeadExportError) -> Answer:
        """The answer if `error` is final."""
        return self._failed(error, str(error))

    def refusal(self, error: LeadExportError) -> Answer:
        """The answer if `error`, which would stop the run, is about this address only."""
        return self._failed(error, f"the API answers for other addresses, but for this one: {error}")

    def _failed(self, error: LeadExportError, message: str) -> Answer:
        return Answer(self.address.email, Outcome.FAILED, code=error.code, message=message, body=error.body)


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential delays with full jitter, each capped, a number of attempts, and patience with 429s.

    Full jitter spreads the second attempts of calls that failed together. See "Exponential Backoff And Jitter" in the
    AWS Architecture Blog (2015).
    """

    max_attempts: int
    first_delay_s: float
    max_delay_s: float
    throttle_patience_s: float
    outage_patience_s: float = 900.0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy that `settings` describe."""
        return cls(
            settings.max_attempts,
            settings.retry_first_delay_s,
            settings.retry_max_delay_s,
            settings.throttle_patience_s,
            settings.outage_patience_s,
        )

    def delay_s(self, lookup: Lookup, error: TryAgain, *, now: float, random: Callable[[], float]) -> float | None:
        """Record on `lookup` that a call failed with `error` at the time `now`.

        Returns:
            Seconds to wait before the next call, counted from when calls may start at all; None to give up.

        Args:
            lookup: the address that was called.
            error: how the call failed.
            now: the event loop's time.
            random: gives numbers from 0 to 1, for jitter.
        """
        lookup.is_retry = True
        if isinstance(error, Throttled):
            lookup.throttled_since = now if lookup.throttled_since is None else lookup.throttled_since
            return THROTTLED_DELAY_S if now - lookup.throttled_since <= self.throttle_patience_s else None
        if isinstance(error, StaleConnection) and lookup.stale < STALE_RETRIES:
            lookup.stale += 1
            return 0.0
        lookup.calls += 1
        lookup.throttled_since = None
        lookup.failing_since = now if lookup.failing_since is None else lookup.failing_since
        delay_s = self._backoff_s(lookup.attempt, error, random)
        if delay_s is None:
            return None
        lookup.attempt += 1
        return max(delay_s, self.pause_s(error))

    def pause_s(self, error: TryAgain) -> float:
        """Seconds for which the server asks not to be called, as far as the patience goes; 0 if it asks for nothing."""
        return min(error.retry_after_s or 0.0, self.outage_patience_s)

    def has_lost_patience(self, throttled_since: float | None, now: float) -> bool:
        """Whether every call has been refused for too long; see `check_patience`."""
        return throttled_since is not None and now - throttled_since > self.throttle_patience_s

    def check_patience(self, throttled_since: float | None, now: float) -> None:
        """Check that the API has not refused every call for too long.

        Args:
            throttled_since: when it began to; None if the last call was let through.
            now: the event loop's time.

        Raises:
            ApiUnavailable: it has.
        """
        if self.has_lost_patience(throttled_since, now):
            raise ApiUnavailable(
                f"The API has answered every call with 429 Too Many Requests for {self.throttle_patience_s:g} seconds;"
                " is another program using this App?"
            )

    def _backoff_s(self, attempt: int, error: TryAgain, random: Callable[[], float]) -> float | None:
        """Seconds to wait after the failed `attempt` (from 1); None to give up."""
        firewall = isinstance(error, FirewallPage)
        if attempt >= (min(FIREWALL_ATTEMPTS, self.max_attempts) if firewall else self.max_attempts):
            return None
        ceiling = min(self.max_delay_s, self.first_delay_s * 2.0 ** min(attempt - 1, 60))
        if firewall:
            return min(self.max_delay_s, ceiling * FIREWALL_SLOWDOWN)
        return ceiling * random()


class RetryQueue:
    """Lookups that wait for their next call; they hold neither a permit nor a connection."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Lookup]] = []
        self._order = itertools.count()

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, due: float, lookup: Lookup) -> None:
        """Let `lookup` wait until the time `due`."""
        heapq.heappush(self._heap, (due, next(self._order), lookup))

    def pop(self) -> Lookup:
        """Remove the lookup that is due first."""
        return heapq.heappop(self._heap)[2]

    @property
    def next_due(self) -> float | None:
        """When the first lookup is due; None if the queue is empty."""
        return self._heap[0][0] if self._heap else None

    @property
    def is_throttled(self) -> bool:
        """Whether the lookup that is due first waits because of a 429."""
        return bool(self._heap) and self._heap[0][2].throttled_since is not None

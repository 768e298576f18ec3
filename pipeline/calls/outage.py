"""Is it this address, or is it the API? What to do when calls fail one after the other, or one is refused outright.

The API is then called with an address that cannot exist. Any answer to such a probe, "no such lead" included, shows
that the API is up and that the addresses themselves fail. A probe costs one call, repeats no answer, and does not
depend on which addresses happen to be left.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from pipeline.errors import (
    AddressRefused,
    ApiUnavailable,
    GiveUp,
    InvalidHttp,
    OutOfFiles,
    StorageError,
    Throttled,
    TryAgain,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pipeline.calls.counts import CallCounts
    from pipeline.calls.pace import Pace
    from pipeline.calls.refusals import Refusals
    from pipeline.calls.retry import Lookup, RetryPolicy
    from pipeline.errors import StopRun
    from pipeline.outcomes import Answer

logger = logging.getLogger(__name__)

SUSPICION = 8
"""Consecutive calls without a usable answer after which the API itself is suspected."""
INVALID_PROBES = 3
"""Probes in a row whose replies are not valid HTTP, after which waiting for better ones is no use."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
LONG_PAUSE_S = 5.0
"""Pauses that the server asks for and that are longer than this are worth a warning."""
CRAMPED_S = 60.0
"""Seconds without another shortage of open files after which as many calls as usual may be in flight again."""


def probe_address(number: int) -> str:
    """An address that cannot exist, a different one for each `number`: RFC 2606 reserves the domain `.invalid`."""
    return f"nobody-{number}@lead-export.invalid"


class OutageDetector:
    """Tells an outage from addresses that fail, waits for its end, and gives back the attempts it has cost.

    Args:
        probe: calls the API with an address, at the run's pace.
        pace: tells since when the API has refused every call.
        policy: the patience with that.
        counts: updated as the probes go.
        capacity: calls that may be in flight while all is well.
        patience_s: seconds without a usable answer after which the run stops; None: it waits, until its deadline.
        refusals: addresses that wait for a probe because they were refused outright.
        probe_first: whether to begin with a probe, as an earlier attempt got no answer at all.

    Attributes:
        capacity: calls that may be in flight now: one until the first answer, and again after an outage.
    """

    def __init__(
        self,
        probe: Callable[[str], Awaitable[Answer]],
        *,
        pace: Pace,
        policy: RetryPolicy,
        counts: CallCounts,
        capacity: int,
        patience_s: float | None,
        refusals: Refusals,
        probe_first: bool = False,
    ) -> None:
        self._probe_call = probe
        self._pace = pace
        self._policy = policy
        self._counts = counts
        self._max_capacity = self._usual_capacity = capacity
        self._cramped_until: float | None = None
        self._waits = patience_s is None
        self._patience_s = float("inf") if patience_s is None else patience_s
        self._probes = 0
        self.capacity = 1
        self._is_ramping = False
        self._threshold = SUSPICION
        self._failures = 0
        self._failing_since: float | None = None
        self._last_answer_at = float("-inf")
        self._first_attempts: dict[Lookup, int] = {}
        self._undecided: list[tuple[Lookup, Answer]] = []
        self._refusals = refusals
        self._must_probe = probe_first
        self._invalid_probes = 0
        self._closed_until: float | None = None
        self._answered = asyncio.Event()

    @property
    def is_suspected(self) -> bool:
        """Whether calls fail in a way that only a probe can explain, or the server asks not to be called now."""
        unexplained = self._undecided or self._refusals.need_probe or self._failures >= self._threshold
        is_closed = self._closed_until is not None and self._closed_until > _now()
        return bool(unexplained) or self._must_probe or is_closed

    def answered(self) -> None:
        """A call got an answer: the API is up."""
        self._last_answer_at = _now()
        self._failing_since = None
        self._refusals.answered()
        self._closed_until = None
        self._answered.set()
        self._failures = 0
        self._threshold = SUSPICION
        self._first_attempts.clear()
        self._restore_capacity()

    def refused(self, error: GiveUp) -> StopRun | None:
        """A call got an error that fails its address; return the reason to stop the run, if there is one."""
        if isinstance(error, AddressRefused):
            self.answered()
            return None
        self._failing_since = None
        self._failures = 0
        self._restore_capacity()
        return self._refusals.failed(error)

    def failing(self, lookup: Lookup, error: TryAgain) -> None:
        """A call got no usable answer; `lookup` must not have been charged for the attempt yet."""
        self._first_attempts.setdefault(lookup, lookup.attempt)
        self._fail()
        if pause_s := self._policy.pause_s(error):
            self._closed_until = max(self._closed_until or 0.0, _now() + pause_s)

    def throttled(self) -> None:
        """A call was over the limit; when the patience with that is over, a probe tells whether every call is."""
        if self._policy.has_lost_patience(self._pace.throttled_since, _now()):
            self._must_probe = True

    def holds_back(self, lookup: Lookup, answer: Answer) -> bool:
        """Whether `answer`, the failure of `lookup`, waits for a probe: nothing has worked since it failed."""
        since = lookup.failing_since
        if lookup.throttled_since is None and since is not None and self._last_answer_at >= since:
            self._first_attempts.pop(lookup, None)
            return False
        self._undecided.append((lookup, answer))
        return True

    def cramped(self, error: OutOfFiles, *, others: int) -> None:
        """No connection could be opened next to those of `others` calls: be content with as many for a while.

        Raises:
            StorageError: no other call is in flight.
        """
        if not others:
            raise StorageError(f"{error}; raise that limit, then run the same command again to resume.") from error
        if self._cramped_until is None:
            logger.warning("No more than %d connections at a time for now: %s.", others, error)
        self._cramped_until = _now() + CRAMPED_S
        self._max_capacity = min(self._max_capacity, others)
        self.capacity = min(self.capacity, self._max_capacity)

    async def resolve(self) -> tuple[list[tuple[Lookup, Answer]], list[Lookup]]:
        """Probe until the API answers.

        Returns:
            Failures that are final, as the API was up; and addresses to be called again, as it was not, or because it
            refused them for the first time.

        Raises:
            StopRun: the API refuses the credentials, or has not been usable for longer than the patience allows.
        """
        outage = await self._probe_until_answered()
        undecided, self._undecided = self._undecided, []
        failures, again = self._refusals.resolve(outage=outage)
        self._must_probe = False
        if outage:
            self._refund_attempts()
        self._first_attempts.clear()
        self._failing_since = None
        # After a false alarm it takes twice as many failures to raise the next one.
        self._threshold = SUSPICION if outage else self._threshold * (2 if self._failures else 1)
        self._failures = 0
        return (failures, again + [lookup for lookup, _ in undecided]) if outage else (undecided + failures, again)

    async def _probe_until_answered(self) -> bool:
        """Return whether there was an outage: whether a probe failed, or was throttled, which explains nothing."""
        pause_s, outage, since = FIRST_PAUSE_S, False, self._failing_since or _now()
        deadline = since + self._patience_s
        if self._closed_until is not None:
            await self._wait_as_asked(min(self._closed_until, deadline))
        while (error := await self._probe()) is not None:
            if isinstance(error, Throttled):
                outage = True
                continue
            if self._failing_since is None:
                break  # a call that was in flight has been answered meanwhile
            if pause_s == FIRST_PAUSE_S:
                logger.warning("The API is not answering (%s%s); waiting for it to recover.", error, _asked(error))
            outage = True
            self._limit_capacity()
            wanted_s = max(pause_s, self._policy.pause_s(error))
            await self._pause(min(wanted_s, deadline - _now()), error)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        if pause_s > FIRST_PAUSE_S:
            self._counts.outages.add(since, _now())
            logger.warning("The API is answering again.")
        return outage

    async def _wait_as_asked(self, until: float) -> None:
        """Wait until a time that the server has asked for, unless a call in flight is answered before."""
        if until <= _now():
            return
        if until - _now() > LONG_PAUSE_S:
            logger.warning("The API asks for a pause (Retry-After); no call goes out for %.0f s.", until - _now())
        self._answered.clear()
        with contextlib.suppress(TimeoutError), self._counts.waiting_for("backoff"):
            async with asyncio.timeout_at(until):
                await self._answered.wait()

    async def _probe(self) -> TryAgain | None:
        """Call with an address that cannot exist; None if the API answers, whatever it says."""
        self._probes += 1
        try:
            await self._probe_call(probe_address(self._probes))
        except Throttled as error:
            if not self._waits:
                self._policy.check_patience(self._pace.throttled_since, _now())
            self._limit_capacity()
            return error
        except OutOfFiles as error:
            self.cramped(error, others=0)
        except TryAgain as error:
            self._fail()
            self._check_http(error)
            return error
        except GiveUp as error:
            self._refusals.probe_failed(error)
            return None
        self._refusals.has_answered = True
        return None

    def _check_http(self, error: TryAgain) -> None:
        """Stop early if what comes back is never HTTP that can be read: no time will heal that."""
        self._invalid_probes = self._invalid_probes + 1 if isinstance(error, InvalidHttp) else 0
        if self._invalid_probes >= INVALID_PROBES:
            raise ApiUnavailable(
                f"No reply of the server can be read: {error}. Check api_url, and a proxy on the way if there is one.",
                code=error.code,
            ) from error

    async def _pause(self, pause_s: float, error: TryAgain) -> None:
        if pause_s <= 0:
            raise ApiUnavailable(
                "The API has given no usable answer for longer than outage_patience_s,"
                f" {self._patience_s:g} seconds ({error}{_asked(error)})."
            ) from error
        with self._counts.waiting_for("backoff"):
            await asyncio.sleep(pause_s)

    def _fail(self) -> None:
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = _now()

    def _refund_attempts(self) -> None:
        """Give every address that failed during the outage the attempts back that it had when the outage began."""
        for lookup, attempt in self._first_attempts.items():
            lookup.attempt = attempt
        for lookup, _ in self._undecided:
            lookup.throttled_since = None

    def _limit_capacity(self) -> None:
        """Let a single call out after the outage, and one more with each answer."""
        self.capacity, self._is_ramping = 1, True

    def _restore_capacity(self) -> None:
        """Make room after an answer: all of it at once at the start of a run, call by call after an outage."""
        if self._max_capacity < self._usual_capacity and _now() >= (self._cramped_until or 0.0):
            self._max_capacity, self._is_ramping = self._usual_capacity, True
        if self._is_ramping and self.capacity < self._max_capacity:
            self.capacity += 1
        else:
            self.capacity = self._max_capacity


def _asked(error: TryAgain) -> str:
    return f", and asks for a pause of {error.retry_after_s:,.0f} s" if error.retry_after_s else ""


def _now() -> float:
    return asyncio.get_running_loop().time()

"""All calls of a run: addresses in, one answer for each out, as many at a time as pace and concurrency allow.

One dispatcher takes a permit and starts a call; an address that must wait for a retry waits in a queue, without a
permit or a connection. The first call goes alone, and others join it only when it has been answered, so that wrong
credentials cost one call. While the API is down, single probes go out, and no address loses an attempt. A reply that
would stop the run is put to a probe as well, for it may be about one address only. After an error that stops the run,
or the end of its budget, no further call is started; those in flight may still finish, because their answers count.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Protocol

from pipeline.calls.budget import Budget, BudgetEnded
from pipeline.calls.open_files import at_most
from pipeline.calls.outage import OutageDetector
from pipeline.calls.refusals import Refusals
from pipeline.calls.retry import Lookup, RetryQueue, jitter
from pipeline.calls.starts import Starts
from pipeline.errors import GiveUp, LeadExportError, OutOfFiles, StaleConnection, StopRun, Throttled, TryAgain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from pipeline.calls.counts import CallCounts, WaitedFor
    from pipeline.calls.pace import Pace, Permit
    from pipeline.calls.retry import RetryPolicy
    from pipeline.outcomes import Address, Answer
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

MAX_CONCURRENCY = 64
"""Calls in flight if the settings do not say. Starts are paced, so the calls in flight are rate times latency; this is
only a ceiling, and three times what the API's limit needs at a latency of one second."""
MAX_WAITING = 1_000
"""Addresses that wait for a retry; beyond that, no new ones are started."""
DRAIN_S = 9.0
"""How long the calls in flight may still take when the run is to stop; all in all it should end within ten seconds."""


class Client(Protocol):
    """What makes the calls: a `LeadClient`."""

    pace: Pace
    retry_policy: RetryPolicy

    async def call(self, email: str, *, fresh: bool = False) -> Answer:
        """Make one call now, and return its answer; with `fresh`, on a new connection."""


class FanOut:
    """Runs the calls for one list of addresses.

    Args:
        client: makes the calls; its pace and retry policy apply.
        report: takes each answer; the call's slot becomes free when it returns.
        settings: concurrency, and the patience with an outage.
        counts: updated as the calls go.
        budget: what may be spent; when it ends, addresses that were not answered are not reported.
        has_answered: whether an earlier attempt at this run was answered.
        probe_first: whether to begin with a probe, as an earlier attempt got no answer at all.
        random: gives numbers from 0 to 1, for jitter.
    """

    def __init__(
        self,
        client: Client,
        report: Callable[[Address, Answer], Awaitable[None]],
        *,
        settings: Settings,
        counts: CallCounts,
        budget: Budget | None = None,
        has_answered: bool = False,
        probe_first: bool = False,
        random: Callable[[], float] = jitter,
    ) -> None:
        self._client = client
        self._budget = budget or Budget()
        self._starts = Starts(client.pace, self._budget, counts)
        self._pace = client.pace
        self._policy = client.retry_policy
        self._report = report
        self._counts = counts
        self._random = random
        self._refusals = Refusals(client.retry_policy, has_answered=has_answered)
        self._outage = OutageDetector(
            self._probe,
            pace=client.pace,
            policy=client.retry_policy,
            counts=counts,
            capacity=at_most(settings.concurrency or MAX_CONCURRENCY),
            patience_s=settings.outage_patience_s if self._budget.deadline_s is None else None,
            refusals=self._refusals,
            probe_first=probe_first,
        )
        self._retries = RetryQueue()
        self._reporting = 0
        self._in_flight: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._stop_reason: BaseException | None = None

    async def run(self, addresses: Iterable[Address]) -> None:
        """Look up every address; return when each has been reported, or when the budget has ended.

        Raises:
            StopRun: the API refuses us or is down, or an answer could not be stored; all answers so far are reported.
        """
        self._budget.begin()
        self._dispatcher = asyncio.create_task(self._dispatch(iter(addresses)))
        over = asyncio.create_task(self._budget.over())
        try:
            await asyncio.wait({self._dispatcher, over}, return_when=asyncio.FIRST_COMPLETED)
            if self._dispatcher.cancel():
                self._budget.cut_off()
                await asyncio.wait({self._dispatcher})
            if self._stop_reason is None and not self._dispatcher.cancelled():
                self._stop_reason = self._dispatcher.exception()
            await self._drain()
        finally:
            tasks = {self._dispatcher, over, *self._in_flight}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._counts.finish()
        if self._stop_reason is not None:
            raise self._stop_reason

    def stop(self, reason: BaseException) -> None:
        """Start no further call; `run` raises `reason` when those in flight have ended. A second call cancels these."""
        if self._stop_reason is None:
            self._stop_reason = reason
            if self._dispatcher is not None:
                self._dispatcher.cancel()
        else:
            for task in self._in_flight:
                task.cancel()

    # Starting calls.

    async def _dispatch(self, addresses: Iterator[Address]) -> None:
        with contextlib.suppress(BudgetEnded):
            while True:
                lookup = await self._next_lookup(addresses)
                if lookup is not None:
                    await self._start_when_permitted(lookup)
                elif self._outage.is_suspected or self._refusals.unproven:
                    await self._resolve_suspicion()
                else:
                    return

    async def _next_lookup(self, addresses: Iterator[Address]) -> Lookup | None:
        """The next address to call, when another call may be in flight; None if none is left or an outage is likely."""
        while not self._outage.is_suspected:
            due = self._retries.next_due
            if len(self._in_flight) >= self._outage.capacity:
                await self._wait("capacity")
            elif due is not None and due <= _now():
                return self._retries.pop()
            elif len(self._retries) < MAX_WAITING and (address := next(addresses, None)) is not None:
                return Lookup(address)
            elif self._in_flight:
                await self._wait("network", until=due)
            elif due is not None:
                await self._wait("throttled" if self._retries.is_throttled else "backoff", until=due)
            else:
                return None
        return None

    async def _start_when_permitted(self, lookup: Lookup) -> None:
        permit = await self._starts.permit()
        if self._outage.is_suspected:  # since a moment ago: the address waits, as all others do
            self._starts.unused(permit)
            self._retries.push(_now(), lookup)
        else:
            self._start(lookup, permit)

    async def _wait(self, what: WaitedFor, *, until: float | None = None) -> None:
        """Wait until a call ends, or until the time `until`, and count the time as spent on `what`."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError), self._counts.waiting_for("journal" if self._reporting else what):
            async with asyncio.timeout_at(until):
                await self._changed.wait()

    def _start(self, lookup: Lookup, permit: Permit) -> None:
        task = asyncio.create_task(self._look_up(lookup, permit))
        self._in_flight.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._changed.set()
        error = None if task.cancelled() else task.exception()
        if error is not None and self._stop_reason is None:
            self.stop(error)

    async def _drain(self) -> None:
        """Let the calls in flight end, for a limited time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._in_flight:
                    await self._wait("network")

    # One call, and what follows from it.

    async def _call(self, email: str, permit: Permit, *, fresh: bool = False) -> Answer:
        """Make one call and count it."""
        self._counts.start()
        try:
            with permit:
                return await self._client.call(email, fresh=fresh)
        except LeadExportError as error:
            if not error.sent:
                self._counts.sent -= 1
                self._budget.give_back()
            if isinstance(error, Throttled):
                self._counts.throttle()
            raise

    async def _look_up(self, lookup: Lookup, permit: Permit) -> None:
        is_retry, lookup.is_retry = lookup.is_retry, False
        try:
            answer = await self._call(lookup.address.email, permit, fresh=lookup.stale > 0)
        except LeadExportError as error:
            self._counts.retried += is_retry and error.sent
            await self._without_answer(lookup, error)
        else:
            lookup.calls += 1
            self._counts.retried += is_retry
            self._counts.answered += 1
            self._outage.answered()
            for one, settled in [*self._refusals.proven(), (lookup, answer)]:
                await self._settle(one, settled)

    async def _without_answer(self, lookup: Lookup, error: LeadExportError) -> None:
        match error:
            case OutOfFiles():
                self._outage.cramped(error, others=len(self._in_flight) - 1)
                lookup.is_retry = True
                self._retries.push(_now(), lookup)
            case TryAgain():
                await self._retry_or_give_up(lookup, error)
            case GiveUp():
                await self._fail_alone(lookup, error)
            case StopRun() if error.body is not None:  # only what a reply says can be about its address
                lookup.calls += 1
                if (failure := self._refusals.add(lookup, error)) is not None:
                    await self._settle(lookup, failure)
            case _:
                raise error

    async def _fail_alone(self, lookup: Lookup, error: GiveUp) -> None:
        lookup.calls += 1
        if self._refusals.holds_back(lookup, error):
            return
        stop_reason = self._outage.refused(error)
        await self._settle(lookup, lookup.failure(error))
        if stop_reason is not None:
            raise stop_reason from error

    async def _retry_or_give_up(self, lookup: Lookup, error: TryAgain) -> None:
        if isinstance(error, Throttled):
            self._outage.throttled()
        elif not isinstance(error, StaleConnection):
            self._outage.failing(lookup, error)
        delay_s = self._policy.delay_s(lookup, error, now=_now(), random=self._random)
        if delay_s is not None:
            logger.debug("address %d: %s, next call in %.1f s", lookup.address.id, error.code, delay_s)
            self._retries.push(_now() + self._pace.closed_for_s() + delay_s, lookup)
        elif not self._outage.holds_back(lookup, failure := lookup.failure(error)):
            await self._settle(lookup, failure)

    async def _settle(self, lookup: Lookup, answer: Answer) -> None:
        self._reporting += 1
        try:
            await self._report(lookup.address, answer.with_attempts(lookup.calls))
        finally:
            self._reporting -= 1

    # When calls fail one after the other.

    async def _probe(self, email: str) -> Answer:
        permit = await self._starts.permit()
        self._counts.probes += 1
        return await self._call(email, permit)

    async def _resolve_suspicion(self) -> None:
        failures, restored = await self._outage.resolve()
        for lookup in restored:
            self._retries.push(_now(), lookup)
        for lookup, answer in failures:
            await self._settle(lookup, answer)


def _now() -> float:
    return asyncio.get_running_loop().time()

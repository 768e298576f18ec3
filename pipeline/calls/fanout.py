"""All the calls of a run: addresses in, one answer for each out, as many at a time as pace and concurrency allow.

One dispatcher takes a permit and starts a call; an address that must wait before it is asked again waits in a heap and
holds neither permit nor connection. The first call goes alone: only when one has been answered do others join it, so
that wrong credentials cost one call. While the API is down single probes go out, and no address loses an attempt. An
error that stops the run starts no further call, and those in flight may still finish, because their answers count.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from typing import TYPE_CHECKING

from pipeline.calls.clock import LoopClock
from pipeline.calls.outage import FIRST_PAUSE_S, LONGEST_PAUSE_S, UNKNOWN_IN_A_ROW, Health, probe_address
from pipeline.calls.retry import RetryPolicy
from pipeline.calls.turns import Turn, Waiting
from pipeline.errors import ApiUnavailable, GiveUp, LeadExportError, Throttled, TryAgain, UnknownApiError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

    from pipeline.calls.counts import CallCounts, WaitedFor
    from pipeline.calls.pace import Pace, Permit
    from pipeline.outcomes import Address, Answer
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

MAX_CONCURRENCY = 64
"""Calls in flight where the settings leave it open. Starts are paced, so that calls in flight are rate times latency
by themselves; this is the ceiling, and three times what the API's limit needs at a second's latency."""
MAX_WAITING = 1_000
"""Addresses that wait to be asked again; beyond that no fresh ones are taken on."""
THROTTLED_DELAY_S = 1.0
"""How long a throttled address lets others go first once the gate is open."""
DRAIN_S = 9.0
"""How long calls in flight may still take once the run is to stop; all told it is to end within ten seconds."""


class FanOut:
    """Runs the calls of one list; see the module.

    Args:
        ask: makes one call.
        report: takes each answer; a call's slot is not free before it returns.
        pace: gives out permits.
        settings: concurrency, retries and patience.
        counts: is brought up to date as the calls go.
        random: gives numbers from 0 to 1, for jitter.
    """

    def __init__(
        self,
        ask: Callable[[str], Awaitable[Answer]],
        report: Callable[[Address, Answer], Awaitable[None]],
        *,
        pace: Pace,
        settings: Settings,
        counts: CallCounts,
        random: Callable[[], float] = random.random,
    ) -> None:
        self._ask = ask
        self._report = report
        self._pace = pace
        self._counts = counts
        self._settings = settings
        self._retry = RetryPolicy.of(settings)
        self._random = random
        self._now = LoopClock()
        self._health = Health()
        self._most = settings.concurrency or MAX_CONCURRENCY
        self._room = 1
        self._ramping = False
        self._waiting = Waiting()
        self._failing: dict[Turn, int] = {}
        self._doubtful: list[tuple[Turn, Answer]] = []
        self._reporting = 0
        self._in_flight: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._dispatcher: asyncio.Task[None] | None = None
        self._stop: BaseException | None = None

    async def run(self, addresses: Iterable[Address]) -> None:
        """Ask for every address; return when each has been reported.

        Raises:
            StopRun: the API refuses us or is gone, or an answer could not be kept; what was answered is reported.
        """
        self._dispatcher = asyncio.create_task(self._dispatch(iter(addresses)))
        try:
            await asyncio.wait({self._dispatcher})
            if self._stop is None and not self._dispatcher.cancelled():
                self._stop = self._dispatcher.exception()
            await self._drain()
        finally:
            tasks = {self._dispatcher, *self._in_flight}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._counts.finish()
        if self._stop is not None:
            raise self._stop

    def stop(self, reason: BaseException) -> None:
        """Start no further call; `run` raises `reason` once those in flight have ended. The second time: at once."""
        if self._stop is None:
            self._stop = reason
            if self._dispatcher is not None:
                self._dispatcher.cancel()
        else:
            for task in self._in_flight:
                task.cancel()

    # Starting calls.

    async def _dispatch(self, fresh: Iterator[Address]) -> None:
        while True:
            turn = await self._next_turn(fresh)
            if turn is not None:
                self._start(turn, await self._permit())
            elif self._in_doubt():
                await self._see_what_it_is()
            else:
                return

    async def _next_turn(self, fresh: Iterator[Address]) -> Turn | None:
        """The next address to call, once there is room for a call; None if none is left or there is doubt."""
        while not self._in_doubt():
            due = self._waiting.next_due()
            if len(self._in_flight) >= self._room:
                await self._wait("room")
            elif due is not None and due <= self._now():
                return self._waiting.pop()
            elif len(self._waiting) < MAX_WAITING and (address := next(fresh, None)) is not None:
                return Turn(address)
            elif self._in_flight or due is not None:
                await self._wait("network" if self._in_flight else self._waiting.waits_for(), until=due)
            else:
                return None
        return None

    def _in_doubt(self) -> bool:
        """Whether calls fail in a way that only a probe can explain."""
        return bool(self._doubtful) or self._health.is_suspect()

    async def _permit(self) -> Permit:
        before, held_back_s = self._now(), self._pace.held_back_s
        try:
            return await self._pace.acquire()
        finally:
            held_back_s = self._pace.held_back_s - held_back_s
            self._counts.time.limiter += self._now() - before - held_back_s
            self._counts.time.throttled += held_back_s

    async def _wait(self, what: WaitedFor, *, until: float | None = None) -> None:
        """Wait until a call ends, or until the time `until`; `what` for is noted."""
        self._changed.clear()
        with contextlib.suppress(TimeoutError), self._counts.spent_on("journal" if self._reporting else what):
            if until is None:
                await self._changed.wait()
            else:
                async with asyncio.timeout_at(until):
                    await self._changed.wait()

    def _start(self, turn: Turn, permit: Permit) -> None:
        task = self._now.loop.create_task(self._call(turn, permit))
        self._in_flight.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._changed.set()
        error = None if task.cancelled() else task.exception()
        if error is not None and self._stop is None:
            self.stop(error)

    async def _drain(self) -> None:
        """Let the calls in flight end, for a limited time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                while self._in_flight:
                    await self._wait("network")

    # One call, and what follows from it.

    async def _send(self, email: str, permit: Permit) -> Answer:
        """Make one call and count it."""
        self._counts.start()
        try:
            with permit:
                return await self._ask(email)
        except LeadExportError as error:
            self._counts.sent -= not error.sent
            self._counts.throttled += isinstance(error, Throttled)
            raise

    async def _call(self, turn: Turn, permit: Permit) -> None:
        repeated, turn.again = turn.again, False
        try:
            answer = await self._send(turn.address.email, permit)
        except LeadExportError as error:
            turn.calls += not isinstance(error, Throttled)
            self._counts.retried += repeated and error.sent
            await self._without_answer(turn, error)
        else:
            turn.calls += 1
            self._counts.retried += repeated
            self._counts.answered += 1
            self._api_is_there()
            self._open_up()
            await self._settle(turn, answer)

    async def _without_answer(self, turn: Turn, error: LeadExportError) -> None:
        match error:
            case Throttled():
                self._throttled(turn, error)
            case TryAgain():
                await self._failed(turn, error)
            case GiveUp():
                await self._gave_up(turn, error)
            case _:
                raise error

    async def _settle(self, turn: Turn, answer: Answer) -> None:
        self._reporting += 1
        try:
            await self._report(turn.address, answer.with_attempts(turn.calls))
        finally:
            self._reporting -= 1

    async def _gave_up(self, turn: Turn, error: GiveUp) -> None:
        """The address fails; but many unknown errors in a row are more than rows that fail."""
        too_many = isinstance(error, UnknownApiError) and self._health.unknown()
        if not isinstance(error, UnknownApiError):
            self._api_is_there()
        self._open_up()
        await self._settle(turn, turn.failure(error))
        if too_many:
            raise ApiUnavailable(
                f"{UNKNOWN_IN_A_ROW} errors in a row that no documentation names; the last was {error.code!r}."
            ) from error

    async def _failed(self, turn: Turn, error: TryAgain) -> None:
        """Ask again later, or give the address up; unless nothing has worked since it began to fail."""
        now = self._now()
        self._health.failed(now)
        self._failing.setdefault(turn, turn.attempt)
        turn.failing_since = now if turn.failing_since is None else turn.failing_since
        turn.throttled_since = None
        delay_s = self._retry.delay_s(turn.attempt, error, self._random)
        if delay_s is not None:
            logger.debug(
                "address %d: attempt %d failed (%s), again in %.1f s",
                turn.address.id,
                turn.attempt,
                error.code,
                delay_s,
            )
            turn.attempt += 1
            turn.again = True
            self._wait_for_turn(turn, delay_s)
        elif self._health.last_answer_at < turn.failing_since:
            self._doubtful.append((turn, turn.failure(error)))
        else:
            self._failing.pop(turn)
            await self._settle(turn, turn.failure(error))

    def _throttled(self, turn: Turn, error: Throttled) -> None:
        """Ask again when the gate is open, which uses up no attempt; for as long as patience lasts."""
        logger.debug("address %d: too many requests", turn.address.id)
        turn.throttled_since = self._now() if turn.throttled_since is None else turn.throttled_since
        if self._now() - turn.throttled_since > self._settings.throttle_patience_s:
            self._doubtful.append((turn, turn.failure(error)))
        else:
            # Others go first through the gate: should the API only ever refuse this address, they are not held up.
            self._wait_for_turn(turn, self._pace.closed_for_s() + THROTTLED_DELAY_S)

    def _wait_for_turn(self, turn: Turn, delay_s: float) -> None:
        self._waiting.push(self._now() + delay_s, turn)

    def _api_is_there(self) -> None:
        self._health.answered(self._now())
        self._failing.clear()

    def _open_up(self) -> None:
        """Make room: at once after the first answer, call by call after an outage."""
        self._room = self._room + 1 if self._ramping and self._room < self._most else self._most

    # When nothing works.

    async def _see_what_it_is(self) -> None:
        """Probe until the API is there; then the addresses that were given up meanwhile really fail, or go on."""
        pause_s = FIRST_PAUSE_S
        since = self._health.failing_since or self._now()
        while (error := await self._probe()) is not None and self._health.failing_since is not None:
            if pause_s == FIRST_PAUSE_S:
                logger.warning("The API gives no usable answer (%s); waiting for it.", error)
            self._forgive()
            left_s = since + self._settings.outage_patience_s - self._now()
            if left_s <= 0:
                raise ApiUnavailable(
                    f"The API has given no usable answer for {self._settings.outage_patience_s:g} seconds ({error})."
                ) from error
            with self._counts.spent_on("backoff"):
                await asyncio.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        outage = pause_s > FIRST_PAUSE_S
        if outage:
            logger.warning("The API answers again.")
        self._health.cleared(outage=outage)
        self._failing.clear()
        doubtful, self._doubtful = self._doubtful, []
        for turn, answer in doubtful:
            await self._settle(turn, answer)

    async def _probe(self) -> TryAgain | None:
        """Ask for nobody; None if the API answers, whatever it says. A 429 says nothing: ask again.

        Raises:
            StopRun: it refuses us, or has refused every call as one too many for longer than patience lasts.
        """
        while True:
            permit = await self._permit()
            self._counts.probes += 1
            try:
                await self._send(probe_address(self._counts.probes), permit)
            except Throttled:
                self._pace.check_patience(self._settings.throttle_patience_s)
                self._forgive()
            except TryAgain as error:
                self._health.failed(self._now())
                return error
            except GiveUp:
                return None
            else:
                return None

    def _forgive(self) -> None:
        """It is an outage: give back the attempts it has cost, and open up slowly after it."""
        self._room, self._ramping = 1, True
        for turn, attempt in self._failing.items():
            turn.attempt = attempt
        for turn, _ in self._doubtful:
            turn.again, turn.throttled_since = True, None
            self._wait_for_turn(turn, 0.0)
        self._doubtful.clear()

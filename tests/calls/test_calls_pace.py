"""When calls may start: spacing, gate and lowered rate, in virtual time."""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import itertools
import random
from typing import TYPE_CHECKING

import pytest
from virtual_time import now, run

from pipeline.calls.pace import Gate, Pace
from pipeline.calls.rate import interval_s
from pipeline.calls.shared_pace import SharedPace
from pipeline.errors import Throttled, TimedOut

if TYPE_CHECKING:
    from pathlib import Path


async def starts(pace: Pace, count: int) -> list[float]:
    """The times at which `count` calls start that are let through at once."""
    times = []
    for _ in range(count):
        with await pace.acquire():
            times.append(now())
    return times


def most_in_a_second(times: list[float]) -> int:
    """The largest number of times that lie within any second; they are in order."""
    return max(bisect.bisect_left(times, first + 1) - number for number, first in enumerate(times))


@pytest.mark.parametrize("rate", [0.5, 1, 5, 18, 20, 100])
def test_starts_are_even_and_never_more_than_the_rate_in_any_second(rate: float) -> None:
    """No second holds more starts than the rate, the first one included, and none is given away but the guard."""
    times = run(starts(Pace(rate), 50))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert most_in_a_second(times) <= max(1, rate)
    assert times[0] == pytest.approx(1_000)
    assert sum(gaps[1:]) / len(gaps[1:]) == pytest.approx(interval_s(rate), rel=1e-3)


def test_a_rate_of_zero_is_no_limit() -> None:
    """With a rate of 0 every call starts at once."""
    assert run(starts(Pace(0), 50)) == pytest.approx([1_000] * 50)


def test_a_late_start_is_made_up_for_but_never_by_a_burst() -> None:
    """After a pause of ten seconds the calls are as far apart as before."""

    async def paused() -> list[float]:
        pace = Pace(20)
        await starts(pace, 5)
        await asyncio.sleep(10)
        return await starts(pace, 40)

    assert most_in_a_second(run(paused())) <= 20


async def refused(pace: Pace, retry_after_s: float | None = None) -> None:
    """Make a call that is over the limit."""
    error = Throttled("too many requests")
    error.retry_after_s = retry_after_s
    with pytest.raises(Throttled), await pace.acquire():
        raise error


@pytest.mark.parametrize(
    ("retry_after_s", "pause_s"), [(None, 1.0), (0.0, 1.0), (7.0, 7.0), (3_600.0, 3_600.0)], ids=str
)
def test_a_429_closes_the_gate_for_everybody(retry_after_s: float | None, pause_s: float) -> None:
    """After a 429 nobody starts for a second, or for as long as the server asks."""

    async def first_start() -> float:
        pace = Pace(0)
        await refused(pace, retry_after_s)
        before = now()
        return (await starts(pace, 1))[0] - before

    assert run(first_start()) == pytest.approx(pause_s, rel=1e-3)


def test_consecutive_429s_double_the_pause_up_to_a_minute() -> None:
    """One, two, four seconds and so on, until a call is let through; then a second again."""

    async def main() -> list[float]:
        pace, times = Pace(0), []
        for _ in range(8):
            await refused(pace)
            times.append(pace.closed_for_s())
        await starts(pace, 1)
        await refused(pace)
        return [*times, pace.closed_for_s()]

    assert run(main()) == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60, 1])


def test_429s_to_calls_that_were_on_their_way_together_count_once() -> None:
    """Five calls in flight that are all refused close the gate for one second, not for sixteen."""

    async def main() -> float:
        pace = Pace(0)
        permits = [await pace.acquire() for _ in range(5)]
        await asyncio.sleep(0.1)
        for permit in permits:
            pace.throttled(permit, None)
        return pace.closed_for_s()

    assert run(main()) == pytest.approx(1)


def test_the_gate_reopens_with_one_call() -> None:
    """After the pause one call goes alone; the others follow when it has been let through."""

    async def main() -> list[float]:
        pace, times = Pace(0), []
        await refused(pace)

        async def call() -> None:
            with await pace.acquire():
                times.append(now())
                await asyncio.sleep(0.5)

        await asyncio.gather(*(call() for _ in range(3)))
        return [time - times[0] for time in times]

    first, *others = run(main())
    assert first == 0
    assert min(others) >= 0.5


def test_a_call_that_fails_otherwise_opens_the_gate() -> None:
    """A timeout says nothing about the limit, so the calls behind it go on."""

    async def main() -> int:
        pace = Pace(0)
        await refused(pace)
        with pytest.raises(TimedOut), await pace.acquire():
            raise TimedOut("no answer")
        return len(await starts(pace, 2))

    assert run(main()) == 2


def test_sleepers_look_again_when_they_wake() -> None:
    """A pause that is made longer holds for those who were waiting already."""

    async def main() -> float:
        gate = Gate()
        gate.close(now(), None)
        before = now()

        async def longer() -> None:
            await asyncio.sleep(0.5)
            gate.close(before, 5.0)

        async def passed() -> None:
            while not gate.try_enter():
                await gate.wait()

        await asyncio.gather(passed(), longer())
        return now() - before

    assert run(main()) == pytest.approx(5.5)


def test_the_pace_knows_since_when_every_call_is_refused() -> None:
    """The first 429 starts the clock, later ones leave it alone, and one accepted call resets it."""

    async def main() -> list[float | None]:
        pace, since = Pace(0), []
        for _ in range(3):
            await refused(pace)
            since.append(pace.throttled_since)
        await starts(pace, 1)
        return [*since, pace.throttled_since]

    first, *others = run(main())
    assert first == pytest.approx(1_000)
    assert others == [first, first, None]


def test_a_cancelled_waiter_does_not_block_the_others() -> None:
    """Whoever gives up waiting for a permit leaves the queue."""

    async def main() -> int:
        pace = Pace(1)
        await starts(pace, 1)
        waiter = asyncio.create_task(starts(pace, 1))
        await asyncio.sleep(0.1)
        waiter.cancel()
        return len(await starts(pace, 3))

    assert run(main()) == 3


def test_calls_that_slow_down_are_further_apart() -> None:
    """After a 429 the calls are spaced at the lowered pace."""

    async def main() -> list[float]:
        pace = Pace(20)
        await starts(pace, 20)
        await refused(pace)
        return await starts(pace, 20)

    times = run(main())
    assert (times[-1] - times[0]) / 19 == pytest.approx(1 / 17, rel=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_change_of_the_rate_lets_no_extra_call_through(seed: int) -> None:
    """Through 429s, lowered rates and every step of the recovery, starts keep their distance."""
    dice = random.Random(seed)

    async def main() -> list[float]:
        pace, times = Pace(20), []
        refused_until = 1_000.0 + dice.uniform(5, 30)
        while now() < 1_400:
            permit = await pace.acquire()
            times.append(permit.started_at)
            await asyncio.sleep(dice.choice([0, 0, 0, 0.1]))
            if now() < refused_until and dice.random() < 0.05:
                pace.throttled(permit, None)
            else:
                pace.accepted(permit)
        return times

    times = run(main())
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert min(gaps) > 0.94 * interval_s(20)
    assert most_in_a_second(times) <= 20
    assert len(times) > 3_000


@pytest.mark.parametrize("seed", range(20))
def test_no_order_of_events_ever_blocks_the_pace(seed: int) -> None:
    """Whatever answers come back late, throttled or not, and whoever gives up: in the end everybody gets a permit."""
    dice = random.Random(seed)

    async def call(pace: Pace) -> None:
        error = Throttled("429")
        error.retry_after_s = dice.choice([None, 0.5, 3.0])
        with contextlib.suppress(Throttled), await pace.acquire():
            await asyncio.sleep(dice.uniform(0, 4))
            if dice.random() < 0.4:
                raise error

    async def main() -> int:
        pace = Pace(dice.choice([0, 5, 20]))
        tasks = [asyncio.create_task(call(pace)) for _ in range(60)]
        for task in dice.sample(tasks, 10):
            await asyncio.sleep(dice.uniform(0, 2))
            task.cancel()
        _, pending = await asyncio.wait(tasks, timeout=10_000)
        return len(pending)

    assert run(main()) == 0


def test_whoever_waits_elsewhere_when_the_gate_closes_is_not_let_in_beside_the_first(tmp_path: Path) -> None:
    """A call that stood in the queue of all processes when the 429 came does not slip out with the trial call."""

    async def main() -> int:
        clock = asyncio.get_running_loop().time
        pace = Pace(18, SharedPace("app", folder=tmp_path, clock=clock))
        other = SharedPace("app", folder=tmp_path, clock=clock)
        first = await pace.acquire()
        for _ in range(40):
            await other.take_turn(18)
        waiters = [asyncio.create_task(pace.acquire()) for _ in range(4)]
        await asyncio.sleep(0.15)
        pace.throttled(first, None)
        await asyncio.sleep(30)
        started = sum(task.done() for task in waiters)
        for task in waiters:
            task.cancel()
        await pace.close()
        other.close()
        return started

    assert run(main()) == 1


def test_old_news_do_not_block_the_call_that_tries(tmp_path: Path) -> None:
    """A late 429 to an earlier call, while the trial call waits in the shared queue, blocks no call forever."""

    async def main() -> bool:
        clock = asyncio.get_running_loop().time
        pace = Pace(18, SharedPace("app", folder=tmp_path, clock=clock))
        other = SharedPace("app", folder=tmp_path, clock=clock)
        early, late = await pace.acquire(), await pace.acquire()
        pace.throttled(early, None)
        following = asyncio.create_task(pace.acquire())
        await asyncio.sleep(0.5)
        await other.close_gate(1.5)
        await asyncio.sleep(0.8)
        pace.throttled(late, None)
        await asyncio.wait({following}, timeout=60)
        await pace.close()
        other.close()
        return following.done()

    assert run(main())


def test_a_gate_that_another_process_closed_is_told_and_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The wait counts as held back, not as the limit's, also if it is cut short; one warning says what it is for."""

    async def main() -> list[float]:
        clock = asyncio.get_running_loop().time
        pace = Pace(18, SharedPace("app", folder=tmp_path, clock=clock))
        other = SharedPace("app", folder=tmp_path, clock=clock)
        await starts(pace, 3)
        held_back = [pace.held_back_s]
        await other.close_gate(600)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(100):
                await pace.acquire()
        held_back.append(pace.held_back_s)
        await starts(pace, 5)
        await pace.close()
        other.close()
        return [*held_back, pace.held_back_s]

    before, cut_short, whole = run(main())
    assert before == 0
    assert cut_short == pytest.approx(100, abs=1)
    assert whole == pytest.approx(600, abs=1)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "another process" in caplog.text
    assert "600 s" in caplog.text


def test_a_call_that_is_given_up_tells_nothing() -> None:
    """When the one call behind a closed gate is cancelled, the next one goes alone in its place."""

    async def main() -> list[bool]:
        pace = Pace(0)
        await refused(pace)

        async def call() -> None:
            with await pace.acquire():
                await asyncio.sleep(1_000)

        trial = asyncio.create_task(call())
        await asyncio.sleep(2)
        trial.cancel()
        waiters = [asyncio.create_task(pace.acquire()) for _ in range(2)]
        await asyncio.sleep(2)
        done = [waiter.done() for waiter in waiters]
        for waiter in waiters:
            waiter.cancel()
        return done

    assert sorted(run(main())) == [False, True]

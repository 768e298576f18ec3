"""The budget of a run, against a scripted API in virtual time: what is asked before it ends, and nothing after."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from test_calls_fanout import Api, Reply, always, emails, fan_out
from virtual_time import now, run

from pipeline.calls.budget import LOOK_S, MOST_RESERVED, ON_THE_WAY_S, Budget, BudgetEnded
from pipeline.calls.fanout import DRAIN_S
from pipeline.errors import CredentialsRefused, InvalidHttp, ServerTrouble, Throttled, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable

START_S = 1_800_000_000.0
"""The wall clock's time, in seconds since 1970, when the virtual clock begins, at 1,000."""


def wall(*shifts: tuple[float, float]) -> Callable[[], float]:
    """A wall clock that jumps by these numbers of seconds, each at a number of seconds after its start."""
    return lambda: START_S + now() - 1_000 + sum(by for since, by in shifts if now() - 1_000 >= since)


def until(deadline_s: float, *shifts: tuple[float, float], max_calls: int = 0) -> Budget:
    """A budget that ends this many seconds after the start by the wall clock."""
    return Budget(START_S + deadline_s, max_calls=max_calls, wall=wall(*shifts))


def last_call_s(api: Api) -> float:
    """When the last call reached the server, in seconds after the start."""
    return max((time for time, _ in api.calls), default=1_000.0) - 1_000


def test_no_call_reaches_the_server_after_the_deadline_and_the_time_before_is_used() -> None:
    """At 18 a second hardly anything is wasted; calls in flight are still answered."""
    api, budget = Api(limit_per_s=20), until(120)
    done = fan_out(api, emails(5_000), budget=budget, rate_per_s=18)
    assert (done.error, budget.ended_by) == (None, "deadline")
    assert 119 < last_call_s(api) < 120
    assert len(done.answers) == len(api.calls) == budget.spent
    assert len(api.calls) / 120 >= 0.88 * 20
    assert done.seconds < 121


@pytest.mark.parametrize(
    ("shifts", "earliest", "latest"),
    [
        ([(20.0, -3_600.0)], 99, 100),  # set back: the monotonic clock ends it
        ([(20.0, -3_600.0), (50.0, 3_600.0)], 99, 100),
        ([(20.0, 3_600.0)], 20, 20 + LOOK_S),  # set forward, or the machine slept
        ([(20.0, 30.0)], 69, 70),
    ],
)
def test_whichever_clock_is_ahead_ends_it(shifts: list[tuple[float, float]], earliest: float, latest: float) -> None:
    """A wall clock that is set back gains no time; one that is set forward, or time asleep, costs some."""
    api = Api()
    fan_out(api, emails(5_000), budget=until(100, *shifts), rate_per_s=18)
    assert earliest - 0.5 <= last_call_s(api) <= latest


def test_an_end_that_is_over_before_it_begins_costs_no_call() -> None:
    """As when a run is resumed after its deadline."""
    api, budget = Api(), until(-5)
    done = fan_out(api, emails(10), budget=budget, rate_per_s=0)
    assert (done.error, api.calls, budget.ended_by, done.answers) == (None, [], "deadline", {})


def test_a_run_that_is_done_before_its_deadline_does_not_wait_for_it() -> None:
    """It ends as soon as everybody has an answer."""
    budget = until(3_600, max_calls=1_000)
    done = fan_out(Api(), emails(30), budget=budget, rate_per_s=18)
    assert (budget.ended_by, done.outcomes) == (None, {"found": 30})
    assert done.seconds < 5


def test_calls_in_flight_get_some_seconds() -> None:
    """Who is answered in them counts; who is not stays without an answer, and nobody fails."""
    api = Api(latency_s=5.0, reply=lambda _, __: None)
    slow = Api(latency_s=60.0, jitter_s=0)
    done, cut = (fan_out(each, emails(500), budget=until(70), rate_per_s=2) for each in (api, slow))
    assert done.outcomes == {"found": len(api.calls)}
    assert done.seconds < 70 + DRAIN_S
    assert cut.outcomes == {"found": 1 + sum(time + 60 < 1_070 + DRAIN_S for time, _ in slow.calls[1:])}
    assert cut.seconds == pytest.approx(70 + DRAIN_S, abs=ON_THE_WAY_S + 0.1)


def test_addresses_that_wait_to_be_asked_again_are_left() -> None:
    """They have not failed: they were not asked often enough."""
    api = Api(reply=lambda email, _: ServerTrouble("502") if email.startswith("flaky") else None)
    done = fan_out(
        api,
        [*emails(3), *emails(5, "flaky"), *emails(3_000, "more")],
        budget=until(60),
        rate_per_s=18,
        retry_first_delay_s=100,
        retry_max_delay_s=3_600,
    )
    assert (done.error, set(done.outcomes)) == (None, {"found"})
    assert not any(email.startswith("flaky") for email in done.answers)


@pytest.mark.parametrize(
    "error", [ServerTrouble("503"), Throttled("429"), Unreachable("no connection")], ids=["outage", "429", "offline"]
)
def test_trouble_is_waited_out_until_the_deadline(error: Reply) -> None:
    """However short the patience is without one; the run ends without another error, and nobody has failed."""
    api = Api(reply=lambda _, __: error if now() > 1_030 else None)
    budget = until(7_200)
    done = fan_out(api, emails(5_000), budget=budget, rate_per_s=18, outage_patience_s=60, throttle_patience_s=60)
    assert (done.error, budget.ended_by, set(done.outcomes)) == (None, "deadline", {"found"})
    assert 7_200 - 70 < last_call_s(api) < 7_200
    assert done.seconds < 7_200 + 1
    assert len(api.calls) < 18 * 31 + 400


def test_trouble_that_ends_before_the_deadline_costs_nobody_an_attempt() -> None:
    """The run goes on where it was, and everybody is found."""
    api = Api(reply=lambda _, __: ServerTrouble("503") if 1_030 < now() < 3_000 else None)
    done = fan_out(api, emails(1_000), budget=until(7_200), rate_per_s=18, outage_patience_s=60, max_attempts=2)
    assert (done.error, done.outcomes) == (None, {"found": 1_000})


def test_a_pause_that_the_server_asks_for_ends_with_the_deadline() -> None:
    """Nobody waits an hour for a call that must not be made then."""
    error = Throttled("429")
    error.retry_after_s = 3_600
    done = fan_out(Api(reply=lambda _, __: error), emails(10), budget=until(90), rate_per_s=18)
    assert (done.error, done.answers) == (None, {})
    assert done.seconds <= 90


@pytest.mark.parametrize("reply", [always(CredentialsRefused), always(InvalidHttp)])
def test_what_no_time_will_heal_still_stops_the_run(reply: Callable[[str, int], Reply]) -> None:
    """At once, and not at the deadline."""
    done = fan_out(Api(reply=reply), emails(50), budget=until(3_600), rate_per_s=18)
    assert done.error is not None
    assert done.seconds < 60


@given(st.integers(1, 120), st.integers(0, 99), st.integers(0, 3))
@hypothesis_settings(max_examples=30)
def test_never_one_call_more_than_allowed(most: int, percent: int, faults: int) -> None:
    """Retries and probes count, whatever fails; and if there is work left, none fewer."""
    asked = Counter[str]()

    def reply(email: str, _: int) -> Reply:
        asked.update([email])
        fails = hash((sum(asked.values()), faults)) % 100 < percent
        return ServerTrouble("502") if fails else Throttled("429") if faults and sum(asked.values()) % 17 == 0 else None

    api, budget = Api(reply=reply), Budget(max_calls=most)
    done = fan_out(api, emails(100), budget=budget, rate_per_s=0, outage_patience_s=80_000)
    assert len(api.calls) == done.counts.sent == budget.spent <= most
    assert (len(api.calls) == most) or len(done.answers) == 100
    assert (budget.ended_by == "max_calls") or len(done.answers) == 100


class Disk:
    """Remembers what was recorded; an attempt that is killed leaves it as it is."""

    def __init__(self) -> None:
        self.calls = 0
        self.writes = 0

    async def record(self, calls: int) -> None:
        """Store a number."""
        self.calls = calls
        self.writes += 1


@given(st.integers(1, 3_000), st.lists(st.integers(0, 400), max_size=8))
def test_calls_of_killed_attempts_are_never_made_again(most: int, kills: list[int]) -> None:
    """All attempts together make no more than allowed; a kill loses a thousandth of them, or one."""
    disk = Disk()

    async def attempt(calls: int) -> int:
        budget = Budget(max_calls=most, spent=disk.calls, record=disk.record)
        for made in range(calls):
            try:
                await budget.reserve()
            except BudgetEnded:
                assert budget.ended_by == "max_calls"
                return made
            budget.take()
            assert disk.calls >= budget.spent
        return calls

    sent = sum(run(attempt(calls)) for calls in kills)
    sent += run(attempt(most))
    lost = min(MOST_RESERVED, max(1, most // 1_000)) * len(kills)
    assert most - lost <= sent <= most


def test_an_attempt_that_ends_in_an_orderly_way_loses_none() -> None:
    """What was reserved and not sent is free again, and calls that were never sent do not count."""
    disk = Disk()

    async def attempt() -> None:
        budget = Budget(max_calls=100_000, spent=disk.calls, record=disk.record)
        for _ in range(150):
            await budget.reserve()
            budget.take()
        budget.give_back()
        await budget.close()

    run(attempt())
    run(attempt())
    assert disk.calls == 298
    assert disk.writes == 2 * 3

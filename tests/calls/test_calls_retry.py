"""Whether an address is called again, and when: attempts, delays and their jitter, patience with 429s."""

from __future__ import annotations

import pytest
from calls_wire import settings
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.retry import FIREWALL_ATTEMPTS, STALE_RETRIES, Lookup, RetryPolicy, RetryQueue
from pipeline.errors import (
    ApiUnavailable,
    FirewallPage,
    MalformedReply,
    ServerTrouble,
    StaleConnection,
    Throttled,
    TimedOut,
    TryAgain,
    Unreachable,
)
from pipeline.outcomes import Address

TRANSIENT = (ServerTrouble, MalformedReply, TimedOut, Unreachable)
numbers = st.floats(0, 1, exclude_max=True)
delays_s = st.floats(0, 3_600)


def policy(max_attempts: int = 20, first_s: float = 0.5, max_s: float = 30.0, patience_s: float = 60.0) -> RetryPolicy:
    """A policy with these attempts and delays."""
    return RetryPolicy(max_attempts, first_s, max_s, patience_s)


def lookup() -> Lookup:
    """An address that has not been called yet."""
    return Lookup(Address(1, "ann@example.com"))


def delays(chosen: RetryPolicy, *errors: TryAgain, chance: float = 1.0, at: Lookup | None = None) -> list[float | None]:
    """The delays after calls for one address that fail with these errors, a second apart."""
    one = at or lookup()
    return [chosen.delay_s(one, error, now=float(n), random=lambda: chance) for n, error in enumerate(errors)]


def test_policy_comes_from_the_settings() -> None:
    """Attempts, delays and patience are those of the settings."""
    chosen = settings(
        max_attempts=7, retry_first_delay_s=0.25, retry_max_delay_s=9, throttle_patience_s=120, outage_patience_s=240
    )
    assert RetryPolicy.of(chosen) == RetryPolicy(7, 0.25, 9.0, 120.0, 240.0)


@pytest.mark.parametrize("kind", TRANSIENT)
def test_delay_doubles_up_to_its_cap(kind: type[TryAgain]) -> None:
    """At most, the waits are 0.5, 1, 2, … seconds, and never more than the longest."""
    assert delays(policy(), *[kind("")] * 9) == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_jitter_is_full() -> None:
    """The random number picks any point between no wait and the whole wait."""
    actual = [delays(policy(), ServerTrouble(""), chance=chance)[0] for chance in (0.0, 0.25, 0.5, 1.0)]
    assert actual == [0.0, 0.125, 0.25, 0.5]


def test_attempts_are_limited() -> None:
    """The last attempt that is allowed is not followed by another, and all of them count as calls."""
    one = lookup()
    assert delays(policy(3), *[ServerTrouble("")] * 3, at=one) == [0.5, 1.0, None]
    assert (one.calls, one.failing_since, one.is_retry) == (3, 0.0, True)


@pytest.mark.parametrize(
    ("max_attempts", "expected"), [(1, [None]), (2, [5.0, None]), (3, [5.0, 10.0, None]), (20, [5.0, 10.0, None])]
)
def test_firewall_is_tried_few_times_and_slowly(max_attempts: int, expected: list[float | None]) -> None:
    """Ten times the usual wait without jitter, and at most three calls, fewer if fewer are allowed."""
    assert delays(policy(max_attempts), *[FirewallPage("")] * len(expected), chance=0.0) == expected


def test_stale_connections_cost_no_attempt_until_there_are_too_many() -> None:
    """The address is called again at once; only one that breaks connection after connection is charged for it."""
    one = lookup()
    assert delays(policy(1), *[StaleConnection("")] * STALE_RETRIES, at=one) == [0.0] * STALE_RETRIES
    assert (one.attempt, one.calls, one.failing_since) == (1, 0, None)
    assert delays(policy(1), StaleConnection(""), at=one) == [None]


def test_429s_cost_no_attempt_until_the_patience_runs_out() -> None:
    """A throttled address is called again for as long as the patience lasts, from its first 429 in a row."""
    one, error = lookup(), Throttled("")
    waits = [
        policy(1, patience_s=60).delay_s(one, error, now=now, random=lambda: 1.0) is not None for now in (5, 30, 65, 66)
    ]
    assert waits == [True, True, True, False]
    assert (one.attempt, one.calls) == (1, 0)


def test_another_failure_ends_the_row_of_429s() -> None:
    """Patience starts over with the next 429."""
    one, chosen = lookup(), policy(patience_s=60)
    for now, error in ((0, Throttled("")), (50, ServerTrouble("")), (100, Throttled(""))):
        assert chosen.delay_s(one, error, now=now, random=lambda: 1.0) is not None
    assert one.throttled_since == 100


def test_patience_with_an_api_that_refuses_every_call_ends() -> None:
    """Only 429s for longer than the patience, and the API counts as unavailable."""
    policy(patience_s=30).check_patience(None, 1_000.0)
    policy(patience_s=30).check_patience(970.0, 1_000.0)
    with pytest.raises(ApiUnavailable) as caught:
        policy(patience_s=30).check_patience(969.0, 1_000.0)
    assert all(fact in str(caught.value) for fact in ("429", "30 seconds"))


def test_attempt_ten_thousand_does_not_overflow() -> None:
    """Two to the power of ten thousand is no float; the wait is the longest one all the same."""
    one = lookup()
    one.attempt = 10_000
    assert delays(policy(100_000), ServerTrouble(""), at=one) == [30.0]


@given(
    st.integers(1, 20_000),
    st.integers(1, 10_000),
    delays_s,
    delays_s,
    numbers,
    st.sampled_from([*TRANSIENT, FirewallPage]),
)
def test_delay_has_bounds(
    attempt: int, max_attempts: int, first_s: float, max_s: float, chance: float, kind: type[TryAgain]
) -> None:
    """There is a delay exactly while attempts are left, and it is never negative nor over the cap."""
    one = lookup()
    one.attempt = attempt
    (delay_s,) = delays(policy(max_attempts, first_s, max_s), kind(""), chance=chance, at=one)
    allowed = min(max_attempts, FIREWALL_ATTEMPTS) if kind is FirewallPage else max_attempts
    assert (delay_s is None) == (attempt >= allowed)
    assert 0.0 <= (delay_s or 0.0) <= max_s


@given(st.lists(st.floats(0, 1e6)))
def test_the_queue_gives_out_what_is_due_first(times: list[float]) -> None:
    """Lookups come out by their time, and those of one time in the order in which they came in."""
    queue, numbered = RetryQueue(), [(time, Lookup(Address(n, "x@example.com"))) for n, time in enumerate(times)]
    for time, one in numbered:
        queue.push(time, one)
    assert queue.next_due == min(times, default=None)
    popped = [queue.pop().address.id for _ in range(len(queue))]
    assert popped == [one.address.id for _, one in sorted(numbered, key=lambda entry: entry[0])]


def test_the_queue_tells_what_its_first_lookup_waits_for() -> None:
    """A 429, or its next attempt; an empty queue waits for nothing."""
    queue, throttled = RetryQueue(), lookup()
    throttled.throttled_since = 1.0
    assert not queue.is_throttled
    queue.push(2.0, lookup())
    assert not queue.is_throttled
    queue.push(1.0, throttled)
    assert queue.is_throttled

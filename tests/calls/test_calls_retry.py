"""Whether an address is asked again, and when: attempts, bounds and jitter of the delays."""

from __future__ import annotations

import pytest
from calls_wire import settings
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.retry import FIREWALL_ATTEMPTS, RetryPolicy
from pipeline.errors import FirewallPage, MalformedReply, ServerTrouble, TimedOut, TryAgain, Unreachable

POLICY = RetryPolicy(max_attempts=20, first_delay_s=0.5, max_delay_s=30.0)
TRANSIENT = (ServerTrouble, MalformedReply, TimedOut, Unreachable)
numbers = st.floats(0, 1, exclude_max=True)
delays_s = st.floats(0, 3_600)


def test_policy_comes_from_the_settings() -> None:
    """Attempts and delays are those of the settings."""
    actual = RetryPolicy.of(settings(max_attempts=7, retry_first_delay_s=0.25, retry_max_delay_s=9))
    assert actual == RetryPolicy(7, 0.25, 9.0)


@pytest.mark.parametrize("kind", TRANSIENT)
def test_delay_doubles_up_to_its_cap(kind: type[TryAgain]) -> None:
    """Without luck the waits are 0.5, 1, 2, … and never more than the longest."""
    actual = [POLICY.delay_s(attempt, kind(""), lambda: 1.0) for attempt in range(1, 10)]
    assert actual == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0]


def test_jitter_is_full() -> None:
    """The random number picks any point from no wait at all to the whole wait."""
    chances = iter([0.0, 0.25, 0.5, 1.0])
    actual = [POLICY.delay_s(3, ServerTrouble(""), lambda: next(chances)) for _ in range(4)]
    assert actual == [0.0, 0.5, 1.0, 2.0]


@pytest.mark.parametrize(("attempt", "again"), [(1, True), (4, True), (5, False), (6, False), (10_000, False)])
def test_attempts_are_limited(attempt: int, *, again: bool) -> None:
    """The last attempt that is allowed is not followed by another."""
    policy = RetryPolicy(max_attempts=5, first_delay_s=1.0, max_delay_s=1.0)
    assert (policy.delay_s(attempt, ServerTrouble(""), lambda: 0.5) is not None) is again


@pytest.mark.parametrize(
    ("max_attempts", "delays"), [(1, [None]), (2, [5.0, None]), (3, [5.0, 10.0, None]), (20, [5.0, 10.0, None])]
)
def test_firewall_is_tried_few_times_and_slowly(max_attempts: int, delays: list[float | None]) -> None:
    """Ten times the usual wait without jitter, and at most three calls, fewer if fewer are allowed."""
    policy = RetryPolicy(max_attempts, first_delay_s=0.5, max_delay_s=30.0)
    actual = [policy.delay_s(attempt, FirewallPage(""), lambda: 0.0) for attempt in range(1, len(delays) + 1)]
    assert actual == delays


def test_attempt_ten_thousand_does_not_overflow() -> None:
    """Two to the power of ten thousand is no float; the longest wait is the answer all the same."""
    policy = RetryPolicy(max_attempts=100_000, first_delay_s=0.5, max_delay_s=30.0)
    assert policy.delay_s(10_000, ServerTrouble(""), lambda: 1.0) == 30.0


@given(st.integers(1, 20_000), st.integers(1, 10_000), delays_s, delays_s, numbers, st.sampled_from(TRANSIENT))
def test_delay_has_bounds(
    attempt: int, max_attempts: int, first_s: float, max_s: float, chance: float, kind: type[TryAgain]
) -> None:
    """There is a delay exactly while attempts are left, and it is never negative nor over the cap."""
    delay_s = RetryPolicy(max_attempts, first_s, max_s).delay_s(attempt, kind(""), lambda: chance)
    assert (delay_s is None) == (attempt >= max_attempts)
    assert 0.0 <= (delay_s or 0.0) <= max_s


@given(st.integers(1, 20_000), st.integers(1, 10_000), delays_s, delays_s)
def test_firewall_delay_has_bounds(attempt: int, max_attempts: int, first_s: float, max_s: float) -> None:
    """The same for the firewall, which has fewer attempts."""
    delay_s = RetryPolicy(max_attempts, first_s, max_s).delay_s(attempt, FirewallPage(""), lambda: 0.5)
    assert (delay_s is None) == (attempt >= min(max_attempts, FIREWALL_ATTEMPTS))
    assert 0.0 <= (delay_s or 0.0) <= max_s

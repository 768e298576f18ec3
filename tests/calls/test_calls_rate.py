"""The rate in force: how far a 429 lowers it, and how it recovers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.rate import (
    DOCUMENTED_LIMIT_PER_S,
    DROP,
    FIRST_DROP,
    HOLD_S,
    STEP_S,
    STEPS,
    AdaptiveRate,
    interval_s,
    slack,
)


def lowered(configured: float, *times: float) -> AdaptiveRate:
    """A rate that a 429 lowered at each of these times."""
    rate = AdaptiveRate(configured)
    for time in times:
        rate.lower(time)
    return rate


def test_one_429_lowers_the_rate_a_little_and_a_second_one_much_more() -> None:
    """An isolated 429 costs 15 %, another one soon after it 30 % of what is left."""
    assert lowered(20, 0.0).per_s(0.0) == pytest.approx(20 * FIRST_DROP)
    assert lowered(20, 0.0, 1.0).per_s(1.0) == pytest.approx(20 * FIRST_DROP * DROP)


def test_a_lowered_rate_is_held_then_recovers_in_steps() -> None:
    """It stays for half a minute, then rises by one call per second every 15 seconds, up to the configured rate."""
    rate = lowered(20, 0.0)
    times = [0, HOLD_S, HOLD_S + STEP_S - 1, HOLD_S + STEP_S, HOLD_S + 2 * STEP_S, HOLD_S + 3 * STEP_S]
    assert [rate.per_s(time) for time in times] == pytest.approx([17, 17, 17, 18, 19, 20])
    assert [rate.is_lowered(time) for time in times] == [True] * 5 + [False]
    assert rate.per_s(1e6) == 20


def test_without_a_configured_rate_a_429_imposes_the_documented_limit() -> None:
    """No limit until the first 429, then less than the API documents, and never again more than that."""
    rate = AdaptiveRate(0)
    assert rate.per_s(0.0) == 0
    rate.lower(0.0)
    assert rate.per_s(0.0) == pytest.approx(DOCUMENTED_LIMIT_PER_S * FIRST_DROP)
    assert rate.per_s(1e6) == DOCUMENTED_LIMIT_PER_S


@given(st.lists(st.floats(0, 1_000), min_size=1, max_size=30), st.sampled_from([0, 0.1, 1, 18, 20]), st.floats(0, 400))
def test_a_lowered_rate_has_bounds(pauses: list[float], configured: float, later: float) -> None:
    """Whenever 429s come, the rate stays above zero, at most the configured one, and recovers within its steps."""
    rate, time = AdaptiveRate(configured), 0.0
    for pause_s in pauses:
        time += pause_s
        rate.lower(time)
        assert 0 < rate.per_s(time) <= (configured or DOCUMENTED_LIMIT_PER_S)
    assert rate.per_s(time) <= rate.per_s(time + later)
    assert rate.per_s(time + HOLD_S + STEPS * STEP_S) == (configured or DOCUMENTED_LIMIT_PER_S)


@given(st.floats(0.01, 10_000))
def test_the_slack_never_uses_up_the_guard(rate_per_s: float) -> None:
    """A late start that is made up for leaves the calls of any second within the rate."""
    assert rate_per_s * interval_s(rate_per_s) - slack(rate_per_s) * interval_s(rate_per_s) > 1 or rate_per_s < 1

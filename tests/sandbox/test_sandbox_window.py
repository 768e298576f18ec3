from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sandbox.window import RateWindow, SlidingCount

# Gaps between calls in 1,024ths of a second: binary fractions, so that sums and differences are exact.
ticks = st.lists(st.sampled_from([0, 1, 40, 51, 52, 100, 341, 512, 1_023, 1_024, 1_025]), max_size=60)


def _seconds(gaps: list[int]) -> list[float]:
    return [total / 1_024 for total in accumulate(gaps)]


def _within(times_s: list[float], now_s: float) -> int:
    return sum(now_s - 1.0 < time_s <= now_s for time_s in times_s)


@given(ticks)
@settings(max_examples=50)
def test_the_worst_second_is_that_of_a_brute_force_count(gaps: list[int]) -> None:
    """The largest number of events in any window of one second is found, wherever it begins."""
    times_s, count = _seconds(gaps), SlidingCount()
    for time_s in times_s:
        count.add(time_s)
    assert count.worst == max((_within(times_s, time_s) for time_s in times_s), default=0)


@given(ticks, st.integers(1, 5))
@settings(max_examples=50)
def test_the_limit_admits_what_a_brute_force_model_admits(gaps: list[int], limit: int) -> None:
    """A call is admitted if and only if fewer calls than the limit were admitted in the second before it."""
    window = RateWindow()
    admitted: list[float] = []
    for time_s in _seconds(gaps):
        expected = _within(admitted, time_s) < limit
        assert window.admit(time_s, limit) is expected
        if expected:
            admitted.append(time_s)
    assert window.admitted.worst <= limit
    assert window.throttled == len(gaps) - len(admitted)


def test_a_call_exactly_one_second_later_is_admitted() -> None:
    """The window excludes its start."""
    window = RateWindow()
    assert [window.admit(now_s, 1) for now_s in (5.0, 5.999, 6.0)] == [True, False, True]


def test_a_limit_of_zero_admits_every_call() -> None:
    """Zero turns the limit off."""
    window = RateWindow()
    assert all(window.admit(1.0, 0) for _ in range(100))

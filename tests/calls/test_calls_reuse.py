"""Whether connections are worth using again, with a clock that the test moves."""

from __future__ import annotations

from pipeline.calls.reuse import MOST_LOST, REST_S, WINDOW, Reuse


class Clock:
    """A clock that stands until it is moved; seconds."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_a_few_lost_connections_change_nothing() -> None:
    """One in ten, for as long as it goes on, and a few together."""
    reuse = Reuse(Clock())
    for number in range(1_000):
        reuse.record(lost=number % 10 == 0)
    for _ in range(WINDOW):
        reuse.record(lost=False)
    for _ in range(MOST_LOST):
        reuse.record(lost=True)
    assert reuse.is_worthwhile


def test_many_lost_connections_are_given_a_rest() -> None:
    """After that they are tried again; lost as before, they get another rest."""
    clock = Clock()
    reuse = Reuse(clock)
    for _ in range(2):
        for _ in range(MOST_LOST + 1):
            assert reuse.is_worthwhile
            reuse.record(lost=True)
        assert not reuse.is_worthwhile
        clock.now += REST_S
    assert reuse.is_worthwhile

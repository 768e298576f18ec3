"""Telling an outage from addresses that fail by themselves: the counting."""

from __future__ import annotations

from pipeline.calls.outage import SUSPICION, UNKNOWN_IN_A_ROW, Health, probe_address


def failing(health: Health, calls: int) -> Health:
    """Let so many calls fail in a row, a second apart."""
    for second in range(calls):
        health.failed(float(second))
    return health


def test_failures_in_a_row_make_the_api_suspect() -> None:
    """The API is suspected after the last of so many failures, not before."""
    assert not failing(Health(), SUSPICION - 1).is_suspect()
    assert failing(Health(), SUSPICION).is_suspect()


def test_an_answer_clears_the_api() -> None:
    """One usable answer, and the count starts anew."""
    health = failing(Health(), SUSPICION)
    health.answered(99.0)
    assert (health.is_suspect(), health.failing_since, health.last_answer_at) == (False, None, 99.0)


def test_a_false_alarm_makes_it_harder_to_raise_the_next() -> None:
    """After a probe that was answered it takes twice as many failures."""
    health = failing(Health(), SUSPICION)
    health.cleared(outage=False)
    assert not failing(health, 2 * SUSPICION - 1).is_suspect()
    assert failing(health, 1).is_suspect()


def test_failing_since_is_the_first_failure_of_the_row() -> None:
    """An outage begins with the first call that failed."""
    assert failing(Health(), 5).failing_since == 0.0


def test_unknown_errors_in_a_row_are_too_many_at_last() -> None:
    """The 25th unknown error in a row is one too many, unless an answer came between."""
    health = Health()
    assert [health.unknown() for _ in range(UNKNOWN_IN_A_ROW)] == [False] * (UNKNOWN_IN_A_ROW - 1) + [True]
    health.answered(0.0)
    assert not health.unknown()


def test_probes_ask_for_nobody() -> None:
    """Each probe asks for another address in a domain that cannot exist."""
    assert [probe_address(n) for n in (1, 2)] == ["nobody-1@lead-export.invalid", "nobody-2@lead-export.invalid"]


def test_a_real_outage_makes_nobody_more_patient() -> None:
    """After an outage the API is suspected as soon as before."""
    health = failing(Health(), SUSPICION)
    health.cleared(outage=True)
    assert failing(health, SUSPICION).is_suspect()

"""Retry-After: how long the server asks not to be called, against a scripted API in virtual time."""

from __future__ import annotations

import itertools

import pytest
from test_calls_fanout import Api, Reply, emails, fan_out
from virtual_time import now

from pipeline.errors import ApiUnavailable, ServerTrouble, Throttled, TryAgain

START = 1_000.0


def asking(kind: type[TryAgain], retry_after_s: float) -> TryAgain:
    """An error whose reply asked for a pause."""
    error = kind("not now")
    error.retry_after_s = retry_after_s
    return error


def longest_gap(api: Api) -> float:
    """The longest time without a call."""
    return max((later - earlier for (earlier, _), (later, _) in itertools.pairwise(api.calls)), default=0.0)


@pytest.mark.parametrize("kind", [Throttled, ServerTrouble])
@pytest.mark.parametrize("begins_s", [0.0, 3.0])
def test_nobody_calls_before_the_time_that_the_server_asks_for(kind: type[TryAgain], begins_s: float) -> None:
    """Ten minutes of pause, from the first call on or in the middle of a run, are kept, and nobody fails."""
    api = Api()
    refusals: list[float] = []

    def reply(_: str, __: int) -> Reply:
        if now() - START < begins_s or (refusals and now() > refusals[0] + 600):
            return None
        refusals.append(now())
        return asking(kind, 600)

    api.reply = reply
    done = fan_out(api, emails(200), rate_per_s=18)
    assert (done.error, done.outcomes) == (None, {"found": 200})
    assert longest_gap(api) == pytest.approx(600, abs=1.5)
    assert len(refusals) <= 3  # those that were in flight together
    assert done.counts.sent <= 200 + 5


@pytest.mark.parametrize("kind", [Throttled, ServerTrouble])
def test_the_pause_ends_with_the_patience(kind: type[TryAgain], caplog: pytest.LogCaptureFixture) -> None:
    """A server that asks for an hour is called when the patience is over, and the run stops; both are said."""
    api = Api(reply=lambda _, __: asking(kind, 3_600))
    done = fan_out(api, emails(50), rate_per_s=18, throttle_patience_s=300, outage_patience_s=300)
    assert isinstance(done.error, ApiUnavailable)
    assert done.seconds == pytest.approx(300, abs=10)
    assert len(api.calls) <= 4
    assert "300" in caplog.text
    assert "3,600" in caplog.text + str(done.error)


def test_one_address_that_asks_for_a_pause_does_not_hold_up_the_others_for_long() -> None:
    """Calls in flight that are answered show that the API is there; the address itself waits as long as it was told."""
    api = Api(reply=lambda email, nth: asking(ServerTrouble, 60) if email.startswith("bad") and nth < 3 else None)
    done = fan_out(api, [*emails(20), *emails(1, "bad"), *emails(200, "good")], rate_per_s=18)
    assert (done.error, done.outcomes) == (None, {"found": 221})
    bad = [time for time, email in api.calls if email.startswith("bad")]
    assert min(later - earlier for earlier, later in itertools.pairwise(bad)) >= 60
    assert max(time for time, email in api.calls if email.startswith("good")) - START < 60


def test_an_address_that_always_asks_for_a_pause_fails_in_the_end() -> None:
    """A pause that nobody else is told does not give attempts back for ever."""
    api = Api(reply=lambda email, _: asking(ServerTrouble, 30) if email.startswith("bad") else None)
    done = fan_out(api, [*emails(2), *emails(1, "bad")], rate_per_s=0, max_attempts=3)
    assert (done.error, done.outcomes) == (None, {"found": 2, "http_5xx": 1})
    assert api.asked["bad0@example.com"] == 3
    assert 60 <= done.seconds < 100


@pytest.mark.parametrize(("asked_s", "patience_s", "is_cut"), [(1, 3, False), (1, 60, False), (3_600, 60, True)])
def test_patience_is_named_only_where_it_cuts_a_pause(
    asked_s: float, patience_s: float, is_cut: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """A pause that is longer than the one asked for, because refusals went on, is not put down to the patience."""
    api = Api(reply=lambda _, __: asking(Throttled, asked_s))
    fan_out(api, emails(20), rate_per_s=18, throttle_patience_s=patience_s)
    pauses = [record.getMessage() for record in caplog.records if "Retry-After" in record.getMessage()]
    assert any("throttle_patience_s" in pause for pause in pauses) == is_cut
    assert all(f"{asked_s:,} s" in pause for pause in pauses)

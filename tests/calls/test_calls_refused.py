"""Replies that would stop a run, against a scripted API in virtual time: whether they are about one address or all."""

from __future__ import annotations

import pytest
from test_calls_fanout import Api, Reply, emails, fan_out

from pipeline.calls.refusals import REFUSED_IN_A_ROW, UNPROVEN
from pipeline.errors import (
    AddressRefused,
    ApiUnavailable,
    CredentialsRefused,
    GiveUp,
    InternalError,
    LeadExportError,
    PermissionRefused,
    ReplyTooLarge,
    ServerTrouble,
    StopRun,
    Throttled,
    UnknownApiError,
    WrongEndpoint,
)

REFUSALS = [
    (WrongEndpoint, "http_302"),
    (WrongEndpoint, "201"),
    (CredentialsRefused, "203"),
    (PermissionRefused, "262"),
    (InternalError, "236"),
]
refusals = pytest.mark.parametrize(("kind", "code"), REFUSALS, ids=[code for _, code in REFUSALS])


def refusal(kind: type[StopRun] = WrongEndpoint, code: str = "http_302") -> StopRun:
    """What a reply of the API is taken for."""
    return kind("not so", code=code, body=b"a reply")


def probes(api: Api) -> int:
    """The calls for addresses that cannot exist."""
    return sum(count for email, count in api.asked.items() if email.endswith(".invalid"))


@refusals
@pytest.mark.parametrize("rate", [0, 18])
def test_an_address_that_alone_is_refused_fails_alone(kind: type[StopRun], code: str, rate: int) -> None:
    """A probe tells that it is the address, which is asked once more, then fails with the code; others are found."""
    api = Api(reply=lambda email, _: refusal(kind, code) if email.startswith("bad") else None)
    done = fan_out(api, [*emails(3), *emails(1, "bad"), *emails(30, "good")], rate_per_s=rate)
    assert (done.error, done.outcomes) == (None, {"found": 33, code: 1})
    answer = done.answers["bad0@example.com"]
    assert (answer.attempts, answer.body) == (2, b"a reply")
    assert (probes(api), done.counts.probes, done.counts.sent) == (1, 1, len(api.calls))


@refusals
def test_a_refusal_that_a_probe_meets_too_stops_the_run(kind: type[StopRun], code: str) -> None:
    """What was answered stays, no address fails, and hardly a call is made after the first refusal."""
    api = Api()
    api.reply = lambda _, __: refusal(kind, code) if len(api.calls) > 50 else None
    done = fan_out(api, emails(200), rate_per_s=18)
    assert (type(done.error), done.error and getattr(done.error, "code", None)) == (kind, code)
    assert done.outcomes == {"found": len(done.answers)}
    assert (probes(api), len(api.calls) <= 50 + 6) == (1, True)


def test_refusals_of_calls_in_flight_share_one_probe() -> None:
    """A dozen calls are refused at the same time: one probe decides about all of them."""
    api = Api(reply=lambda email, nth: refusal() if email.startswith("bad") and nth == 1 else None)
    done = fan_out(api, [*emails(1), *emails(12, "bad")], rate_per_s=0)
    assert (done.error, done.outcomes, probes(api)) == (None, {"found": 13}, 1)


def test_a_short_spell_of_refusals_fails_nobody() -> None:
    """While a server is replaced it may say 404 to all; if it is back when the probe comes, all are asked again."""
    api = Api(latency_s=0.2, jitter_s=0)
    state = {"left": 6}

    def reply(email: str, _: int) -> Reply:
        if len(api.calls) > 20 and not email.endswith(".invalid") and state["left"]:
            state["left"] -= 1
            return refusal(code="http_404")
        return None

    api.reply = reply
    done = fan_out(api, emails(80), rate_per_s=0)
    assert (done.error, done.outcomes) == (None, {"found": 80})


def test_many_refused_addresses_in_a_row_stop_the_run() -> None:
    """However often a probe is answered; one answer to an address among them starts the count anew."""
    api = Api(reply=lambda email, _: refusal() if email.startswith("bad") else None)
    most = REFUSED_IN_A_ROW - 1
    few = [*emails(3), *emails(most, "bad-a"), *emails(1, "good"), *emails(most, "bad-b")]
    assert fan_out(api, few, rate_per_s=0, concurrency=1).outcomes == {"found": 4, "http_302": 2 * most}
    done = fan_out(
        Api(reply=api.reply), [*emails(3), *emails(60, "bad"), *emails(9, "good")], rate_per_s=0, concurrency=1
    )
    assert isinstance(done.error, WrongEndpoint)
    assert done.error.code == "http_302"
    assert done.outcomes["http_302"] == most


@pytest.mark.parametrize("error", [ServerTrouble("503"), Throttled("429")], ids=str)
def test_a_probe_that_fails_decides_nothing(error: LeadExportError) -> None:
    """If the API is down or throttles when the probe comes, another one is made, and nobody loses an attempt."""
    api = Api()

    def reply(email: str, nth: int) -> Reply:
        if email.endswith(".invalid"):
            return error if probes(api) < 4 else None
        return refusal() if email.startswith("bad") and nth < 3 else None

    api.reply = reply
    done = fan_out(api, [*emails(3), *emails(1, "bad"), *emails(3, "good")], rate_per_s=18)
    assert done.error is None
    assert done.outcomes == ({"found": 6, "http_302": 1} if api.asked["bad0@example.com"] == 2 else {"found": 7})


def test_a_list_that_begins_with_a_refused_address_goes_on() -> None:
    """Nothing was answered yet, but a probe is; wrong credentials, hardly an address's fault, still cost one call."""
    api = Api(reply=lambda email, _: refusal() if email.startswith("bad") else None)
    done = fan_out(api, [*emails(2, "bad"), *emails(5)], rate_per_s=0)
    assert (done.error, done.outcomes) == (None, {"found": 5, "http_302": 2})
    everybody = Api(reply=lambda _, __: refusal(CredentialsRefused, "203"))
    done = fan_out(everybody, emails(5), rate_per_s=0)
    assert (isinstance(done.error, CredentialsRefused), len(everybody.calls)) == (True, 1)


@pytest.mark.parametrize(("has_answered", "probe_first"), [(True, False), (False, True)])
def test_a_resumed_run_is_not_stuck_at_its_first_address(*, has_answered: bool, probe_first: bool) -> None:
    """An earlier attempt was answered, or this one begins with a probe: one address may get "wrong credentials"."""
    api = Api(reply=lambda email, _: refusal(CredentialsRefused, "203") if email.startswith("bad") else None)
    addresses = [*emails(1, "bad"), *emails(5)]
    done = fan_out(api, addresses, rate_per_s=0, has_answered=has_answered, probe_first=probe_first)
    assert (done.error, done.outcomes) == (None, {"found": 5, "203": 1})
    everybody = Api(reply=lambda _, __: refusal(CredentialsRefused, "203"))
    done = fan_out(everybody, addresses, rate_per_s=0, has_answered=has_answered, probe_first=probe_first)
    assert (isinstance(done.error, CredentialsRefused), done.answers) == (True, {})
    assert len(everybody.calls) == (1 if probe_first else 2)


def test_a_single_attempt_is_not_exceeded() -> None:
    """With max_attempts = 1 a refused address is not asked again."""
    api = Api(reply=lambda email, _: refusal() if email.startswith("bad") else None)
    done = fan_out(api, [*emails(3), *emails(2, "bad"), *emails(3, "good")], rate_per_s=0, max_attempts=1)
    assert (done.error, done.outcomes) == (None, {"found": 6, "http_302": 2})
    assert max(api.asked[email] for email in emails(2, "bad")) == 1


SINGLE = [
    (ReplyTooLarge, "too_large", WrongEndpoint),
    (AddressRefused, "206", WrongEndpoint),
    (UnknownApiError, "http_418", WrongEndpoint),
    (UnknownApiError, "987", ApiUnavailable),
]
failures = pytest.mark.parametrize(("kind", "code", "stop"), SINGLE, ids=[code for _, code, _ in SINGLE])


@failures
@pytest.mark.parametrize("addresses", [1, 3, 100])
def test_an_api_that_fails_everybody_stops_the_run(
    kind: type[GiveUp], code: str, stop: type[StopRun], addresses: int
) -> None:
    """However short the list: a probe fails like the addresses, none of which is settled, as nothing was answered."""
    api = Api(reply=lambda _, __: kind("no", code=code))
    done = fan_out(api, emails(addresses), rate_per_s=0)
    assert (type(done.error), done.outcomes, probes(api)) == (stop, {}, 1)
    assert len(api.calls) == 1 + min(addresses, UNPROVEN)


@failures
def test_addresses_that_fail_first_fail_once_anything_is_answered(
    kind: type[GiveUp], code: str, stop: type[StopRun]
) -> None:
    """A list may begin with them, or have no others: then a probe is answered; no address is asked twice."""
    del stop
    for bad, good, expected_probes in [(3, 5, 0), (3, 0, 1), (UNPROVEN + 4, 5, 1)]:
        api = Api(reply=lambda email, _: kind("no", code=code) if email.startswith("bad") else None)
        done = fan_out(api, [*emails(bad, "bad"), *emails(good)], rate_per_s=0)
        assert (done.error, done.outcomes[code], done.outcomes["found"]) == (None, bad, good)
        assert (probes(api), max(api.asked.values())) == (expected_probes, 1)


def test_an_api_that_begins_to_fail_everybody_in_a_new_way_stops_the_run() -> None:
    """Replies that are too large count with undocumented errors, once the API has answered others."""
    api = Api(reply=lambda email, _: ReplyTooLarge("too long") if email.startswith("bad") else None)
    done = fan_out(api, [*emails(3), *emails(200, "bad")], rate_per_s=0, concurrency=1)
    assert (type(done.error), done.outcomes) == (WrongEndpoint, {"found": 3, "too_large": 25})

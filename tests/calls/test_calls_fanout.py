"""All the calls of a run against a scripted API, in virtual time: what is asked, how often, and when."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from virtual_time import now, run

from pipeline.calls.counts import CallCounts
from pipeline.calls.fanout import MAX_CONCURRENCY, FanOut
from pipeline.calls.outage import SUSPICION
from pipeline.calls.pace import Pace
from pipeline.calls.retry import RetryPolicy
from pipeline.errors import (
    AddressRefused,
    ApiUnavailable,
    CredentialsRefused,
    Interrupted,
    InvalidHttp,
    LeadExportError,
    ServerTrouble,
    StorageError,
    Throttled,
    UnknownApiError,
    Unreachable,
)
from pipeline.outcomes import Address, Answer, Outcome
from pipeline.sandbox.window import RateWindow
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pipeline.calls.budget import Budget

Reply = LeadExportError | None


@dataclass
class Api:
    """A scripted API: `reply` says what the nth call for an address gets, None being a lead.

    It takes `latency_s` with `jitter_s` either way for an answer, and holds a strict limit in any second.
    """

    reply: Callable[[str, int], Reply] = lambda _, __: None
    latency_s: float = 0.08
    jitter_s: float = 0.04
    limit_per_s: int = 0
    calls: list[tuple[float, str]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    most_in_flight: int = 0
    window: RateWindow = field(default_factory=RateWindow)
    random: random.Random = field(default_factory=lambda: random.Random(7))

    async def call(self, email: str, *, fresh: bool = False) -> Answer:  # noqa: ARG002 - there is no connection
        """Answer one call."""
        await asyncio.sleep(self.random.uniform(0, 0.005))
        self.calls.append((now(), email))
        self.asked[email] += 1
        nth = self.asked[email]
        self.window.arrive(now())
        if not self.window.admit(now(), self.limit_per_s):
            raise Throttled("too many requests")
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(self.latency_s + self.random.uniform(-self.jitter_s, self.jitter_s))
            if (error := self.reply(email, nth)) is not None:
                raise error
        finally:
            self.in_flight -= 1
        return Answer(email, Outcome.FOUND)


class Client:
    """A client of the scripted API, with the pace and the policy that settings describe."""

    def __init__(self, api: Api, settings: Settings) -> None:
        self.call = api.call
        self.pace = Pace(settings.rate_per_s, patience_s=settings.throttle_patience_s)
        self.retry_policy = RetryPolicy.of(settings)


@dataclass
class Done:
    """What a run came to."""

    answers: dict[str, Answer]
    counts: CallCounts
    seconds: float
    error: BaseException | None

    @property
    def outcomes(self) -> Counter[str]:
        """How many addresses ended as what, with the code of failures."""
        return Counter(answer.code or str(answer.outcome) for answer in self.answers.values())


def emails(count: int, name: str = "person") -> list[str]:
    """That many different addresses."""
    return [f"{name}{n}@example.com" for n in range(count)]


async def nothing(_: Address, __: Answer) -> None:
    """Take an answer and do nothing with it."""


def fan_out(
    api: Api,
    addresses: Iterable[str],
    *,
    budget: Budget | None = None,
    has_answered: bool = False,
    probe_first: bool = False,
    **settings: object,
) -> Done:
    """Run all calls for the addresses; jitter is seeded."""
    chosen = Settings.model_validate(settings)
    counts, answers = CallCounts(), {}

    async def report(address: Address, answer: Answer) -> None:
        assert address.email not in answers, "an address was reported twice"
        answers[address.email] = answer

    async def main() -> Done:
        started, error = now(), None
        client = Client(api, chosen)
        fanout = FanOut(
            client,
            report,
            settings=chosen,
            counts=counts,
            budget=budget,
            has_answered=has_answered,
            probe_first=probe_first,
            random=random.Random(11).random,
        )
        try:
            await fanout.run(Address(n, email) for n, email in enumerate(addresses, 1))
        except LeadExportError as stop:
            error = stop
        return Done(answers, counts, now() - started, error)

    return run(main())


def always(error: type[LeadExportError], code: str | None = None) -> Callable[[str, int], Reply]:
    """An API that gives everybody the same error."""
    return lambda _, __: error("for everybody", code=code)


@pytest.mark.parametrize(("rate", "least"), [(20, 0.97 * 20), (18, 0.98 * 18)])
def test_the_limit_is_used_and_never_passed(rate: int, least: float) -> None:
    """600 addresses at 20 and 18 a second against a strict limit of 20: no 429, hardly anything of the limit wasted."""
    api = Api(limit_per_s=20)
    done = fan_out(api, emails(600), rate_per_s=rate)
    seconds = api.calls[-1][0] - api.calls[0][0]
    assert (api.window.throttled, len(api.calls), api.window.arrivals.worst) == (0, 600, rate)
    assert 599 / seconds >= least
    assert done.outcomes == {"found": 600}
    assert done.counts.bound_by() == "limit-bound"


def test_the_first_call_goes_alone() -> None:
    """Nobody else is asked for before the first call has been answered."""
    api = Api(latency_s=2.0)
    fan_out(api, emails(30), rate_per_s=0)
    first, second = api.calls[0][0], api.calls[1][0]
    assert second - first >= 2.0 - api.jitter_s
    assert api.most_in_flight == 29


def test_wrong_credentials_cost_one_call() -> None:
    """The run stops at the first answer when that refuses the credentials."""
    api = Api(reply=always(CredentialsRefused))
    done = fan_out(api, emails(100), rate_per_s=0)
    assert isinstance(done.error, CredentialsRefused)
    assert (len(api.calls), done.answers) == (1, {})


def test_revoked_credentials_stop_the_run_and_what_was_answered_stays() -> None:
    """No call starts after the refusal; those in flight still count."""
    api = Api(reply=lambda email, _: CredentialsRefused("revoked") if email == "person30@example.com" else None)
    done = fan_out(api, emails(200), rate_per_s=20)
    assert isinstance(done.error, CredentialsRefused)
    assert len(done.answers) == len(api.calls) - 1
    assert 31 <= len(api.calls) <= 36


def test_a_transient_failure_is_asked_again() -> None:
    """Each address that fails twice is asked three times, and each other once."""
    api = Api(reply=lambda email, nth: ServerTrouble("502") if email.startswith("flaky") and nth < 3 else None)
    done = fan_out(api, emails(50) + emails(10, "flaky"), rate_per_s=0)
    assert done.outcomes == {"found": 60}
    assert Counter(api.asked.values()) == {1: 50, 3: 10}
    assert {answer.attempts for email, answer in done.answers.items() if email.startswith("flaky")} == {3}
    assert (done.counts.sent, done.counts.retried, done.counts.answered) == (80, 20, 60)


def test_random_faults_lose_nobody() -> None:
    """With 15 % faults everyone of 1,000 is found, nobody is called more often than allowed, and few calls are made."""
    dice = random.Random(3)
    api = Api(reply=lambda _, nth: ServerTrouble("502") if nth < 5 and dice.random() < 0.15 else None)
    done = fan_out(api, emails(1_000), rate_per_s=0, max_attempts=5)
    assert done.outcomes == {"found": 1_000}
    assert max(api.asked.values()) <= 5
    assert len(api.calls) == pytest.approx(1_000 / 0.85, rel=0.03)


@pytest.mark.parametrize("error", [ServerTrouble("always"), UnknownApiError("what", code="987"), AddressRefused("?")])
def test_addresses_that_always_fail_fail_alone(error: LeadExportError) -> None:
    """Whatever is wrong with ten addresses in a row, they fail with its code, and everybody else is found."""
    api = Api(reply=lambda email, _: error if email.startswith("bad") else None)
    done = fan_out(api, [*emails(5), *emails(10, "bad"), *emails(50, "good")], rate_per_s=0)
    assert done.outcomes == {"found": 55, error.code: 10}
    assert done.error is None


def test_only_bad_addresses_left_is_no_outage() -> None:
    """When everybody who is left fails, one probe tells that it is they, and the run ends."""
    api = Api(reply=lambda email, _: ServerTrouble("500") if email.startswith("bad") else None)
    done = fan_out(api, [*emails(20), *emails(40, "bad")], rate_per_s=0)
    assert (done.error, done.outcomes) == (None, {"found": 20, "http_5xx": 40})
    assert max(count for email, count in api.asked.items() if email.startswith("bad")) <= 5
    assert done.counts.probes < 10


def test_a_single_address_that_fails_is_no_outage() -> None:
    """Before the only address is given up, a probe tells that the API is there."""
    api = Api(reply=lambda email, _: ServerTrouble("500") if email.startswith("person") else None)
    done = fan_out(api, emails(1), rate_per_s=0)
    assert (done.error, done.outcomes, done.counts.probes) == (None, {"http_5xx": 1}, 1)


def outage(start_s: float, end_s: float) -> Callable[[str, int], Reply]:
    """An API that is down between two times, in seconds after the clock's start at 1,000."""
    return lambda _, __: ServerTrouble("503") if start_s <= now() - 1_000 < end_s else None


def test_an_outage_costs_few_calls_and_nobody_an_attempt() -> None:
    """During 20 seconds of outage fewer than 20 calls go out, and afterwards everybody is found."""
    api = Api(reply=outage(5, 25))
    done = fan_out(api, emails(300), rate_per_s=18, max_attempts=2)
    during = [time for time, _ in api.calls if 1_005 <= time < 1_025]
    assert (done.error, done.outcomes) == (None, {"found": 300})
    assert SUSPICION <= len(during) < 20


def test_it_is_known_when_the_api_was_down_and_when_it_refused_calls() -> None:
    """An outage is one spell from the first failed call to the answered probe; 429s are counted with their time."""
    counts = fan_out(Api(reply=outage(5, 25)), emails(300), rate_per_s=18).counts
    (spell,) = counts.outages.spells
    assert 1_005 <= spell.since < 1_006
    assert 1_025 <= spell.until < 1_045
    assert counts.throttlings.spells == []
    throttled = fan_out(Api(limit_per_s=10), emails(200), rate_per_s=18).counts
    assert sum(spell.times for spell in throttled.throttlings.spells) == throttled.throttled > 0
    assert throttled.outages.spells == []


def test_an_outage_in_the_tail_fails_nobody() -> None:
    """Also when nobody else is left to ask, an outage uses up no attempts."""
    api = Api(reply=outage(2, 40))
    done = fan_out(api, emails(40), rate_per_s=18, max_attempts=2)
    assert (done.error, done.outcomes) == (None, {"found": 40})


def test_after_an_outage_the_calls_ramp_up() -> None:
    """The first call after an outage goes alone, then two, and so on."""
    api = Api(reply=outage(0.2, 10), latency_s=0.5, jitter_s=0)
    fan_out(api, emails(400), rate_per_s=0, max_attempts=3)
    after = [time for time, email in api.calls if time > 1_010 and not email.startswith("nobody")]
    assert sum(time < after[0] + 0.5 for time in after) <= 2
    assert api.most_in_flight == MAX_CONCURRENCY


def test_a_permanent_outage_stops_the_run_after_its_patience() -> None:
    """After the patience the run stops as unavailable, with few calls; what was answered stays."""
    api = Api(reply=outage(5, 1e9))
    done = fan_out(api, emails(300), rate_per_s=18, outage_patience_s=900)
    assert isinstance(done.error, ApiUnavailable)
    assert done.outcomes == {"found": len(done.answers)}
    assert 900 <= done.seconds < 980
    assert len(api.calls) < 90 + SUSPICION + 30


def test_replies_that_are_never_http_are_not_waited_for() -> None:
    """After a few probes the run stops with what is wrong; an outage of this kind that ends is waited for."""
    api = Api(reply=always(InvalidHttp))
    done = fan_out(api, emails(50), rate_per_s=18)
    assert isinstance(done.error, ApiUnavailable)
    assert (done.error.code, done.outcomes) == ("not_http", {})
    assert "for everybody" in str(done.error)
    assert done.seconds < 20
    short = Api(reply=lambda _, __: InvalidHttp("not now") if now() < 1_002 else None)
    assert fan_out(short, emails(50), rate_per_s=18).outcomes == {"found": 50}


def test_probes_back_off_to_a_minute() -> None:
    """Probes are one, two, four seconds apart and so on, at last a minute."""
    api = Api(reply=always(ServerTrouble), latency_s=0, jitter_s=0)
    fan_out(api, emails(20), rate_per_s=0, outage_patience_s=300)
    times = [time for time, email in api.calls if email.startswith("nobody")]
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(times)]
    assert gaps[:8] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_unknown_errors_in_a_row_stop_the_run() -> None:
    """After 25 errors in a row that no documentation names the API counts as unavailable."""
    api = Api(reply=lambda email, _: UnknownApiError("?", code="987") if email.startswith("bad") else None)
    done = fan_out(api, [*emails(2), *emails(100, "bad")], rate_per_s=18, concurrency=1)
    assert isinstance(done.error, ApiUnavailable)
    assert (len(api.calls), done.outcomes) == (27, {"found": 2, "987": 25})


def test_a_limit_that_drops_is_found_and_kept() -> None:
    """When the API suddenly allows 5 a second instead of 20, the run settles and finds everybody."""
    api = Api(limit_per_s=20)

    def drop(_: str, __: int) -> Reply:
        if now() > 1_005:
            api.limit_per_s = 5
        return None

    api.reply = drop
    done = fan_out(api, emails(600), rate_per_s=20)
    settled = [time for time, _ in api.calls if time > 1_010]
    assert (done.error, done.outcomes) == (None, {"found": 600})
    assert api.window.throttled < 0.1 * len(settled)
    assert done.counts.bound_by() == "server-throttled"


def test_throttled_calls_use_up_no_attempts() -> None:
    """An address may be throttled more often than it may fail."""
    api = Api(reply=lambda email, nth: Throttled("429") if email == "person0@example.com" and nth < 6 else None)
    done = fan_out(api, emails(3), rate_per_s=0, max_attempts=2)
    assert done.outcomes == {"found": 3}
    assert done.answers["person0@example.com"].attempts == 1


def test_an_address_that_alone_is_throttled_fails_and_does_not_hold_up_the_others() -> None:
    """When only one address is ever refused as too many, it fails after the patience; the others are found."""
    api = Api(reply=lambda email, _: Throttled("429") if email == "person0@example.com" else None)
    done = fan_out(api, emails(40), rate_per_s=18, throttle_patience_s=60)
    assert (done.error, done.outcomes) == (None, {"found": 39, "429": 1})


def test_nothing_but_429s_stops_the_run_after_its_patience() -> None:
    """An API that refuses every call as one too many counts as unavailable."""
    done = fan_out(Api(reply=always(Throttled)), emails(50), rate_per_s=18, throttle_patience_s=120)
    assert isinstance(done.error, ApiUnavailable)
    assert done.counts.sent < 10


@pytest.mark.parametrize(("concurrency", "most"), [(0, MAX_CONCURRENCY), (1, 1), (7, 7)])
def test_concurrency_is_a_ceiling(concurrency: int, most: int) -> None:
    """Never more calls are in flight than the settings say, or 64."""
    api = Api(latency_s=1.0)
    done = fan_out(api, emails(200), rate_per_s=0, concurrency=concurrency)
    assert (api.most_in_flight, done.counts.bound_by()) == (most, "concurrency-bound")


def test_calls_in_flight_follow_rate_and_latency() -> None:
    """At 18 a second and a latency of one second some 18 calls are in flight, and no more."""
    api = Api(latency_s=1.0, jitter_s=0.1)
    fan_out(api, emails(200), rate_per_s=18)
    assert 17 <= api.most_in_flight <= 21


def test_waiting_addresses_hold_no_place() -> None:
    """While one address waits to be asked again the only place serves others."""
    api = Api(reply=lambda email, nth: ServerTrouble("502") if email == "person1@example.com" and nth < 3 else None)
    done = fan_out(api, emails(20), rate_per_s=0, concurrency=1, retry_first_delay_s=60, retry_max_delay_s=60)
    order = [email for _, email in api.calls]
    assert done.outcomes == {"found": 20}
    assert order.index("person19@example.com") < len(order) - 1 - order[::-1].index("person1@example.com")


def test_an_answer_that_cannot_be_kept_stops_the_run() -> None:
    """When the journal fails no further call is made."""
    api, counts = Api(), CallCounts()

    async def full(_: Address, __: Answer) -> None:
        raise StorageError("disk full")

    async def main() -> None:
        settings = Settings(rate_per_s=0)
        fanout = FanOut(Client(api, settings), full, settings=settings, counts=counts)
        await fanout.run(Address(n, email) for n, email in enumerate(emails(100), 1))

    with pytest.raises(StorageError):
        run(main())
    assert len(api.calls) == 1


def test_the_list_is_read_only_as_fast_as_it_is_asked_for() -> None:
    """Addresses are taken from the list one by one, never hoarded."""
    api, taken = Api(latency_s=1.0), []

    def listing() -> Iterable[str]:
        for email in emails(500):
            taken.append(len(api.calls))
            yield email

    fan_out(api, listing(), rate_per_s=18)
    assert max(position - asked for position, asked in enumerate(taken)) <= 3


def test_no_addresses_no_calls() -> None:
    """An empty list ends at once, without a call."""
    done = fan_out(Api(), [], rate_per_s=18)
    assert done.seconds == pytest.approx(0, abs=1e-3)
    assert (done.counts.sent, done.counts.bound_by()) == (0, None)


def test_time_shares_explain_the_speed() -> None:
    """The shares of a run that is bound by the limit are nearly all limiter."""
    shares = fan_out(Api(), emails(200), rate_per_s=18).counts.shares()
    assert shares["limiter"] > 0.95
    assert sum(shares.values()) == pytest.approx(1, abs=0.02)


def test_a_429_to_a_probe_says_nothing() -> None:
    """While addresses fail and probes are throttled the API is not taken for being there; afterwards all are found."""

    def reply(email: str, _: int) -> Reply:
        if now() > 1_030:
            return None
        return Throttled("429") if email.startswith("nobody") else ServerTrouble("503")

    done = fan_out(Api(reply=reply), emails(3), rate_per_s=18, max_attempts=2)
    assert (done.error, done.outcomes) == (None, {"found": 3})


def test_an_outage_counts_every_call_of_an_address() -> None:
    """`attempts` are the calls made, also those that an outage does not count against the address."""
    api = Api(reply=outage(0, 10))
    done = fan_out(api, emails(3), rate_per_s=18, max_attempts=2)
    assert [done.answers[email].attempts for email in emails(3)] == [api.asked[email] for email in emails(3)]
    assert done.counts.retried == sum(api.asked[email] for email in emails(3)) - 3


def test_calls_that_never_left_are_not_counted() -> None:
    """Where there is no connection nothing was sent, asked again or probed."""

    def refused(_: str, __: int) -> Reply:
        error = Unreachable("no connection")
        error.sent = False
        return error

    done = fan_out(Api(reply=refused), emails(3), rate_per_s=0, outage_patience_s=5)
    assert isinstance(done.error, ApiUnavailable)
    assert (done.counts.sent, done.counts.retried) == (0, 0)


def test_a_polite_stop_lets_calls_in_flight_finish() -> None:
    """After `stop` no call starts; those on their way are reported, then the reason is raised."""
    api, reported = Api(latency_s=2.0), []

    async def report(address: Address, _: Answer) -> None:
        reported.append(address)

    async def main() -> int:
        settings = Settings(rate_per_s=5)
        fanout = FanOut(Client(api, settings), report, settings=settings, counts=CallCounts())
        running = asyncio.create_task(fanout.run(Address(n, email) for n, email in enumerate(emails(100), 1)))
        await asyncio.sleep(8)
        before = len(api.calls)
        fanout.stop(Interrupted("Stopped by Ctrl-C."))
        with pytest.raises(Interrupted):
            await running
        return len(api.calls) - before

    assert run(main()) == 0
    assert len(reported) == len(api.calls) > 20


def test_a_stop_while_the_gate_is_closed_says_what_held_the_run_up() -> None:
    """The wait that the stop cuts short counts too, and for what it was."""
    counts = CallCounts()

    async def main() -> None:
        settings = Settings(rate_per_s=20)
        refusal = Throttled("429")
        refusal.retry_after_s = 60
        api = Api(reply=lambda _, __: refusal if now() > 1_003 else None)
        fanout = FanOut(Client(api, settings), nothing, settings=settings, counts=counts)
        running = asyncio.create_task(fanout.run(Address(n, email) for n, email in enumerate(emails(500), 1)))
        await asyncio.sleep(50)
        fanout.stop(Interrupted("Stopped by Ctrl-C."))
        await asyncio.gather(running, return_exceptions=True)

    run(main())
    assert counts.bound_by() == "server-throttled"


def test_a_second_stop_ends_at_once() -> None:
    """Who asks twice does not wait for the calls in flight."""
    api = Api(latency_s=9.0, jitter_s=0)

    async def main() -> float:
        settings = Settings(rate_per_s=5)
        fanout = FanOut(Client(api, settings), nothing, settings=settings, counts=CallCounts())
        running = asyncio.create_task(fanout.run(Address(n, email) for n, email in enumerate(emails(100), 1)))
        await asyncio.sleep(12)
        before = now()
        fanout.stop(Interrupted("Stopped by Ctrl-C."))
        fanout.stop(Interrupted("Stopped by Ctrl-C."))
        with pytest.raises(Interrupted):
            await running
        return now() - before

    assert run(main()) < 0.1

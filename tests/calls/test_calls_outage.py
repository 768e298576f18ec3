"""Telling an outage from addresses that fail, against a scripted API in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from virtual_time import run

from pipeline.calls.counts import CallCounts
from pipeline.calls.outage import SUSPICION, OutageDetector, probe_address
from pipeline.calls.pace import Pace
from pipeline.calls.refusals import FAILED_IN_A_ROW, Refusals
from pipeline.calls.retry import Lookup, RetryPolicy
from pipeline.errors import AddressRefused, ApiUnavailable, LeadExportError, ServerTrouble, Throttled, UnknownApiError
from pipeline.outcomes import Address, Answer, Outcome

CAPACITY = 50


@dataclass
class Api:
    """Fails one probe after the other with these errors, then answers."""

    errors: list[LeadExportError] = field(default_factory=list)
    probes: list[str] = field(default_factory=list)

    async def call(self, email: str) -> Answer:
        """Answer one probe."""
        self.probes.append(email)
        if self.errors:
            raise self.errors.pop(0)
        return Answer(email, Outcome.NOT_FOUND)


def detector(api: Api | None = None, patience_s: float = 900.0) -> OutageDetector:
    """A detector that probes `api`."""
    return OutageDetector(
        (api or Api()).call,
        pace=Pace(0),
        policy=RetryPolicy(5, 0.5, 30.0, 60.0),
        counts=CallCounts(),
        capacity=CAPACITY,
        refusals=Refusals(RetryPolicy(5, 0.5, 30.0, 60.0)),
        patience_s=patience_s,
    )


def lookup(attempt: int = 1) -> Lookup:
    """An address at this attempt."""
    return Lookup(Address(1, "ann@example.com"), attempt=attempt)


def fail(outage: OutageDetector, calls: int) -> None:
    """Let this many calls, each for another address, fail in a row."""
    for _ in range(calls):
        outage.failing(lookup(), ServerTrouble("503"))


def calls_until_suspected(outage: OutageDetector) -> int:
    """The number of failures in a row after which the API is suspected."""
    calls = 0
    while not outage.is_suspected:
        fail(outage, 1)
        calls += 1
    return calls


def test_failures_in_a_row_make_the_api_suspect() -> None:
    """After eight failures in a row; an answer in between restarts the count."""

    async def main() -> None:
        outage = detector()
        fail(outage, SUSPICION - 1)
        outage.answered()
        assert calls_until_suspected(outage) == SUSPICION

    run(main())


def test_a_false_alarm_makes_the_next_one_less_likely() -> None:
    """After a probe that was answered at once it takes twice as many failures; after an outage it does not."""

    async def main(api: Api) -> int:
        outage = detector(api)
        fail(outage, SUSPICION)
        await outage.resolve()
        return calls_until_suspected(outage)

    assert run(main(Api())) == 2 * SUSPICION
    assert run(main(Api([ServerTrouble("503")]))) == SUSPICION


def test_a_failure_is_held_back_while_nothing_has_worked() -> None:
    """It is final if a call was answered after the address first failed; otherwise a probe must tell."""

    async def main() -> list[bool]:
        outage, early = detector(), lookup()
        early.failing_since = asyncio.get_running_loop().time()
        failure = Answer("ann@example.com", Outcome.FAILED)
        held = [outage.holds_back(early, failure)]
        await asyncio.sleep(1)
        outage.answered()
        return [*held, outage.holds_back(early, failure), outage.is_suspected]

    assert run(main()) == [True, False, True]


@pytest.mark.parametrize("error", [ServerTrouble("503"), Throttled("429"), None], ids=str)
def test_an_outage_gives_attempts_back_and_fails_nobody(error: LeadExportError | None) -> None:
    """Unless the probe is answered at once, the address held back is called again, with its attempts restored."""

    async def main() -> None:
        outage, failing = detector(Api([error] if error else [])), lookup(attempt=2)
        outage.failing(failing, ServerTrouble("503"))
        failing.attempt, failing.failing_since = 5, 1.0
        failure = Answer("ann@example.com", Outcome.FAILED)
        assert outage.holds_back(failing, failure)
        failures, restored = await outage.resolve()
        if error is None:
            assert (failures, restored, failing.attempt) == ([(failing, failure)], [], 5)
        else:
            assert (failures, restored, failing.attempt) == ([], [failing], 2)
        assert not outage.is_suspected

    run(main())


def test_capacity_opens_at_once_at_first_and_call_by_call_after_an_outage() -> None:
    """One call until the first answer, then all; after an outage one more with each answer."""

    async def main() -> list[int]:
        outage = detector(Api([ServerTrouble("503")]))
        seen = [outage.capacity]
        outage.answered()
        seen.append(outage.capacity)
        fail(outage, SUSPICION)
        await outage.resolve()
        for _ in range(3):
            seen.append(outage.capacity)
            outage.answered()
        return seen

    assert run(main()) == [1, CAPACITY, 1, 2, 3]


def test_the_patience_with_an_outage_ends() -> None:
    """Probes go on for as long as the patience lasts; each asks for another address in a domain that cannot exist."""
    api = Api([ServerTrouble("503")] * 100)

    async def main() -> float:
        outage = detector(api, patience_s=20)
        fail(outage, SUSPICION)
        before = asyncio.get_running_loop().time()
        with pytest.raises(ApiUnavailable) as caught:
            await outage.resolve()
        assert all(fact in str(caught.value) for fact in ("outage_patience_s", "20 seconds", "503"))
        return asyncio.get_running_loop().time() - before

    assert run(main()) == pytest.approx(20, rel=0.01)
    assert api.probes == [probe_address(n) for n in range(1, len(api.probes) + 1)]
    assert all(email.endswith(".invalid") for email in api.probes)
    assert 4 <= len(api.probes) <= 8


def test_undocumented_errors_in_a_row_stop_the_run() -> None:
    """The 25th in a row does, unless an answer or a documented error came in between; its code is named."""

    async def main() -> None:
        outage, unknown = detector(), UnknownApiError("?", code="987")
        almost = [None] * (FAILED_IN_A_ROW - 1)
        assert [outage.refused(unknown) for _ in almost] == almost
        outage.answered()
        assert [outage.refused(unknown) for _ in almost] == almost
        outage.refused(AddressRefused("?"))
        assert [outage.refused(unknown) for _ in almost] == almost
        reason = outage.refused(unknown)
        assert isinstance(reason, ApiUnavailable)
        assert "987" in str(reason)

    run(main())

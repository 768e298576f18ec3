"""Connections that the server closes without notice: no address fails for it, and none gets another one's answer."""

from __future__ import annotations

import asyncio
import random
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme
from calls_wire import leads, resetting, settings

from pipeline.calls.client import LeadClient
from pipeline.calls.counts import CallCounts
from pipeline.calls.fanout import FanOut
from pipeline.outcomes import Address, Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

CALLS = 500
WAVE = 50


async def look_up(
    url: str, calls: int, pauses: random.Random | None = None, **changes: object
) -> tuple[dict[str, Answer], CallCounts]:
    """The answers by address; with `pauses`, connections are idle for some 50 ms after each wave of calls."""
    answers: dict[str, Answer] = {}
    chosen = settings(url, concurrency=WAVE, max_attempts=1, connect_timeout_s=30, read_timeout_s=30, **changes)
    counts = CallCounts()

    async def report(address: Address, answer: Answer) -> None:
        answers[address.email] = answer

    async with LeadClient(chosen) as client:
        addresses = [Address(n, f"person{n}@example.com") for n in range(calls)]
        size = WAVE if pauses else calls
        for first in range(0, calls, size):
            await FanOut(client, report, settings=chosen, counts=counts).run(addresses[first : first + size])
            await asyncio.sleep(pauses.uniform(0.045, 0.055) if pauses else 0)
    return answers, counts


@pytest.mark.parametrize(("close_every", "idle_s"), [(1, None), (10, None), (0, 0.05)], ids=["each", "tenth", "idle"])
async def test_closed_connections_fail_no_address(close_every: int, idle_s: float | None) -> None:
    """A single attempt per address is enough: whatever a stale connection costs, it is not the address's attempt."""
    async with leads(close_every=close_every, idle_s=idle_s) as url:
        answers, _ = await look_up(url, CALLS, random.Random(3) if idle_s else None)
    assert len(answers) == CALLS
    assert {(answer.outcome, answer.code, answer.attempts) for answer in answers.values()} == {(Outcome.FOUND, None, 1)}


@pytest.mark.parametrize("every", [1, 2, 10])
@pytest.mark.parametrize("kind", ["late", "early", "tls"])
async def test_reset_connections_fail_no_address(every: int, kind: str, tmp_path: Path) -> None:
    """Whether all reused connections are reset or one in ten: no address loses an attempt, and none waits for long."""
    tls, authority = None, tmp_path / "authority.pem"
    if kind == "tls":
        tls, issuer = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), trustme.CA()
        issuer.issue_cert("127.0.0.1").configure_cert(tls)
        issuer.cert_pem.write_to_path(authority)
    calls = 3 * WAVE
    async with resetting(every, early=kind == "early", tls=tls) as server:
        answers, counts = await look_up(server.url, calls, ca_file=authority if tls else None)
    assert len(answers) == calls
    assert {(answer.outcome, answer.code, answer.attempts) for answer in answers.values()} == {(Outcome.FOUND, None, 1)}
    assert server.resets > 5
    assert counts.time.backoff == 0
    assert server.requests <= calls * 1.4

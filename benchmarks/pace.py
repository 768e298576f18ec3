"""Is the limit held, and how much of it is used? Compared with what people write, against a strict server.

    python benchmarks/pace.py [--addresses 600]

The sandbox runs in its own process: 20 calls in any second, 80 ms of latency with 40 ms of jitter either way. Every
contender asks for the same addresses and, when it is told that it is too fast, waits a second and asks again.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from aiolimiter import AsyncLimiter

from pipeline.calls.client import LeadClient
from pipeline.calls.counts import CallCounts
from pipeline.calls.fanout import FanOut
from pipeline.errors import Throttled
from pipeline.outcomes import Address, Answer
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import running
from pipeline.settings import Settings

LIMIT = 20
SERVER = SandboxOptions(limit_per_s=LIMIT, latency_ms=80, latency_jitter_ms=40)
Contender = Callable[[Settings, Sequence[str]], Coroutine[None, None, None]]


def ours(rate: float) -> Contender:
    """The fan-out of `lead-export run`."""

    async def run(settings: Settings, emails: Sequence[str]) -> None:
        async def report(_: Address, __: Answer) -> None:
            return

        async with LeadClient(settings.model_copy(update={"rate_per_s": rate})) as client:
            fanout = FanOut(client, report, settings=settings, counts=CallCounts())
            await fanout.run(Address(n, email) for n, email in enumerate(emails, 1))

    return run


async def bucket(settings: Settings, emails: Sequence[str]) -> None:
    """`AsyncLimiter(20, 1)` before each call, everything gathered: the tutorial's way."""
    limiter = AsyncLimiter(LIMIT, 1)

    async def one(client: LeadClient, email: str) -> None:
        while True:
            async with limiter:
                if await asked(client, email):
                    return
            await asyncio.sleep(1)

    async with LeadClient(settings) as client:
        await asyncio.gather(*(one(client, email) for email in emails))


async def semaphore(settings: Settings, emails: Sequence[str]) -> None:
    """Twenty places, each kept for a second: the other tutorial's way."""
    places = asyncio.Semaphore(LIMIT)

    async def one(client: LeadClient, email: str) -> None:
        while True:
            async with places:
                done = await asked(client, email)
                await asyncio.sleep(1)
            if done:
                return

    async with LeadClient(settings) as client:
        await asyncio.gather(*(one(client, email) for email in emails))


async def asked(client: LeadClient, email: str) -> bool:
    """Make one call; False if it was one too many."""
    try:
        await client.call(email)
    except Throttled:
        return False
    return True


CONTENDERS: dict[str, Contender] = {
    "lead-export, --rate 20": ours(20),
    "lead-export, --rate 18": ours(18),
    "AsyncLimiter(20, 1)": bucket,
    "semaphore and sleep": semaphore,
}


def measure(run: Contender, emails: Sequence[str]) -> dict[str, Any]:
    """Let a contender ask for all addresses; return the server's own counts."""
    with running(SERVER) as sandbox:
        given = {"api_url": sandbox.url, "share_pace": False}
        credentials = {name: getattr(SERVER, name) for name in ("app_id", "api_key", "api_password")}
        settings = Settings.model_validate(given | credentials)
        asyncio.run(run(settings, emails))
        return sandbox.stats()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--addresses", type=int, default=600)
    arguments = parser.parse_args()
    emails = [f"person{n}@example.com" for n in range(arguments.addresses)]
    sys.stdout.write(f"{'':24}{'429s':>8}{'wasted':>8}{'worst second':>14}{'limit used':>12}\n")
    for name, run in CONTENDERS.items():
        stats = measure(run, emails)
        seconds = stats["last_call_s"] - stats["first_call_s"]
        used = (len(emails) - 1) / seconds / LIMIT
        wasted = stats["calls"] - len(emails)
        sys.stdout.write(f"{name:24}{stats['throttled']:>8}{wasted:>8}{stats['worst_second']:>14}{used:>12.1%}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

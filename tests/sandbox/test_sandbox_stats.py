import asyncio

import aiohttp
from sandbox_client import sandbox

from pipeline.sandbox.stats import MAX_USER_AGENTS, Stats


async def test_a_fresh_sandbox_has_counted_nothing() -> None:
    """All counters are zero, and there was no first call."""
    async with sandbox() as client:
        stats = await client.stats()
    assert (stats["calls"], stats["answered"], stats["asked"], stats["max_in_flight"]) == (0, 0, 0, 0)
    assert (stats["first_call_s"], stats["last_call_s"], stats["apps"]) == (None, None, {})


async def test_calls_and_answers_are_told_apart() -> None:
    """Only what settles an address counts as answered: a lead, or that there is none."""
    async with sandbox() as client:
        for address in ("a@example.com", "not-found@example.com", "deleted@example.com", "soft-deleted@example.com"):
            await client.ask(address)
        for address in ("unknown-error@example.com", "cut-off@example.com", "error-242@example.com"):
            await client.ask(address)
        await client.ask("b@example.com", api_key="wrong")
        stats = await client.stats()
    assert (stats["calls"], stats["answered"], stats["faults"], stats["throttled"]) == (8, 4, 1, 0)


async def test_asking_twice_is_noticed() -> None:
    """Addresses are told apart without case; failed and refused tries count as asked, not as answered."""
    async with sandbox() as client:
        for address in (
            "a@example.com",
            "A@Example.com",
            "fails-1@example.com",
            "fails-1@example.com",
            "b@example.com",
        ):
            await client.ask(address)
        stats = await client.stats("?addresses=1")
    assert (stats["asked"], stats["asked_twice_or_more"], stats["answered_twice_or_more"]) == (3, 2, 1)
    assert stats["max_calls_per_address"] == 2
    assert stats["addresses"] == {"a@example.com": 2, "fails-1@example.com": 2, "b@example.com": 1}


async def test_addresses_are_listed_only_when_asked_for() -> None:
    """The list may be long."""
    async with sandbox() as client:
        await client.ask("a@example.com")
        assert "addresses" not in await client.stats()


async def test_throttled_calls_count_for_their_app() -> None:
    """Every arrival counts towards the worst second, but only admitted ones towards the admitted one."""
    async with sandbox(limit_per_s=2) as client:
        for _ in range(5):
            await client.ask("a@example.com")
        await client.ask("a@example.com", app_id="sandbox-app-2")
        await client.ask("a@example.com", app_id="somebody")
        stats = await client.stats()
    assert (stats["calls"], stats["throttled"]) == (7, 3)
    assert (stats["worst_second"], stats["worst_second_admitted"]) == (7, 4)
    assert stats["apps"] == {
        "sandbox-app": {"calls": 5, "throttled": 3, "worst_second": 5},
        "sandbox-app-2": {"calls": 1, "throttled": 0, "worst_second": 1},
        "(unknown)": {"calls": 1, "throttled": 0, "worst_second": 1},
    }


async def test_calls_in_flight_are_counted_at_their_most() -> None:
    """Calls that wait for their answer are in flight, also those whose client gave up meanwhile."""
    async with sandbox(latency_ms=40) as client:
        calls = [asyncio.create_task(client.ask(f"person{number}@example.com")) for number in range(5)]
        await asyncio.sleep(0.02)
        assert (await client.stats())["in_flight"] == 5
        calls.pop().cancel()
        await asyncio.gather(*calls)
        stats = await client.stats()
    assert (stats["in_flight"], stats["max_in_flight"], stats["answered"]) == (0, 5, 4)


async def test_connections_are_counted_once_each() -> None:
    """Calls over a kept connection are one connection."""
    async with sandbox() as client:
        for _ in range(3):
            await client.ask("a@example.com")
        assert (await client.stats())["connections"] == 1
        async with aiohttp.ClientSession() as other:
            await other.post(client.url)
        assert (await client.stats())["connections"] == 2


async def test_user_agents_are_shown() -> None:
    """Each one once, in order, and never more than a page of them."""
    async with sandbox() as client:
        for agent in ("b/1", "a/1", "b/1"):
            await client.post(b"", headers={"User-Agent": agent})
        assert (await client.stats())["user_agents"] == ["a/1", "b/1"]
    stats = Stats()
    for number in range(2 * MAX_USER_AGENTS):
        stats.arrive(float(number), "app", "a@example.com", f"agent/{number}")
    assert len(stats.user_agents) == MAX_USER_AGENTS


async def test_first_and_last_call_are_timed_from_the_start() -> None:
    """Seconds since the sandbox began to listen."""
    async with sandbox() as client:
        await client.ask("a@example.com")
        await asyncio.sleep(0.01)
        await client.ask("b@example.com")
        stats = await client.stats()
    assert 0 <= stats["first_call_s"] <= stats["last_call_s"] - 0.01


async def test_resetting_forgets_everything_but_what_is_in_flight() -> None:
    """Attempts and the numbers of calls begin anew too."""
    async with sandbox() as client:
        await client.ask("fails-1@example.com")
        slow = asyncio.create_task(client.ask("slow-40@example.com"))
        await asyncio.sleep(0.01)
        await client.control(reset_stats=True)
        assert (await client.stats())["in_flight"] == 1
        await slow
        assert (await client.ask("fails-1@example.com")).status == 502
        stats = await client.stats("?addresses=1")
    assert (stats["in_flight"], stats["calls"], stats["addresses"]) == (0, 1, {"fails-1@example.com": 1})

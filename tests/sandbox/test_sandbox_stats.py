import asyncio

import aiohttp
from sandbox_client import sandbox


async def test_calls_and_answers_are_counted_separately() -> None:
    """Only a conclusive reply counts as an answer: a lead, or no such lead."""
    async with sandbox() as client:
        stats = await client.stats()
        assert (stats["calls"], stats["first_call_s"], stats["last_call_s"], stats["apps"]) == (0, None, None, {})
        for name in ("a", "not-found", "deleted", "soft-deleted", "unknown-error", "cut-off", "error-242"):
            await client.get_lead(f"{name}@example.com")
        await client.get_lead("b@example.com", api_key="wrong")
        stats = await client.stats()
    assert (stats["calls"], stats["answered"], stats["faults"], stats["throttled"]) == (8, 4, 1, 0)
    assert 0 <= stats["first_call_s"] < stats["last_call_s"]


async def test_repeated_calls_are_counted_by_address() -> None:
    """Case is ignored; failed calls count as calls but not as answers. Addresses are listed only on request."""
    async with sandbox() as client:
        for name in ("a", "A", "fails-1", "fails-1", "b"):
            await client.get_lead(f"{name}@example.com")
        assert "addresses" not in await client.stats()
        stats = await client.stats("?addresses=1")
    assert (stats["asked"], stats["asked_twice_or_more"], stats["answered_twice_or_more"]) == (3, 2, 1)
    assert stats["max_calls_per_address"] == 2
    assert stats["addresses"] == {"a@example.com": 2, "fails-1@example.com": 2, "b@example.com": 1}


async def test_throttled_calls_are_counted_by_app() -> None:
    """All calls count in the worst second, but only admitted ones in the worst second of admitted calls."""
    async with sandbox(limit_per_s=2) as client:
        for _ in range(5):
            await client.get_lead("a@example.com")
        await client.get_lead("a@example.com", app_id="sandbox-app-2")
        await client.get_lead("a@example.com", app_id="somebody")
        stats = await client.stats()
    assert (stats["calls"], stats["throttled"]) == (7, 3)
    assert (stats["worst_second"], stats["worst_second_admitted"]) == (7, 4)
    times = {app: (one.pop("first_call_s"), one.pop("last_call_s")) for app, one in stats["apps"].items()}
    assert {app: first < last for app, (first, last) in times.items() if first != last} == {"sandbox-app": True}
    assert stats["apps"] == {
        "sandbox-app": {"calls": 5, "throttled": 3, "worst_second": 5},
        "sandbox-app-2": {"calls": 1, "throttled": 0, "worst_second": 1},
        "(unknown)": {"calls": 1, "throttled": 0, "worst_second": 1},
    }


async def test_calls_in_flight_are_counted() -> None:
    """A call whose client disconnects ends without an answer."""
    async with sandbox(latency_ms=100) as client:
        calls = [asyncio.create_task(client.get_lead(f"person{number}@example.com")) for number in range(5)]
        while (await client.stats())["in_flight"] < 5:
            pass
        calls.pop().cancel()
        await asyncio.gather(*calls)
        stats = await client.stats()
    assert (stats["in_flight"], stats["max_in_flight"], stats["answered"]) == (0, 5, 4)


async def test_connections_and_user_agents_are_counted() -> None:
    """Calls over the same connection count as one connection; each user agent is listed once."""
    async with sandbox() as client:
        for agent in ("b/1", "a/1", "b/1"):
            await client.post(b"", headers={"User-Agent": agent})
        stats = await client.stats()
        assert (stats["connections"], stats["user_agents"]) == (1, ["a/1", "b/1"])
        async with aiohttp.ClientSession() as other:
            await other.post(client.url)
        assert (await client.stats())["connections"] == 2


async def test_a_reset_keeps_only_the_calls_in_flight() -> None:
    """The numbers of calls and attempts start from 1 again."""
    async with sandbox() as client:
        await client.get_lead("fails-1@example.com")
        slow = asyncio.create_task(client.get_lead("slow-100@example.com"))
        while (await client.stats())["in_flight"] < 1:
            pass
        await client.control(reset_stats=True)
        assert (await client.stats())["in_flight"] == 1
        await slow
        assert (await client.get_lead("fails-1@example.com")).status == 502
        stats = await client.stats("?addresses=1")
    assert (stats["in_flight"], stats["calls"], stats["addresses"]) == (0, 1, {"fails-1@example.com": 1})

import asyncio
import json
from time import perf_counter
from typing import Any

import aiohttp
import pytest
from sandbox_client import CREDENTIALS, SandboxClient, sandbox


async def _kinds(client: SandboxClient, count: int) -> list[str]:
    """Ask for `count` ordinary people, one after the other, and say what came."""
    kinds = []
    for number in range(count):
        try:
            answer = await client.ask(f"person{number}@example.com")
        except aiohttp.ClientError:
            kinds.append("lost")
        else:
            kinds.append(_kind(answer.status, answer.body))
    return kinds


def _kind(status: int, body: bytes) -> str:
    if status != 200:
        return str(status)
    try:
        reply = json.loads(body)
    except json.JSONDecodeError:
        return "garbled"
    return str(reply.get("type") or reply["status"])


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"app_id": ""}, "238"),
        ({"app_id": "somebody"}, "239"),
        ({"app_id": "", "api_key": ""}, "238"),
        ({"api_key": ""}, "202"),
        ({"api_key": "wrong"}, "203"),
        ({"api_key": "wrong", "api_password": "wrong"}, "203"),
        ({"api_password": "wrong"}, "233"),
        ({"api_password": ""}, "233"),
        ({"api_password": "wrong", "get_lead[email]": ""}, "233"),
        ({"get_lead[email]": " "}, "206"),
        ({"get_lead[email][]": "x"}, "206"),
        ({"get_lead[id]": "3", "get_lead[email]": ""}, "206"),
    ],
)
async def test_what_is_wrong_is_told_in_the_order_the_api_looks(fields: dict[str, str], code: str) -> None:
    """App, then key, then password, then command, then address."""
    async with sandbox() as client:
        assert await client.code("x@example.com", **fields) == code


@pytest.mark.parametrize("data", [CREDENTIALS, CREDENTIALS | {"get_lead": "x@example.com"}])
async def test_a_form_without_a_command_is_malformed(data: dict[str, str]) -> None:
    """`get_lead` must be there, and hold something."""
    async with sandbox() as client:
        assert (await client.post(data)).json["type"] == "236"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_only_posted_forms_are_forms(method: str) -> None:
    """PHP reads nothing from other methods, nor from a body of JSON; the credentials in a URL do not count."""
    async with sandbox() as client:
        answer = await client.send(method, client.url + "?app_id=sandbox-app", json=CREDENTIALS)
    assert (answer.status, answer.json["type"]) == (200, "236")


async def test_the_trailing_slash_does_not_matter() -> None:
    """`/api/` is `/api`; any other path is not there."""
    async with sandbox() as client:
        assert (await client.post(CREDENTIALS, "/")).json["type"] == "236"
        assert (await client.post(CREDENTIALS, "/v2")).status == 404


async def test_a_plus_sign_must_be_encoded() -> None:
    """A raw `+` reaches the API as a blank, and so asks for somebody else."""
    async with sandbox() as client:
        body = "&".join(f"{key}={value}" for key, value in CREDENTIALS.items())
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        raw = await client.post(f"{body}&get_lead[email]=a+b@example.com", headers=headers)
        encoded = await client.ask("a+b@example.com")
    assert raw.lead["email"] == "a b@example.com"
    assert encoded.lead["email"] == "a+b@example.com"


async def test_calls_over_the_limit_are_refused_before_anything_else() -> None:
    """The limit comes before the credentials, and the refusal says nothing about when to come back."""
    async with sandbox(limit_per_s=3) as client:
        assert await _kinds(client, 5) == ["Success", "Success", "Success", "429", "429"]
        refused = await client.ask("x@example.com", api_key="wrong")
    assert (refused.status, "Retry-After" in refused.headers) == (429, False)
    assert refused.body.startswith(b"<html>")


async def test_each_app_has_a_limit_of_its_own() -> None:
    """What one App uses up is not missing to another; unknown Apps share one limit."""
    async with sandbox(limit_per_s=1) as client:
        for app in ("sandbox-app", "sandbox-app-2", "sandbox-app-3"):
            assert (await client.ask("x@example.com", app_id=app)).status == 200
            assert (await client.ask("x@example.com", app_id=app)).status == 429
        assert (await client.ask("x@example.com", app_id="a")).status == 200
        assert (await client.ask("x@example.com", app_id="b")).status == 429


@pytest.mark.parametrize(
    ("style", "body"),
    [
        ("body", {"status": "Error", "message": "Too many requests", "type": "429"}),
        ("message", {"status": "Error", "message": "Too many requests"}),
    ],
)
async def test_a_refusal_may_hide_in_the_body(style: str, body: dict[str, Any]) -> None:
    """`throttle_style` chooses how the limit shows."""
    async with sandbox(limit_per_s=1, throttle_style=style) as client:
        await client.ask("x@example.com")
        refused = await client.ask("x@example.com")
    assert (refused.status, refused.json) == (200, body)


async def test_a_refusal_may_name_the_time_to_wait() -> None:
    """`retry_after_s` is what the header says."""
    async with sandbox(limit_per_s=1, retry_after_s=7) as client:
        await client.ask("x@example.com")
        assert (await client.ask("x@example.com")).headers["Retry-After"] == "7"


async def test_latency_delays_every_answer() -> None:
    """`latency_ms` is a floor where nothing jitters, and calls wait side by side."""
    async with sandbox(latency_ms=50) as client:
        began_s = perf_counter()
        await asyncio.gather(*(client.ask(f"person{i}@example.com") for i in range(10)))
        took_s = perf_counter() - began_s
    assert 0.05 <= took_s < 0.4  # ten in turn would take 0.5


async def test_jitter_spreads_the_latency() -> None:
    """Answers to calls of one moment come back in another order."""
    order: list[int] = []

    async def ask(client: SandboxClient, number: int) -> None:
        await client.ask(f"person{number}@example.com")
        order.append(number)

    async with sandbox(latency_ms=20, latency_jitter_ms=20) as client:
        await asyncio.gather(*(ask(client, number) for number in range(20)))
    assert sorted(order) == list(range(20))
    assert order != list(range(20))


async def test_faults_come_at_the_rate_asked_for() -> None:
    """A share of the calls fails, in many ways, and the same ones each time."""
    runs = []
    for _ in range(2):
        async with sandbox(fault_rate=0.3) as client:
            runs.append(await _kinds(client, 300))
            faults = (await client.stats())["faults"]
    assert runs[0] == runs[1]
    assert 60 < faults < 120
    assert faults == 300 - runs[0].count("Success")
    assert {"lost", "garbled", "500", "502"} < set(runs[0])


async def test_a_faulty_address_works_when_asked_again() -> None:
    """Each attempt has its own chance."""
    async with sandbox(fault_rate=0.5) as client:
        outcomes = {(await _kinds(client, 1))[0] for _ in range(20)}
    assert "Success" in outcomes
    assert len(outcomes) > 1


@pytest.mark.parametrize(("rate", "faults"), [(0, 0), (1, 20)])
async def test_the_ends_of_the_fault_rate_are_never_and_always(rate: float, faults: int) -> None:
    """0 spares every call, 1 none."""
    async with sandbox(fault_rate=rate) as client:
        await _kinds(client, 20)
        assert (await client.stats())["faults"] == faults


async def test_credentials_can_be_revoked_midway() -> None:
    """From the call after `revoke_after` on the password is wrong."""
    async with sandbox(revoke_after=2) as client:
        assert await _kinds(client, 4) == ["Success", "Success", "233", "233"]


@pytest.mark.parametrize(("style", "kind"), [("http-503", "503"), ("dropped", "lost")])
async def test_an_outage_lasts_for_its_calls(style: str, kind: str) -> None:
    """It begins at the call `outage_from` and ends after `outage_calls`."""
    async with sandbox(outage_from=2, outage_calls=3, outage_style=style) as client:
        assert await _kinds(client, 6) == ["Success", kind, kind, kind, "Success", "Success"]
        assert (await client.stats())["outage_calls_seen"] == 3


async def test_an_outage_without_an_end_lasts() -> None:
    """`outage_calls` 0 is for ever."""
    async with sandbox(outage_from=2) as client:
        assert await _kinds(client, 4) == ["Success", "503", "503", "503"]


async def test_an_outage_may_last_for_a_time() -> None:
    """`outage_s` counts from the first call of the outage, not from the start."""
    async with sandbox(outage_from=1, outage_s=0.03) as client:
        assert await _kinds(client, 2) == ["503", "503"]
        await asyncio.sleep(0.03)
        assert await _kinds(client, 1) == ["Success"]


async def test_switches_change_while_it_runs() -> None:
    """What /control sets holds from the next call on, and the answer shows all switches."""
    async with sandbox() as client:
        switches = (await client.control(api_key="other", seed=2)).json
        assert (switches["api_key"], switches["seed"], switches["limit_per_s"]) == ("other", 2, 0)
        assert await client.code("x@example.com") == "203"
        assert (await client.ask("x@example.com", api_key="other")).lead["id"]


async def test_an_outage_can_be_ordered_for_the_call_after_next() -> None:
    """Clearing the counters numbers the calls from 1 again."""
    async with sandbox() as client:
        await _kinds(client, 5)
        await client.control(outage_from=2, outage_calls=1, reset_stats=True)
        assert await _kinds(client, 3) == ["Success", "503", "Success"]


@pytest.mark.parametrize(
    ("switches", "sentence"),
    [
        ({"limit": 3}, "'limit' is not a switch"),
        ({"port": 3}, "port is fixed when the sandbox starts."),
        ({"limit_per_s": "20"}, "limit_per_s must be a whole number, not '20'."),
        ({"reset_stats": 1}, "reset_stats must be true or false, not 1."),
    ],
)
async def test_a_wrong_switch_is_refused_with_a_sentence(switches: dict[str, object], sentence: str) -> None:
    """Nothing changes then."""
    async with sandbox() as client:
        answer = await client.control(seed=9, **switches)
        assert answer.status == 400
        assert answer.body.decode().startswith(sentence)
        assert (await client.control()).json["seed"] == 1


async def test_control_takes_posted_json_objects_only() -> None:
    """Anything else is told so."""
    async with sandbox() as client:
        control = client.url.removesuffix("/api") + "/control"
        assert (await client.send("GET", control)).status == 405
        for text in ("", "[]", "seed=1"):
            assert (await client.send("POST", control, data=text)).status == 400


async def test_wild_bodies_are_answered() -> None:
    """Bytes that are no form at all are no reason to fall over."""
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with sandbox() as client:
        for body in (b"\xff\xfe\0", b"[[[[", b"%", b"get_lead[email]=\xff", b"&" * 10_000):
            assert (await client.post(body, headers=headers)).json["type"] == "238"

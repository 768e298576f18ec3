import asyncio
from time import perf_counter
from typing import Any

import pytest
from sandbox_client import CREDENTIALS, SandboxClient, sandbox

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"app_id": "", "api_key": ""}, "238"),
        ({"app_id": "somebody"}, "239"),
        ({"api_key": ""}, "202"),
        ({"api_key": "wrong", "api_password": "wrong"}, "203"),
        ({"api_password": "wrong", "get_lead[email]": ""}, "233"),
        ({"api_password": ""}, "233"),
        ({"get_lead[email]": " "}, "206"),
        ({"get_lead[id]": "3", "get_lead[email]": ""}, "206"),
    ],
)
async def test_errors_are_reported_in_the_order_of_the_api(fields: dict[str, str], code: str) -> None:
    """App, then key, then password, then command, then address."""
    async with sandbox() as client:
        assert await client.outcome("x@example.com", **fields) == code


@pytest.mark.parametrize("data", [CREDENTIALS, CREDENTIALS | {"get_lead": "x@example.com"}])
async def test_a_form_without_a_command_is_malformed(data: dict[str, str]) -> None:
    """`get_lead` must be present and an array."""
    async with sandbox() as client:
        assert (await client.post(data)).json["type"] == "236"


@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_only_a_posted_form_is_a_form(method: str) -> None:
    """PHP ignores forms sent with other methods and JSON bodies; credentials in the URL do not count."""
    async with sandbox() as client:
        reply = await client.send(method, client.url + "?app_id=sandbox-app", json=CREDENTIALS)
    assert (reply.status, reply.json["type"]) == (200, "236")


async def test_a_trailing_slash_is_ignored() -> None:
    """`/api/` is the same as `/api`; other paths do not exist."""
    async with sandbox() as client:
        assert (await client.post(CREDENTIALS, "/")).json["type"] == "236"
        assert (await client.post(CREDENTIALS, "/v2")).status == 404


async def test_a_plus_sign_must_be_encoded() -> None:
    """A raw `+` is decoded to a space, so the wrong address is looked up."""
    async with sandbox() as client:
        credentials = "&".join(f"{key}={value}" for key, value in CREDENTIALS.items())
        raw = await client.post(f"{credentials}&get_lead[email]=a+b@example.com", headers=FORM)
        encoded = await client.get_lead("a+b@example.com")
    assert raw.json["lead_details"]["email"] == "a b@example.com"
    assert encoded.json["lead_details"]["email"] == "a+b@example.com"


async def test_invalid_bodies_get_an_error() -> None:
    """Bytes that are not a form are treated as a form without fields."""
    async with sandbox() as client:
        for body in (b"\xff\xfe\0", b"[[[[", b"%", b"get_lead[email]=\xff", b"&" * 10_000):
            assert (await client.post(body, headers=FORM)).json["type"] == "238"


async def test_calls_over_the_limit_are_refused_before_anything_else() -> None:
    """The limit is checked before the credentials, and the refusal has no Retry-After header by default."""
    async with sandbox(limit_per_s=3) as client:
        assert await client.outcomes(5) == ["Success", "Success", "Success", "429", "429"]
        refused = await client.get_lead("x@example.com", api_key="wrong")
    assert (refused.status, "Retry-After" in refused.headers) == (429, False)


async def test_each_app_has_its_own_limit() -> None:
    """Apps do not share a limit, except that all unknown Apps share one."""
    async with sandbox(limit_per_s=1) as client:
        for app in ("sandbox-app", "sandbox-app-2"):
            assert (await client.get_lead("x@example.com", app_id=app)).status == 200
            assert (await client.get_lead("x@example.com", app_id=app)).status == 429
        assert (await client.get_lead("x@example.com", app_id="a")).status == 200
        assert (await client.get_lead("x@example.com", app_id="b")).status == 429


@pytest.mark.parametrize(
    ("switches", "status", "header", "body"),
    [
        ({"throttle_style": "body"}, 200, None, b'{"status":"Error","message":"Too many requests","type":"429"}'),
        ({"throttle_style": "message"}, 200, None, b'{"status":"Error","message":"Too many requests"}'),
        ({"retry_after_s": 7}, 429, "7", None),
    ],
)
async def test_the_form_of_a_refusal_can_be_chosen(
    switches: dict[str, Any], status: int, header: str | None, body: bytes | None
) -> None:
    """As an error in the body, as just a message, or as HTTP 429 with a Retry-After header."""
    async with sandbox(limit_per_s=1, **switches) as client:
        await client.get_lead("x@example.com")
        refused = await client.get_lead("x@example.com")
    assert (refused.status, refused.headers.get("Retry-After")) == (status, header)
    assert body is None or refused.body == body


async def test_an_outage_can_say_how_long_to_wait() -> None:
    """HTTP 503 has the same header, if it is switched on."""
    async with sandbox(outage_from=1) as client:
        headers = [(await client.get_lead("x@example.com")).headers.get("Retry-After")]
        await client.control(retry_after_s=7)
        headers.append((await client.get_lead("x@example.com")).headers.get("Retry-After"))
    assert headers == [None, "7"]


async def test_latency_delays_every_reply() -> None:
    """Calls wait concurrently."""
    async with sandbox(latency_ms=50) as client:
        began_s = perf_counter()
        await asyncio.gather(*(client.get_lead(f"person{i}@example.com") for i in range(40)))
        took_s = perf_counter() - began_s
    assert 0.05 <= took_s < 2  # one after the other would take exactly that


async def test_jitter_spreads_the_latency() -> None:
    """Replies to simultaneous calls arrive in a different order."""
    order: list[int] = []

    async def call(client: SandboxClient, number: int) -> None:
        await client.get_lead(f"person{number}@example.com")
        order.append(number)

    async with sandbox(latency_ms=20, latency_jitter_ms=20) as client:
        await asyncio.gather(*(call(client, number) for number in range(20)))
    assert sorted(order) == list(range(20)) != order


async def test_random_faults_are_reproducible() -> None:
    """The given share of calls fails in various ways, and the same calls every time."""
    runs = []
    for _ in range(2):
        async with sandbox(fault_rate=0.5) as client:
            runs.append(await client.outcomes(60))
            faults = (await client.stats())["faults"]
    assert runs[0] == runs[1]
    assert 15 < faults == 60 - runs[0].count("Success") < 45
    assert len(set(runs[0])) > 4


async def test_each_attempt_has_its_own_chance_of_a_fault() -> None:
    """An address that failed at random can be found by a retry."""
    async with sandbox(fault_rate=0.5) as client:
        assert {"Success"} < {(await client.outcomes(1))[0] for _ in range(20)}


async def test_credentials_can_be_revoked() -> None:
    """After `revoke_after` calls the password is wrong."""
    async with sandbox(revoke_after=2) as client:
        assert await client.outcomes(4) == ["Success", "Success", "233", "233"]


@pytest.mark.parametrize(("style", "outcome"), [("http-503", "503"), ("dropped", "dropped")])
async def test_an_outage_lasts_for_a_number_of_calls(style: str, outcome: str) -> None:
    """It begins with call `outage_from` and ends after `outage_calls`."""
    async with sandbox(outage_from=2, outage_calls=2, outage_style=style) as client:
        assert await client.outcomes(4) == ["Success", outcome, outcome, "Success"]
        assert (await client.stats())["outage_calls_seen"] == 2


async def test_an_outage_may_last_for_a_time_or_for_ever() -> None:
    """`outage_s` is counted from the first call of the outage; without it and `outage_calls` there is no end."""
    async with sandbox(outage_from=1) as client:
        assert await client.outcomes(3) == ["503"] * 3
        await client.control(outage_from=1, outage_s=0.05)
        assert await client.outcomes(1) == ["503"]
        await asyncio.sleep(0.05)
        assert await client.outcomes(1) == ["Success"]


async def test_switches_can_be_changed() -> None:
    """A change applies from the next call on; the response contains all switches."""
    async with sandbox() as client:
        switches = (await client.control(api_key="other", seed=2)).json
        assert (switches["api_key"], switches["seed"], switches["limit_per_s"]) == ("other", 2, 0)
        assert await client.outcome("x@example.com") == "203"
        assert await client.outcome("x@example.com", api_key="other") == "Success"


async def test_an_outage_can_be_scheduled() -> None:
    """Resetting the counters numbers the calls from 1 again."""
    async with sandbox() as client:
        await client.outcomes(5)
        await client.control(outage_from=2, outage_calls=1, reset_stats=True)
        assert await client.outcomes(3) == ["Success", "503", "Success"]


@pytest.mark.parametrize(
    ("switches", "name"),
    [
        ({"limit": 3}, "limit"),
        ({"port": 3}, "port"),
        ({"exit_with_stdin": False}, "exit_with_stdin"),
        ({"limit_per_s": -1}, "limit_per_s"),
        ({"limit_per_s": 1.5}, "limit_per_s"),
        ({"limit_per_s": "20"}, "limit_per_s"),
        ({"limit_per_s": True}, "limit_per_s"),
        ({"latency_ms": float("nan")}, "latency_ms"),
        ({"latency_ms": float("inf")}, "latency_ms"),
        ({"fault_rate": 1.5}, "fault_rate"),
        ({"throttle_style": "loud"}, "throttle_style"),
        ({"app_id": ""}, "app_id"),
        ({"reset_stats": 1}, "reset_stats"),
    ],
)
async def test_an_invalid_switch_is_refused(switches: dict[str, object], name: str) -> None:
    """The error names the switch, and none of the switches is changed."""
    async with sandbox() as client:
        reply = await client.control(seed=9, **switches)
        assert reply.status == 400
        assert name in reply.body.decode()
        assert (await client.control()).json["seed"] == 1


async def test_control_accepts_only_a_posted_json_object() -> None:
    """Other methods and other bodies are errors."""
    async with sandbox() as client:
        control = client.url.removesuffix("/api") + "/control"
        assert (await client.send("GET", control)).status == 405
        for body in ("", "[]", "seed=1", "[" * 100_000):
            assert (await client.send("POST", control, data=body)).status == 400

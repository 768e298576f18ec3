import asyncio
import json
from contextlib import suppress
from time import perf_counter

import aiohttp
import pytest
from sandbox_client import SandboxClient, sandbox

from pipeline.sandbox.behaviours import BEHAVIOURS, ORDINARY, Behaviour, choose
from pipeline.sandbox.people import lead_details
from pipeline.sandbox.replies import ERROR_MESSAGES

EIGHT_MIB = 8 * 1024 * 1024


async def _outcome(client: SandboxClient, address: str) -> str:
    """Ask once and say in a word how it went."""
    try:
        answer = await client.ask(address)
    except aiohttp.ServerDisconnectedError:
        return "dropped"
    except aiohttp.ClientPayloadError:
        return "dropped midway"
    if answer.status != 200:
        return str(answer.status)
    try:
        return str(answer.json["status"])
    except json.JSONDecodeError:
        return "no JSON" if answer.body else "empty"


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("not-found@example.com", "not-found"),
        ("not-found.17@example.com", "not-found"),
        ("Not-Found+17@example.com", "not-found"),
        ("not-found_x.y@example.com", "not-found"),
        ("not-found-243@example.com", "not-found-243"),
        ("not-found-17@example.com", "anything else"),
        ("not-foundling@example.com", "anything else"),
        ("joe@not-found.example.com", "anything else"),
        ("slow-500.1@example.com", "slow-MS"),
        ("slow@example.com", "anything else"),
        ("slow-0@example.com", "anything else"),
        ("slow-ms@example.com", "anything else"),
        ("fails-99@example.com", "fails-N"),
        ("fails-100@example.com", "anything else"),
        ("fails-99999999999999999999@example.com", "anything else"),
        ("error-242@example.com", "error-TYPE"),
        ("error-987@example.com", "anything else"),
        ("", "anything else"),
    ],
)
def test_the_local_part_chooses_the_behaviour(address: str, name: str) -> None:
    """A name counts alone or before a dot, plus or underscore; numbers outside of their range do not count."""
    assert choose(address)[0].name == name


def test_the_table_documents_itself() -> None:
    """Names are unique, and each has one line that can go into a table."""
    assert len({behaviour.stem for behaviour in BEHAVIOURS}) == len(BEHAVIOURS)
    for behaviour in BEHAVIOURS:
        assert behaviour.description
        assert "\n" not in behaviour.description
        assert "|" not in behaviour.description
        assert behaviour is not ORDINARY


async def test_an_ordinary_address_is_found() -> None:
    """The reply is JSON as PHP prints it: labelled HTML, compact, ASCII, slashes escaped."""
    async with sandbox() as client:
        answer = await client.ask("customer511@example.com")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert answer.body.startswith(b'{"status":"Success","lead_details":{"id":"')
    assert answer.body.isascii()
    assert b"Europe\\/Stockholm" in answer.body
    assert answer.lead == lead_details("customer511@example.com", seed=1)


async def test_the_same_question_gets_the_same_bytes() -> None:
    """Two sandboxes with one seed agree; with another seed they do not."""
    bodies = []
    for seed in (1, 1, 2):
        async with sandbox(seed=seed) as client:
            bodies.append((await client.ask("zoe@example.com")).body)
    assert bodies[0] == bodies[1] != bodies[2]


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("not-found", {"status": "Error", "message": "No lead found", "type": "234"}),
        ("not-found-243", {"status": "Error", "message": "Lead not found", "type": "243"}),
        ("not-found-message", {"status": "Error", "message": "Lead not found"}),
        ("numeric-type", {"status": "Error", "message": "No lead found", "type": 234}),
        ("deleted", {"status": "Error", "message": "Lead is deleted", "type": "245"}),
        ("unknown-error", {"status": "Error", "message": "Something else went wrong", "type": "987"}),
        ("empty-success", {"status": "Success"}),
        ("empty-success-list", {"status": "Success", "lead_details": []}),
    ],
)
async def test_errors_and_empty_answers_come_with_http_200(name: str, body: object) -> None:
    """Only the body says what happened."""
    async with sandbox() as client:
        answer = await client.ask(f"{name}.1@example.com")
    assert (answer.status, answer.json) == (200, body)


async def test_every_documented_error_can_be_asked_for() -> None:
    """The number in the name is the type of the error."""
    async with sandbox() as client:
        for code, message in ERROR_MESSAGES.items():
            answer = await client.ask(f"error-{code}@example.com")
            assert answer.json == {"status": "Error", "message": message, "type": code}


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("cut-off", "no JSON"),
        ("php-warning", "no JSON"),
        ("empty-body", "empty"),
        ("always-500", "500"),
        ("html-502", "502"),
        ("html-403", "403"),
        ("http-401", "401"),
        ("http-404", "404"),
        ("redirect", "302"),
        ("dropped", "dropped"),
        ("dropped-midway", "dropped midway"),
        ("upper-status", "SUCCESS"),
    ],
)
async def test_trouble_looks_as_it_is_described(name: str, outcome: str) -> None:
    """Each broken reply breaks in its own way, every time."""
    async with sandbox() as client:
        assert [await _outcome(client, f"{name}@example.com") for _ in range(2)] == [outcome, outcome]


async def test_bodies_that_are_no_json_object() -> None:
    """A list, a nesting too deep for recursive parsers, and a byte that is no UTF-8."""
    async with sandbox() as client:
        assert isinstance((await client.ask("not-json-object@example.com")).json, list)
        deep = await client.ask("deep-nesting@example.com")
        latin = await client.ask("bad-utf8@example.com")
    with pytest.raises(RecursionError):
        deep.json  # noqa: B018 - reading it is the point
    with pytest.raises(UnicodeDecodeError):
        latin.body.decode()


async def test_all_empty_is_success_about_nobody() -> None:
    """Every scalar is there and empty, no collection is."""
    async with sandbox() as client:
        lead = (await client.ask("all-empty@example.com")).lead
    assert set(lead.values()) == {""}
    assert "tags" not in lead


async def test_an_oversize_body_does_not_announce_its_length() -> None:
    """Only who counts while reading notices in time."""
    async with sandbox() as client:
        answer = await client.ask("oversize@example.com")
    assert len(answer.body) > EIGHT_MIB
    assert "Content-Length" not in answer.headers


async def test_a_redirect_counts_who_follows() -> None:
    """Credentials that are carried on to the other path leave a trace."""
    async with sandbox() as client:
        location = (await client.ask("redirect@example.com")).headers["Location"]
        assert (await client.stats())["redirected_calls"] == 0
        await client.send("POST", client.url.removesuffix("/api") + location, data={"api_key": "secret"})
        assert (await client.stats())["redirected_calls"] == 1


async def test_a_slow_answer_takes_the_time_in_its_name() -> None:
    """The number is milliseconds; other calls do not wait for it."""
    async with sandbox() as client:
        began_s = perf_counter()
        slow = asyncio.create_task(client.ask("slow-60@example.com"))
        await client.ask("quick@example.com")
        assert not slow.done()
        assert (await slow).lead["email"] == "slow-60@example.com"
    assert perf_counter() - began_s >= 0.06


async def test_an_address_that_never_answers_lets_go_when_the_client_leaves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Silence holds nothing up, and clients that leave are no reason for a traceback."""
    async with sandbox() as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.ask("never-answers@example.com"), timeout=0.03)
        await client.ask("next@example.com")
        assert (await client.stats())["in_flight"] == 0
    assert not caplog.records


async def test_fails_n_fails_n_times_in_changing_ways() -> None:
    """Every transient kind has its turn, then the lead is found."""
    async with sandbox() as client:
        outcomes = [await _outcome(client, "fails-7@example.com") for _ in range(9)]
    assert sorted(outcomes[:7]) == ["500", "502", "dropped", "dropped midway", "empty", "no JSON", "no JSON"]
    assert outcomes[7:] == ["Success", "Success"]


async def test_fails_n_counts_each_address_for_itself() -> None:
    """The attempts of one address are no attempts of another."""
    async with sandbox() as client:
        for number in range(3):
            assert await _outcome(client, f"fails-1.{number}@example.com") != "Success"
            assert await _outcome(client, f"fails-1.{number}@example.com") == "Success"


@pytest.mark.parametrize("behaviour", BEHAVIOURS, ids=lambda behaviour: behaviour.name)
async def test_only_results_and_shapes_are_conclusive(behaviour: Behaviour) -> None:
    """Whatever else comes leaves the address unanswered."""
    numbers = {"slow-MS": "slow-1", "fails-N": "fails-1", "error-TYPE": "error-242"}
    async with sandbox() as client:
        with suppress(aiohttp.ClientError, TimeoutError):
            async with asyncio.timeout(0.05 if behaviour.name == "never-answers" else None):
                await client.ask(f"{numbers.get(behaviour.name, behaviour.name)}@example.com")
        assert (await client.stats())["answered"] == (behaviour.kind in {"result", "shape"})

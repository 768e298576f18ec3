"""Calls over a real network: the bytes that leave, every behaviour of the API, and every way a connection can fail."""

from __future__ import annotations

import asyncio
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from calls_wire import http, listening, settings, wire

import pipeline
from pipeline import __version__
from pipeline.calls.client import LeadClient
from pipeline.calls.transport import ERROR_RULES, translate
from pipeline.errors import (
    AddressRefused,
    CredentialsRefused,
    EmailMismatch,
    FirewallPage,
    InternalError,
    LeadExportError,
    MalformedReply,
    PermissionRefused,
    ReplyTooLarge,
    ServerTrouble,
    StaleConnection,
    StopRun,
    Throttled,
    TimedOut,
    TryAgain,
    UnknownApiError,
    Unreachable,
    UsageError,
    WrongEndpoint,
)
from pipeline.outcomes import Answer, Outcome
from pipeline.sandbox.behaviours import BEHAVIOURS
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running
from pipeline.sandbox.replies import ERROR_MESSAGES

if TYPE_CHECKING:
    from collections.abc import Iterator

FOUND = (Outcome.FOUND, None)
SUCCESS = b'{"status":"Success","lead_details":{"id":"35","email":"ann@example.com"}}'

# The outcome or error of a call for each behaviour, and its code. A number replaces the capitals in a name.
EXPECTED: dict[str, tuple[Outcome | type[LeadExportError], str | None]] = {
    "not-found": (Outcome.NOT_FOUND, "234"),
    "not-found-243": (Outcome.NOT_FOUND, "243"),
    "not-found-message": (Outcome.NOT_FOUND, None),
    "numeric-type": (Outcome.NOT_FOUND, "234"),
    "deleted": (Outcome.DELETED, "245"),
    "soft-deleted": FOUND,
    "slow-30": FOUND,
    "joins-1": (Outcome.NOT_FOUND, "234"),
    "leaves-1": FOUND,
    "gets-deleted-1": FOUND,
    "merges-1": FOUND,
    "changes-1": FOUND,
    "native-numbers": FOUND,
    "details-as-text": FOUND,
    "keyed-objects": FOUND,
    "empty-collections-text": FOUND,
    "null-collections": FOUND,
    "false-collections": FOUND,
    "absent-collections": FOUND,
    "bare-tags": FOUND,
    "aliases": FOUND,
    "zero-dates": FOUND,
    "nulls": FOUND,
    "absent-keys": FOUND,
    "minimal": FOUND,
    "new-keys": FOUND,
    "wrong-types": FOUND,
    "other-lead": (EmailMismatch, "email_mismatch"),
    "upper-status": FOUND,
    "bom": FOUND,
    "fails-1": (ServerTrouble, "http_502"),
    "cut-off": (MalformedReply, "cut_off"),
    "php-warning": (MalformedReply, "not_json"),
    "empty-body": (MalformedReply, "empty_body"),
    "empty-success": (MalformedReply, "empty_success"),
    "empty-success-list": (MalformedReply, "empty_success"),
    "all-empty": (MalformedReply, "empty_success"),
    "not-json-object": (MalformedReply, "not_an_answer"),
    "bad-utf8": FOUND,  # a damaged name is no reason to lose a lead: the byte becomes a replacement character
    "deep-nesting": (MalformedReply, "not_json"),
    "always-500": (ServerTrouble, "http_500"),
    "html-502": (ServerTrouble, "http_502"),
    "html-403": (FirewallPage, "http_403"),
    "dropped": (Unreachable, "disconnected"),
    "dropped-midway": (MalformedReply, "cut_off"),
    "never-answers": (TimedOut, "timeout"),
    "unknown-error": (UnknownApiError, "987"),
    "oversize": (ReplyTooLarge, "too_large"),
    "error-201": (WrongEndpoint, "201"),
    "error-202": (CredentialsRefused, "202"),
    "error-203": (CredentialsRefused, "203"),
    "error-204": (CredentialsRefused, "204"),
    "error-206": (AddressRefused, "206"),
    "error-223": (InternalError, "223"),
    "error-224": (InternalError, "224"),
    "error-233": (CredentialsRefused, "233"),
    "error-234": (Outcome.NOT_FOUND, "234"),
    "error-236": (InternalError, "236"),
    "error-238": (CredentialsRefused, "238"),
    "error-239": (CredentialsRefused, "239"),
    "error-240": (CredentialsRefused, "240"),
    "error-242": (PermissionRefused, "242"),
    "error-243": (Outcome.NOT_FOUND, "243"),
    "error-245": (Outcome.DELETED, "245"),
    "error-254": (InternalError, "254"),
    "error-262": (PermissionRefused, "262"),
    "error-429": (Throttled, "429"),
    "http-401": (WrongEndpoint, "http_401"),
    "http-404": (WrongEndpoint, "http_404"),
    "redirect": (WrongEndpoint, "http_302"),
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """A sandbox without a limit."""
    with running(SandboxOptions(limit_per_s=0)) as started:
        yield started


@contextmanager
def unused_port(*, listening: bool = False) -> Iterator[int]:
    """A port that refuses connections; or, if `listening`, one whose queue is full, so that nobody gets through."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        if not listening:
            yield port
            return
        holder.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for caller in waiting:
            caller.setblocking(False)
            caller.connect_ex(("127.0.0.1", port))
        yield port
        for caller in waiting:
            caller.close()


async def ask(url: str, email: str = "ann@example.com", **changes: Any) -> Answer:
    """Make one call with a client of its own."""
    async with LeadClient(settings(url, **changes)) as client:
        return await client.call(email)


async def failure(url: str, email: str = "ann@example.com", **changes: Any) -> LeadExportError:
    """Make one call that must fail; return the error."""
    with pytest.raises(LeadExportError) as caught:
        await ask(url, email, **changes)
    return caught.value


# The request.


async def test_request_on_the_wire() -> None:
    """One POST with a form: credentials and address in the body, nothing of them in the first line or the headers."""
    async with wire(http(SUCCESS)) as server:
        await ask(server.url, "joe+tag@bücher.example.com", api_password="p&ss=+wörd", accept_mismatch=True)
    (request,) = server.requests
    assert request.line == "POST /api HTTP/1.1"
    assert request.body == (
        b"app_id=sandbox-app&api_key=sandbox-key&api_password=p%26ss%3D%2Bw%C3%B6rd"
        b"&get_lead%5Bemail%5D=joe%2Btag%40b%C3%BCcher.example.com"
    )
    encodings = request.headers.pop("Accept-Encoding")
    assert "gzip" in encodings
    assert request.headers == {
        "Host": server.url.split("/")[2],
        "Accept": "application/json",
        "Content-Type": "application/x-www-form-urlencoded",
        "User-Agent": f"lead-export/{__version__}",
        "Content-Length": str(len(request.body)),
    }


async def test_no_cookie_is_sent_back() -> None:
    """A cookie that the server sets is forgotten."""
    cookie = "Set-Cookie: session=1; Path=/\r\n"
    async with wire(http(SUCCESS, headers=cookie)) as server, LeadClient(settings(server.url)) as client:
        await client.call("ann@example.com")
        await client.call("ann@example.com")
    assert ["Cookie" in request.headers for request in server.requests] == [False, False]


async def test_calls_share_one_connection(sandbox: RunningSandbox) -> None:
    """Calls one after the other, errors between them, need a single connection."""
    before = sandbox.stats()["connections"]
    async with LeadClient(settings(sandbox.url)) as client:
        for number in range(3):
            await client.call(f"reuse.{number}@example.com")
            await client.call(f"not-found.reuse.{number}@example.com")
            with pytest.raises(ServerTrouble):
                await client.call(f"always-500.reuse.{number}@example.com")
    assert sandbox.stats()["connections"] - before == 2  # the other one is that of the question itself


async def test_address_reaches_the_api_as_it_is(sandbox: RunningSandbox) -> None:
    """Plus signs, umlauts and quotes arrive as they were given, under our own User-Agent."""
    email = "o'brien+läuft%20&x=1@example.com"
    assert (await ask(sandbox.url, email)).outcome == Outcome.FOUND
    stats = sandbox.stats(addresses=True)
    assert stats["addresses"][email] == 1
    assert f"lead-export/{__version__}" in stats["user_agents"]


# Every behaviour.


def test_every_behaviour_has_an_expectation() -> None:
    """A behaviour that is new in the sandbox is missing here until it is written down."""
    names = {behaviour.name for behaviour in BEHAVIOURS if not behaviour.numbers}
    plans = {"joins", "leaves", "gets-deleted", "merges", "changes"}
    names |= {"slow-30", "fails-1"} | {f"error-{kind}" for kind in ERROR_MESSAGES} | {f"{plan}-1" for plan in plans}
    assert set(EXPECTED) == names
    stems = {behaviour.stem for behaviour in BEHAVIOURS if behaviour.numbers}
    assert stems == {"slow", "fails", "error"} | plans


@pytest.mark.parametrize("name", EXPECTED)
async def test_behaviour(sandbox: RunningSandbox, name: str) -> None:
    """Each behaviour of the API comes to the documented answer or error, in a single call that nobody repeats."""
    email = f"{name}.once@example.com"
    expected, code = EXPECTED[name]
    if isinstance(expected, Outcome):
        answer = await ask(sandbox.url, email)
        assert (answer.outcome, answer.code, answer.email) == (expected, code, email)
        assert bool(answer.lead_id) is (expected is Outcome.FOUND)
    else:
        error = await failure(sandbox.url, email)
        assert (type(error), error.code) == (expected, code)
        assert "@" not in str(error)
    assert sandbox.stats(addresses=True)["addresses"][email] == 1


async def test_redirect_is_not_followed(sandbox: RunningSandbox) -> None:
    """Where a redirect points to, no call arrives: credentials do not travel on."""
    await failure(sandbox.url, "redirect.away@example.com")
    assert sandbox.stats()["redirected_calls"] == 0


async def test_connection_lost_in_use_is_not_retried_in_secret(sandbox: RunningSandbox) -> None:
    """A pooled connection that drops costs one call, not a hidden second one, and is told from a failing address."""
    async with LeadClient(settings(sandbox.url)) as client:
        await client.call("before.drop@example.com")
        with pytest.raises(StaleConnection) as caught:
            await client.call("dropped.later@example.com")
    assert (caught.value.code, caught.value.sent) == ("stale_connection", True)
    assert sandbox.stats(addresses=True)["addresses"]["dropped.later@example.com"] == 1


async def test_address_that_breaks_every_connection_fails(sandbox: RunningSandbox) -> None:
    """Free retries after stale connections end: each attempt, and one free retry before it, is a call."""
    email = "dropped.always@example.com"
    async with LeadClient(settings(sandbox.url, max_attempts=2)) as client:
        await client.call("before.always@example.com")
        with pytest.raises(Unreachable):
            await client.get_lead(email)
    assert sandbox.stats(addresses=True)["addresses"][email] == 3


# Size, time, and what is not HTTP.


@pytest.mark.parametrize("extra", [b"", b" "])
async def test_reply_may_be_as_long_as_the_limit(extra: bytes) -> None:
    """The longest reply that is allowed is read; one byte more is refused."""
    body = SUCCESS.ljust(1_024) + extra
    async with wire(http(body), keep_open=False) as server:
        if extra:
            error = await failure(server.url, max_reply_bytes=1_024)
            assert isinstance(error, ReplyTooLarge)
            assert "1,024 bytes" in str(error)
        else:
            assert (await ask(server.url, max_reply_bytes=1_024)).body == body


async def test_endless_reply_is_cut_short() -> None:
    """A body without an announced end is read only up to the limit."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with wire(head, *[b"400\r\n" + b" " * 1_024 + b"\r\n"] * 50, keep_open=False) as server:
        assert type(await failure(server.url, max_reply_bytes=4_096)) is ReplyTooLarge


async def test_reply_without_a_length_is_read_to_its_end() -> None:
    """A chunked body is put together."""
    half = len(SUCCESS) // 2
    chunks = [f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in (SUCCESS[:half], SUCCESS[half:])]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with wire(head, *chunks, b"0\r\n\r\n") as server:
        assert (await ask(server.url)).body == SUCCESS


@pytest.mark.parametrize(
    ("changes", "pause_s", "code"),
    [
        ({"read_timeout_s": 0.05}, 1.0, "timeout"),
        ({"read_timeout_s": 0.5, "total_timeout_s": 0.1}, 0.03, "timeout"),
    ],
    ids=["silence", "drip"],
)
async def test_slow_answer_times_out(changes: dict[str, Any], pause_s: float, code: str) -> None:
    """Silence ends by the read timeout, an answer that only drips in by the total one."""
    async with wire(http(b"x" * 100)[:-100], *[b"x"] * 100, pause_s=pause_s) as server:
        error = await failure(server.url, **changes)
    assert isinstance(error, TimedOut)
    assert (error.code, error.sent) == (code, True)


async def test_server_that_does_not_take_the_call_times_out() -> None:
    """No connection within the time for it is told apart: the request has not left."""
    with unused_port(listening=True) as port:
        error = await failure(f"http://127.0.0.1:{port}/api", connect_timeout_s=0.1)
    assert isinstance(error, TimedOut)
    assert (error.code, error.sent) == ("connect_timeout", False)


async def test_refused_connection() -> None:
    """Nobody listens: transient, and the request has not left."""
    with unused_port() as port:
        error = await failure(f"http://127.0.0.1:{port}/api")
    assert isinstance(error, Unreachable)
    assert (error.code, error.sent) == ("connect", False)


async def test_https_where_only_http_is_spoken(sandbox: RunningSandbox) -> None:
    """A failed TLS handshake is transient, and the request, with the credentials in it, has not left."""
    error = await failure(sandbox.url.replace("http://", "https://"))
    assert isinstance(error, Unreachable)
    assert (error.code, error.sent) == ("tls", False)


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.9\r\n", "not_http"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n", "not_http"),
        (http(SUCCESS)[:-10], "cut_off"),
        (b"", "disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "disconnected"),
    ],
    ids=["ssh", "long-header", "cut-off", "nothing", "half-a-header"],
)
async def test_damaged_answer_is_transient(sent: bytes, code: str) -> None:
    """What is no whole HTTP reply is worth another try, whether it is cut off or something else altogether."""
    async with wire(sent, keep_open=False) as server:
        error = await failure(server.url)
    assert (isinstance(error, MalformedReply | Unreachable), error.code) == (True, code)


@pytest.mark.parametrize(
    ("headers", "expected"), [("Retry-After: 7\r\n", 7.0), ("", None), ("Retry-After: soon\r\n", None)]
)
@pytest.mark.parametrize(
    ("status", "kind"), [("429 Too Many Requests", Throttled), ("503 Service Unavailable", ServerTrouble)]
)
async def test_a_refused_call_says_how_long_to_wait(
    headers: str, expected: float | None, status: str, kind: type[TryAgain]
) -> None:
    """The server's own advice is handed on with the error."""
    async with wire(http(b"", status=status, headers=headers)) as server:
        error = await failure(server.url)
    assert isinstance(error, kind)
    assert error.retry_after_s == expected


async def test_get_lead_waits_as_long_as_a_busy_server_asks() -> None:
    """A 503 with Retry-After is asked again when that is over, not before."""
    times: list[float] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"%40example.com")
            times.append(asyncio.get_running_loop().time())
            busy = http(b"", status="503 Service Unavailable", headers="Retry-After: 1\r\n")
            writer.write(http(SUCCESS) if len(times) > 1 else busy)

    async with listening(serve) as port, LeadClient(settings(f"http://127.0.0.1:{port}/api")) as client:
        assert (await client.get_lead("ann@example.com")).attempts == 2
    assert times[1] - times[0] >= 1


# The table of network errors.


def subclasses(kind: type[Exception]) -> set[type[Exception]]:
    """The class and everything derived from it, in this process."""
    return {kind}.union(*map(subclasses, kind.__subclasses__()))


def test_every_network_error_is_translated() -> None:
    """Whatever aiohttp or the system raises becomes one of the package's errors, and never InternalError."""
    replies = subclasses(aiohttp.ClientResponseError)
    kinds = subclasses(aiohttp.ClientError) | subclasses(OSError)
    raised = [kind(None, ()) if kind in replies else kind.__new__(kind) for kind in kinds]
    errors = {type(error).__name__: translate(error) for error in raised}
    assert [
        name for name, error in errors.items() if not isinstance(error, TryAgain | UsageError | WrongEndpoint)
    ] == []


def test_network_error_that_is_not_known_is_a_bug() -> None:
    """Anything else is a bug, and its text, which could hold an address, is not shown."""
    error = translate(ZeroDivisionError("ann@example.com"))
    assert isinstance(error, InternalError)
    assert "ann@example.com" not in str(error)


def test_no_rule_of_the_table_is_hidden_by_an_earlier_one() -> None:
    """Each rule is the first one that its own class matches, or it would never count."""
    for rule in ERROR_RULES:
        assert next(other for other in ERROR_RULES if issubclass(rule.raised, other.raised)) is rule


@pytest.mark.parametrize("url", ["https://a..example.com/api", f"https://{'a' * 64}.example.com/", "https://a:99999/"])
async def test_url_that_cannot_be_is_wrong_usage(url: str) -> None:
    """A host or port that cannot exist is a setting to look at, not a bug and not a network that may come back."""
    assert type(await failure(url)) is UsageError


@pytest.mark.parametrize("url", ["http://app.example.com/api", "ftp://127.0.0.1/api", "app.example.com/api", ""])
def test_https_is_required_beyond_this_machine(url: str) -> None:
    """No client can be made that sends credentials in the clear over a network."""
    with pytest.raises(UsageError) as caught:
        settings(url)
    assert "https://" in str(caught.value)


# The client as a whole.


async def test_client_without_credentials_does_not_start() -> None:
    """What is missing is named."""
    with pytest.raises(UsageError, match=r"KARTRA_API_KEY, KARTRA_API_PASSWORD"):
        await ask("http://127.0.0.1:1/api", api_key=" ", api_password="")


async def test_client_is_for_use_in_a_with_block(sandbox: RunningSandbox) -> None:
    """Before and after its block a client refuses to call."""
    client = LeadClient(settings(sandbox.url))
    with pytest.raises(UsageError):
        await client.get_lead("early@example.com")
    async with client:
        await client.call("in.time@example.com")
    with pytest.raises(UsageError):
        await client.call("late@example.com")


async def test_get_lead_as_the_package_shows_it(sandbox: RunningSandbox) -> None:
    """An address in, an answer out, and frames from it: with the package's public names alone."""
    async with pipeline.LeadClient(settings(sandbox.url)) as client:
        answer = await client.get_lead("alone@example.com")
    assert (answer.outcome, answer.attempts) == (pipeline.Outcome.FOUND, 1)
    leads = pipeline.flatten([answer]).leads
    assert leads[["id", "email"]].values.tolist() == [[answer.lead_id, "alone@example.com"]]


@pytest.mark.parametrize(("email", "attempts"), [("fails-2.again@example.com", 3), ("not-found.again@example.com", 1)])
async def test_get_lead_tries_again_until_there_is_an_answer(
    sandbox: RunningSandbox, email: str, attempts: int
) -> None:
    """Transient failures are gone through, and the answer says how many calls it took; a result is not asked twice."""
    async with LeadClient(settings(sandbox.url)) as client:
        assert (await client.get_lead(email)).attempts == attempts
    assert sandbox.stats(addresses=True)["addresses"][email] == attempts


@pytest.mark.parametrize(
    ("name", "expected", "calls"),
    [
        ("always-500", ServerTrouble, 4),
        ("cut-off", MalformedReply, 4),
        ("html-403", FirewallPage, 3),
        ("unknown-error", UnknownApiError, 1),
        ("error-206", AddressRefused, 1),
        ("error-233", StopRun, 1),
    ],
)
async def test_get_lead_gives_up(
    sandbox: RunningSandbox, name: str, expected: type[LeadExportError], calls: int
) -> None:
    """All attempts are used for what is transient, fewer for a firewall, and one for what will not change."""
    email = f"{name}.gives-up@example.com"
    async with LeadClient(settings(sandbox.url, max_attempts=4)) as client:
        with pytest.raises(expected):
            await client.get_lead(email)
    assert sandbox.stats(addresses=True)["addresses"][email] == calls


async def test_many_calls_at_once(sandbox: RunningSandbox) -> None:
    """One client serves many tasks; each gets the answer to its own address."""
    emails = [f"crowd.{number}@example.com" for number in range(50)]
    async with LeadClient(settings(sandbox.url)) as client:
        answers = await asyncio.gather(*map(client.get_lead, emails))
    assert [(answer.email, answer.outcome) for answer in answers] == [(email, Outcome.FOUND) for email in emails]

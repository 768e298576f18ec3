"""Replies as HTTP allows them: announced, encoded, from connections that close or have said too much."""

from __future__ import annotations

import asyncio
import gc
import gzip
import zlib

import pytest
from calls_wire import http, listening, settings, wire

from pipeline.calls.transport import Endpoint, HttpReply
from pipeline.errors import InvalidHttp, LeadExportError, ReplyTooLarge, StaleConnection, TimedOut

BODY = b'{"status":"Success"}'


async def post(url: str, times: int = 1, **changes: object) -> list[bytes]:
    """The bodies of as many replies, one after the other."""
    endpoint = Endpoint(settings(url, **changes))
    try:
        return [(await endpoint.post(b"a=1")).body for _ in range(times)]
    finally:
        await endpoint.close()


@pytest.mark.parametrize("line", ["100 Continue", "102 Processing", "103 Early Hints"])
async def test_announcement_is_not_the_reply(line: str) -> None:
    """What a server or a proxy says before its reply is passed over."""
    async with wire(f"HTTP/1.1 {line}\r\n\r\n".encode() + http(BODY)) as server:
        assert await post(server.url, 2) == [BODY, BODY]


@pytest.mark.parametrize(
    ("encoding", "encoded"), [("gzip", gzip.compress(BODY)), ("deflate", zlib.compress(BODY))], ids=["gzip", "deflate"]
)
async def test_an_encoded_reply_is_decoded(encoding: str, encoded: bytes) -> None:
    """A compressed body is returned as it was before compression."""
    async with wire(http(encoded, headers=f"Content-Encoding: {encoding}\r\n")) as server:
        assert await post(server.url, 2) == [BODY, BODY]


async def test_a_compressed_reply_counts_with_its_decompressed_size() -> None:
    """A few bytes that unpack to a hundred megabytes are refused like any reply that is too long."""
    compressed = gzip.compress(bytes(100_000_000))
    async with wire(http(compressed, headers="Content-Encoding: gzip\r\n")) as server:
        with pytest.raises(ReplyTooLarge):
            await post(server.url, max_reply_bytes=4_096)


async def test_damaged_encoding_is_a_damaged_reply() -> None:
    """A body that does not unpack is malformed, and asked for again."""
    async with wire(http(b"no gzip at all", headers="Content-Encoding: gzip\r\n")) as server:
        with pytest.raises(LeadExportError) as caught:
            await post(server.url)
    assert caught.value.code in ("cut_off", "not_http")


async def test_connection_that_closes_is_not_used_again() -> None:
    """After `Connection: close` the next call opens another one."""
    async with wire(http(BODY, headers="Connection: close\r\n")) as server:
        assert await post(server.url, 3) == [BODY] * 3
        assert server.connections == 3


async def test_kept_connection_is_used_again() -> None:
    """Calls one after the other need one connection."""
    async with wire(http(BODY)) as server:
        assert await post(server.url, 3) == [BODY] * 3
        assert server.connections == 1


async def burst(endpoint: Endpoint, calls: int) -> None:
    """That many calls at once."""
    await asyncio.gather(*(endpoint.post(b"a=1") for _ in range(calls)))


async def close_among_calls(url: str) -> None:
    """Close the endpoint after a call, while the replies to others have come that nobody has taken yet."""
    endpoint = Endpoint(settings(url))

    async def call_and_close() -> None:
        await endpoint.post(b"a=1")
        await endpoint.close()

    await burst(endpoint, 16)
    others = [endpoint.post(b"a=1") for _ in range(15)]
    await asyncio.gather(call_and_close(), *others, return_exceptions=True)


async def test_calls_that_end_as_the_client_closes_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    """No connection is kept that nobody would close."""
    async with wire(http(BODY)) as server:
        await close_among_calls(server.url)
    gc.collect()
    assert "Unclosed" not in caplog.text


async def test_bytes_after_a_reply_are_not_the_next_one() -> None:
    """A connection on which more came than the reply is given up: what was too much must not become an answer."""
    async with wire(http(BODY) + http(b"the answer to somebody else")) as server:
        assert await post(server.url, 3) == [BODY] * 3
        assert server.connections == 3


async def test_connection_lives_on_after_an_empty_reply() -> None:
    """A status without a body is a whole reply."""
    async with wire(b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        assert await post(server.url, 2) == [b"", b""]
        assert server.connections == 1


@pytest.mark.parametrize("late", [http(b"late"), http(b"late")[:-2], b"HTTP/1.1 408 Timeout\r\n\r\n"])
async def test_bytes_on_an_idle_connection_answer_no_request(late: bytes) -> None:
    """A late second reply, whole or in part, costs the connection, and is not taken for the next address's reply."""
    async with wire(http(BODY), late, pause_s=0.05) as server:
        endpoint = Endpoint(settings(server.url))
        try:
            assert (await endpoint.post(b"a=1")).body == BODY
            await asyncio.sleep(0.15)
            with pytest.raises(StaleConnection):
                await endpoint.post(b"a=2")
            assert (await endpoint.post(b"a=3")).body == BODY
        finally:
            await endpoint.close()
        assert server.connections == 2


async def test_a_reply_that_came_twice_is_nobody_elses() -> None:
    """The call that finds the second one learns that its connection failed; those after it get their own replies."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            form = (await reader.readuntil(b"#")).rpartition(b"\r\n\r\n")[2]
            writer.write(http(form))
            if len(form) == len(b"1#"):
                await asyncio.sleep(0.02)
                writer.write(http(form))

    async def ask(name: int) -> bool:
        form = b"%d#" % name
        try:
            reply = await endpoint.post(form)
        except StaleConnection:
            return False
        assert reply.body == form
        return True

    async with listening(serve) as port:
        endpoint = Endpoint(settings(f"http://127.0.0.1:{port}/api"))
        try:
            assert all(await asyncio.gather(*map(ask, range(5))))
            await asyncio.sleep(0.15)
            assert not await ask(5)
            assert await ask(10)
            assert all(await asyncio.gather(*map(ask, range(11, 21))))
        finally:
            await endpoint.close()


async def test_long_header_is_read() -> None:
    """Security products add headers of several kilobytes."""
    async with wire(http(BODY, headers=f"Content-Security-Policy: {'x' * 9_000}\r\n")) as server:
        assert await post(server.url) == [BODY]


LENGTH = f"Content-Length: {len(BODY)}\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        LENGTH + f"X-Long: {'x' * 60_000}\r\n",
        LENGTH + "X-Folded: a\r\n b\r\n",
        LENGTH + "X_Odd: 1\r\nContent-Type: ;;;\r\nContent-Type: text/html\r\n",
        LENGTH + "Content-Encoding: none\r\nServer: a\r\nServer: b\r\n",
    ],
    ids=["long", "folded", "odd", "twice"],
)
async def test_odd_headers_are_read(headers: str) -> None:
    """What servers and security products add does no harm."""
    async with wire(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + BODY) as server:
        assert await post(server.url, 2) == [BODY, BODY]


@pytest.mark.parametrize(
    ("headers", "fact"),
    [
        (LENGTH * 2, "Duplicate Content-Length"),
        (LENGTH + CHUNKED, "Transfer-Encoding can't be present with Content-Length"),
        (f"Content-Length: {len(BODY)}, {len(BODY)}\r\n", "Content-Length"),
        (LENGTH + "X-Secret : ann@example.com\r\n", "header"),
        (LENGTH + f"X-Secret: {'ann@example.com' * 6_000}\r\n", "65536 bytes"),
        (LENGTH + "Content-Encoding: br\r\n", "content-encoding"),
    ],
    ids=["length-twice", "length-and-chunks", "length-list", "blank", "too-long", "encoding"],
)
async def test_what_is_not_read_as_http_is_named(headers: str, fact: str) -> None:
    """The sentence says which rule or limit it was, and holds nothing of the reply."""
    async with wire(f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + BODY) as server:
        with pytest.raises(InvalidHttp) as caught:
            await post(server.url)
    assert caught.value.code == "not_http"
    assert fact in str(caught.value)
    assert "@" not in str(caught.value)


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.1])
async def test_a_call_given_up_in_the_middle_leaves_nothing_behind(after_s: float) -> None:
    """However far it was: the next call has a connection, and an answer, of its own."""
    half = len(BODY) // 2
    async with wire(http(BODY)[:-half], BODY[-half:], pause_s=0.05) as server:
        endpoint = Endpoint(settings(server.url))
        first = asyncio.create_task(endpoint.post(b"a=1"))
        await asyncio.sleep(after_s)
        first.cancel()
        assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], asyncio.CancelledError | HttpReply)
        assert (await endpoint.post(b"a=2")).body == BODY
        await endpoint.close()


async def test_reply_that_stops_in_the_middle_times_out() -> None:
    """Silence after the first half is as long as silence before it."""
    async with wire(http(BODY)[:-5], pause_s=5) as server:
        with pytest.raises(TimedOut) as caught:
            await post(server.url, read_timeout_s=0.05)
    assert (caught.value.code, caught.value.sent) == ("timeout", True)

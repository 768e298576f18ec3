"""What tests of single calls share: settings, and servers that reply as they are told."""

import asyncio
import itertools
import json
import re
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from pipeline.settings import Settings

CREDENTIALS = {"app_id": "sandbox-app", "api_key": "sandbox-key", "api_password": "sandbox-password"}
_LENGTH = re.compile(rb"(?i)content-length: *(\d+)")


def settings(url: str = "https://app.example.com/api", **changes: object) -> Settings:
    """Settings for one server: no limit, no delays, short timeouts."""
    quick = {"rate_per_s": 0, "retry_first_delay_s": 0, "read_timeout_s": 0.5, "connect_timeout_s": 0.5}
    return Settings.load({"api_url": url, **CREDENTIALS, **quick, **changes}, environ={})


def http(body: bytes, *, status: str = "200 OK", headers: str = "") -> bytes:
    """A reply as it goes over the wire."""
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@dataclass(frozen=True)
class Request:
    """A request: its first line, headers by name as spelt, body, and the number of its connection."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Wire:
    """A server that sends the same bytes to everyone and records the requests."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Serve, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve every connection; yields the port. All connections are closed when the block ends."""
    serving: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        serving.add(task)
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the other end has closed the connection
        except asyncio.CancelledError:
            pass  # the test is over; asyncio's server would log a cancelled handler as an error
        finally:
            writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        await listener.wait_closed()


@asynccontextmanager
async def wire(
    *pieces: bytes, pause_s: float = 0.0, keep_open: bool = True, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Wire]:
    """Serve `pieces` as the reply to every request; after them the connection stays open or is closed."""
    server = Wire()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        server.open += 1
        number = server.connections
        try:
            while True:
                server.requests.append(await _request(reader, number))
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
                if not keep_open:
                    break
        finally:
            server.open -= 1

    async with listening(serve, tls) as port:
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/api"
        yield server


@asynccontextmanager
async def leads(*, close_every: int = 0, idle_s: float | None = None) -> AsyncIterator[str]:
    """Answer each call with a lead of the address; yields the URL.

    Args:
        close_every: replies after which a connection is closed without notice; 0 is never.
        idle_s: seconds after a reply at which a connection without another request is closed.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        replies = 0
        while not close_every or replies < close_every:
            try:
                async with asyncio.timeout(idle_s if replies else None):
                    request = await _request(reader, 0)
            except TimeoutError:
                return
            email = parse_qs(request.body.decode())["get_lead[email]"][0]
            writer.write(http(json.dumps({"status": "Success", "lead_details": {"id": "1", "email": email}}).encode()))
            replies += 1

    async with listening(serve) as port:
        yield f"http://127.0.0.1:{port}/api"


@dataclass
class Resetting:
    """A server that resets reused connections: its URL, and what it has seen."""

    url: str = ""
    requests: int = 0
    resets: int = 0
    connections: int = 0


@asynccontextmanager
async def resetting(every: int, *, early: bool = False, tls: ssl.SSLContext | None = None) -> AsyncIterator[Resetting]:
    """Answer each call with a lead of the address, but reset the connection (RST) before a byte of some replies.

    Args:
        every: among requests on connections that have had one before, the share that is reset: one in so many.
        early: reset as soon as the request begins to arrive, instead of after its end.
        tls: with encryption.
    """
    server, reused = Resetting(), itertools.count(1)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server.connections += 1
        for nth in itertools.count():
            first = await reader.readexactly(1)
            if is_reset := nth > 0 and next(reused) % every == 0:
                server.resets += 1
            email = "" if is_reset and early else await _email(reader, first)
            server.requests += 1
            if is_reset:
                writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
                return
            await asyncio.sleep(0.002)
            writer.write(http(json.dumps({"status": "Success", "lead_details": {"id": "1", "email": email}}).encode()))

    async with listening(serve, tls) as port:
        server.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/api"
        yield server


async def _email(reader: asyncio.StreamReader, first: bytes = b"") -> str:
    """The address that a request asks for; `first` is what was read of it already."""
    head = first + await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    assert length is not None
    return parse_qs((await reader.readexactly(int(length[1]))).decode())["get_lead[email]"][0]


async def _request(reader: asyncio.StreamReader, connection: int) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    line, *fields = head.decode().strip().split("\r\n")
    return Request(line, dict(field.split(": ", 1) for field in fields), body, connection)

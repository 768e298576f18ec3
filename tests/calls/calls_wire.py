"""What tests of single calls share: settings for the sandbox, and a server that says what it is told."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

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
    """A request as it came: the first line, headers by name as they were spelt, the body, and over which connection."""

    line: str
    headers: dict[str, str]
    body: bytes
    connection: int


@dataclass
class Wire:
    """A server that sends the same bytes to everybody and keeps what it was asked."""

    url: str = ""
    requests: list[Request] = field(default_factory=list)
    connections: int = 0
    open: int = 0


@asynccontextmanager
async def wire(*pieces: bytes, pause_s: float = 0.0, keep_open: bool = True) -> AsyncIterator[Wire]:
    """Serve `pieces` as the answer to every request; after them the connection stays or closes."""
    server = Wire()
    open_writers = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_writers.add(writer)
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
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has had enough
        finally:
            server.open -= 1
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/api"
    try:
        yield server
    finally:
        listener.close()
        for writer in open_writers:
            writer.close()
        await listener.wait_closed()


async def _request(reader: asyncio.StreamReader, connection: int) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    line, *fields = head.decode().strip().split("\r\n")
    return Request(line, dict(field.split(": ", 1) for field in fields), body, connection)

"""An HTTP proxy, and a TLS server in front of another one, for tests of the way to the API."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from calls_wire import listening

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator


@dataclass
class Proxy:
    """A running proxy: its host and port, and the targets that were requested of it."""

    address: str = ""
    targets: list[str] = field(default_factory=list)


@asynccontextmanager
async def proxying(
    port: int | None = None, *, credentials: str | None = None, status: str = "200 OK"
) -> AsyncIterator[Proxy]:
    """Run a proxy.

    Args:
        port: where every tunnel leads on this machine, whatever target was requested; None keeps to the target.
        credentials: `user:password` that it requires.
        status: its reply to CONNECT.
    """
    proxy = Proxy()
    required = credentials and f"Proxy-Authorization: Basic {base64.b64encode(credentials.encode()).decode()}"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.decode().split("\r\n")[0].split(" ")
        proxy.targets.append(target)
        if required and required not in head.decode().split("\r\n"):
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            return
        if method == "CONNECT":
            writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
            if not status.startswith("200"):
                return
        host = target if method == "CONNECT" else urlsplit(target).netloc
        await relay(reader, writer, port or int(host.rpartition(":")[2]), b"" if method == "CONNECT" else head)

    async with listening(serve) as own_port:
        proxy.address = f"127.0.0.1:{own_port}"
        yield proxy


async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, first: bytes = b"") -> None:
    """Pass on everything between a connection and a port of this machine, until one end closes."""
    other_reader, other_writer = await asyncio.open_connection("127.0.0.1", port)
    other_writer.write(first)
    ways = [asyncio.create_task(_pass_on(reader, other_writer)), asyncio.create_task(_pass_on(other_reader, writer))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        other_writer.close()
        await asyncio.gather(*ways, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@asynccontextmanager
async def tls_front(port: int, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """Speak TLS in front of a plain server on `port`; yields the port of the front."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await relay(reader, writer, port)

    async with listening(serve, tls) as own_port:
        yield own_port

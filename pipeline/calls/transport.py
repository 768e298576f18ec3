"""HTTP: a form to the API's one address, and the whole reply back, or one of our errors.

The only module that knows aiohttp. Of it we use the two layers under its `ClientSession`: `TCPConnector`, which makes
connections, with names and TLS, and the protocol of a connection, which reads replies. A session makes a request with
all its headers, and a response, anew for each call, and that takes as long as all the rest of the call; here every
call goes to the same place with the same headers, and these are put together once.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

import aiohttp
from aiohttp import hdrs
from aiohttp.http import HttpProcessingError
from yarl import URL

from pipeline.calls.clock import LoopClock
from pipeline.calls.idle import IdleConnections
from pipeline.errors import (
    InternalError,
    LeadExportError,
    MalformedReply,
    ReplyTooLarge,
    TimedOut,
    Unreachable,
    UsageError,
    WrongEndpoint,
)
from pipeline.version import __version__

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohttp.connector import Connection

    from pipeline.settings import Settings

T = TypeVar("T")

USER_AGENT = f"lead-export/{__version__}"
CONTENT_TYPE = "application/x-www-form-urlencoded"
_NAMES_FOR_S = 300
"""Seconds that the address of a host is believed."""


class HttpReply(NamedTuple):
    """What came back: the status, the body without its encoding, and the header `Retry-After` if there is one."""

    status: int
    body: bytes
    retry_after: str | None


class Transport(NamedTuple):
    """One line of the table of network errors; `sent` tells whether the request may have left."""

    raised: type[Exception]
    becomes: type[LeadExportError]
    code: str
    message: str
    sent: bool = True


TRANSPORT: tuple[Transport, ...] = (
    Transport(aiohttp.InvalidURL, UsageError, "url", "api_url is not a URL", sent=False),
    Transport(aiohttp.NonHttpUrlClientError, UsageError, "url", "api_url is not a URL", sent=False),
    Transport(UnicodeError, UsageError, "url", "api_url names no host that can be", sent=False),
    Transport(
        aiohttp.ClientConnectorCertificateError,
        WrongEndpoint,
        "tls",
        "the server's certificate is not trusted; check api_url and this machine's clock and certificates",
        sent=False,
    ),
    Transport(aiohttp.ServerFingerprintMismatch, WrongEndpoint, "tls", "the server's certificate is not trusted"),
    Transport(aiohttp.ClientSSLError, Unreachable, "tls", "no secure connection could be made", sent=False),
    Transport(aiohttp.TooManyRedirects, WrongEndpoint, "redirect", "the server redirects elsewhere"),
    Transport(aiohttp.ConnectionTimeoutError, TimedOut, "connect_timeout", "no connection in time", sent=False),
    Transport(TimeoutError, TimedOut, "timeout", "no whole answer in time"),
    Transport(aiohttp.ServerDisconnectedError, Unreachable, "disconnected", "the server closed the connection"),
    Transport(aiohttp.ClientPayloadError, MalformedReply, "cut_off", "the reply breaks off in the middle"),
    Transport(aiohttp.ClientResponseError, MalformedReply, "not_http", "the reply is not proper HTTP"),
    Transport(HttpProcessingError, MalformedReply, "not_http", "the reply is not proper HTTP"),
    Transport(aiohttp.ClientConnectorError, Unreachable, "connect", "no connection to the server", sent=False),
    Transport(aiohttp.ClientError, Unreachable, "connection", "the connection broke"),
    Transport(ssl.SSLError, Unreachable, "tls", "the secure connection broke"),
    Transport(OSError, Unreachable, "connection", "the connection broke"),
)
"""What an error of the network means, first match wins."""


def translate(error: Exception) -> LeadExportError:
    """The error of ours that an error of the network means; its text holds no address and no credential."""
    for line in TRANSPORT:
        if isinstance(error, line.raised):
            ours = line.becomes(line.message, code=line.code)
            ours.sent = line.sent
            return ours
    return InternalError(f"an unexpected error of the network ({type(error).__name__})")


class _CanFail(Protocol):
    """What can be waited for and made to fail."""

    def set_exception(self, exc: BaseException, /) -> None: ...


class Endpoint:
    """The API's address, over connections that are kept alive: no redirect is followed, no cookie kept.

    Args:
        settings: where it is, the timeouts, and the longest reply.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._now = LoopClock()
        # A connection that takes longer than the whole call may is late all the same.
        connect_s = min(settings.connect_timeout_s, settings.total_timeout_s)
        self._connect_timeout = aiohttp.ClientTimeout(connect=connect_s)
        self._connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=_NAMES_FOR_S)
        self._idle: IdleConnections[Connection] = IdleConnections()
        self._request: aiohttp.ClientRequest | None = None
        self._head = b""

    async def close(self) -> None:
        """Close every connection; none is left open when this returns."""
        self._idle.release()
        await self._connector.close()  # cuts TLS short, where a connection by itself would wait for the other end

    async def post(self, form: bytes) -> HttpReply:
        """Send one form and read the whole reply.

        Raises:
            LeadExportError: see `TRANSPORT`; `ReplyTooLarge` as soon as it is longer than a lead can be.
        """
        ends_at = self._now() + self._settings.total_timeout_s
        try:
            connection = self._idle.take() or await self._connect()
            try:
                reply = await self._exchange(connection, form, ends_at)
            except BaseException:
                connection.close()  # whatever is still to come over it belongs to this call
                raise
        except (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError, UnicodeError) as error:
            raise translate(error) from error
        self._idle.keep(connection)
        return reply

    async def _connect(self) -> Connection:
        if self._request is None:
            self._request = self._prepared()
        try:
            return await self._connector.connect(self._request, [], self._connect_timeout)
        except TimeoutError as error:
            raise aiohttp.ConnectionTimeoutError from error

    def _prepared(self) -> aiohttp.ClientRequest:
        """What every request is like; its first lines are kept as they go over the wire, up to the body's length."""
        url = URL(self._settings.api_url)
        headers = {hdrs.ACCEPT: "application/json", hdrs.CONTENT_TYPE: CONTENT_TYPE, hdrs.USER_AGENT: USER_AGENT}
        # It is made for its headers and for where it goes to, and is never sent itself.
        request = aiohttp.ClientRequest(hdrs.METH_POST, url, headers=headers, loop=self._now.loop)
        request.headers.popall(hdrs.CONTENT_LENGTH, None)
        lines = [f"{request.method} {url.raw_path_qs} HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
        self._head = "".join(f"{line}\r\n" for line in lines).encode() + b"Content-Length: %d\r\n\r\n"
        return request

    async def _exchange(self, connection: Connection, form: bytes, ends_at: float) -> HttpReply:
        """One request and its reply, until the loop's time `ends_at` at most."""
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None or transport.is_closing():
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(read_until_eof=True)
        transport.write(self._head % len(form) + form)
        while True:
            message, content = await self._in_time(protocol, protocol.read(), ends_at)
            if message.code // 100 != 1 or message.code == 101:  # others of them only announce the reply
                break
        chunks: list[bytes] = []
        left = self._settings.max_reply_bytes
        while not content.at_eof():
            reading = content.readany()
            chunks.append(await (reading if content.is_eof() else self._in_time(content, reading, ends_at)))
            left -= len(chunks[-1])
            if left < 0:
                raise ReplyTooLarge(f"the reply is longer than {self._settings.max_reply_bytes:,} bytes")
        return HttpReply(message.code, b"".join(chunks), message.headers.get(hdrs.RETRY_AFTER))

    async def _in_time(self, source: _CanFail, reading: Awaitable[T], ends_at: float) -> T:
        """What is read from `source`, unless that is silent for too long or is not done at the time `ends_at`.

        A timer that fails the source costs half of `asyncio.timeout`, and of aiohttp's own there would be three.
        """
        silent_until = self._now() + self._settings.read_timeout_s
        timer = self._now.loop.call_at(min(ends_at, silent_until), source.set_exception, TimeoutError())
        try:
            return await reading
        finally:
            timer.cancel()

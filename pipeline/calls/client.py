"""One call over the network: an address in, an answer or one of our errors out.

The only module that knows aiohttp and HTTP. `ask` makes one call; `get_lead` adds pace and retries, for use alone.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import ssl
import time
from typing import TYPE_CHECKING, NamedTuple, Self

import aiohttp
from yarl import URL

from pipeline.calls import kartra
from pipeline.calls.pace import Pace
from pipeline.calls.retry import RetryPolicy
from pipeline.errors import (
    InternalError,
    LeadExportError,
    MalformedReply,
    ReplyTooLarge,
    Throttled,
    TimedOut,
    TryAgain,
    Unreachable,
    UsageError,
    WrongEndpoint,
)
from pipeline.version import __version__

if TYPE_CHECKING:
    from pipeline.outcomes import Answer
    from pipeline.settings import Settings

USER_AGENT = f"lead-export/{__version__}"


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
    Transport(aiohttp.ClientConnectorError, Unreachable, "connect", "no connection to the server", sent=False),
    Transport(aiohttp.ClientError, Unreachable, "connection", "the connection broke"),
    Transport(ssl.SSLError, Unreachable, "tls", "the secure connection broke"),
    Transport(OSError, Unreachable, "connection", "the connection broke"),
)
"""What an error of the network means, first match wins."""


class LeadClient:
    """Asks the API for leads, one address a call, over kept-alive connections.

    Usable alone: `async with LeadClient(settings) as client: answer = await client.get_lead("a@example.com")`.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.pace = Pace.of(settings)
        self._retry = RetryPolicy.of(settings)
        self._url = URL(settings.api_url)  # aiohttp would take the text apart again for each call
        self._prefix = kartra.request_prefix(settings)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open the session.

        Raises:
            UsageError: credentials are missing.
        """
        self._settings.require_credentials()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=300),
            timeout=aiohttp.ClientTimeout(
                total=self._settings.total_timeout_s,
                connect=self._settings.connect_timeout_s,
                sock_read=self._settings.read_timeout_s,
            ),
            headers={
                "Accept": "application/json",
                "Content-Type": kartra.CONTENT_TYPE,
                "User-Agent": USER_AGENT,
            },
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        await self.pace.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get_lead(self, email: str) -> Answer:
        """Ask for one address at the configured pace, again after transient failures.

        Raises:
            LeadExportError: no usable answer; `TryAgain` when all attempts, or the patience with 429s, were used up.
        """
        attempt = 1
        clock = asyncio.get_running_loop().time
        throttled_since: float | None = None
        while True:
            try:
                with await self.pace.acquire():
                    return dataclasses.replace(await self.ask(email), attempts=attempt)
            except Throttled:
                self.pace.check_patience(self._settings.throttle_patience_s)
                throttled_since = clock() if throttled_since is None else throttled_since
                if clock() - throttled_since > self._settings.throttle_patience_s:
                    raise
            except TryAgain as error:
                delay_s = self._retry.delay_s(attempt, error, random.random)
                if delay_s is None:
                    raise
                attempt += 1
                throttled_since = None
                await asyncio.sleep(delay_s)

    async def ask(self, email: str) -> Answer:
        """Make one call, now, and read its answer.

        Raises:
            LeadExportError: see `kartra.judge` and `TRANSPORT`.
        """
        try:
            status, body, retry_after = await self._post(kartra.request_body(self._prefix, email))
        except (aiohttp.ClientError, TimeoutError, OSError, UnicodeError) as error:
            raise translate(error) from error
        try:
            return kartra.judge(status, body, asked=email)
        except Throttled as error:
            error.retry_after_s = kartra.retry_after_s(retry_after, now=time.time())
            raise

    async def _post(self, data: bytes) -> tuple[int, bytes, str | None]:
        if self._session is None:
            raise InternalError("LeadClient is to be used in an `async with` block.")
        async with self._session.post(self._url, data=data, allow_redirects=False) as response:
            body = await self._read(response)
            return response.status, body, response.headers.get("Retry-After")

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """The whole body, as long as it is no longer than a lead can be."""
        limit = self._settings.max_reply_bytes
        length = response.content_length
        if length is not None and length <= limit and "Content-Encoding" not in response.headers:
            return await response.read()
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                response.close()
                raise ReplyTooLarge(f"the reply is longer than {limit:,} bytes")
        return bytes(body)


def translate(error: Exception) -> LeadExportError:
    """The error of ours that an error of the network means; its text holds no address and no credential."""
    for line in TRANSPORT:
        if isinstance(error, line.raised):
            ours = line.becomes(line.message, code=line.code)
            ours.sent = line.sent
            return ours
    return InternalError(f"an unexpected error of the network ({type(error).__name__})")

"""HTTP: a form to the API's URL, and the whole reply back, or one of our errors.

The only module that calls the API; `pipeline.reporters.http` sends pings.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from yarl import URL

from pipeline.calls.network import tls_context
from pipeline.calls.reuse import Reuse
from pipeline.errors import (
    ApiUnavailable,
    InternalError,
    InvalidHttp,
    LeadExportError,
    MalformedReply,
    ReplyTooLarge,
    StaleConnection,
    TimedOut,
    Unreachable,
    UsageError,
    WrongEndpoint,
)
from pipeline.version import __version__

if TYPE_CHECKING:
    import ssl

    from pipeline.calls.network import Proxy
    from pipeline.settings import Settings

HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/x-www-form-urlencoded",
    "User-Agent": f"lead-export/{__version__}",
}
DNS_CACHE_S = 300
"""Seconds for which the address of a host is cached."""
KEEPALIVE_S = 15.0
"""Seconds after which an unused connection is closed: a firewall on the way may have forgotten it by then."""
_PARSER_WORDS = re.compile(r"([A-Z](?:[\w -]|(?<=n)'(?=t)){3,79}?)(?:$| ?[(:.\n])")
"""The parser's own words at the start of its message, which may go on with a part of the reply."""
MAX_HEADER_BYTES = 65_536
"""Longest line and header of a reply; security products add some that are longer than aiohttp's default of 8 KiB."""


class HttpReply(NamedTuple):
    """A whole reply: the status, the decoded body, and the header `Retry-After` if there is one."""

    status: int
    body: bytes
    retry_after: str | None


class ErrorRule(NamedTuple):
    """A row of the table of network errors: what was raised, what it becomes, and whether a request may have left."""

    raised: type[Exception]
    becomes: type[LeadExportError]
    code: str
    message: str
    sent: bool = True


ERROR_RULES: tuple[ErrorRule, ...] = (
    ErrorRule(aiohttp.InvalidURL, UsageError, "url", "api_url is not a valid URL", sent=False),
    ErrorRule(UnicodeError, UsageError, "url", "api_url has an impossible host name", sent=False),
    ErrorRule(
        aiohttp.ClientConnectorCertificateError,
        WrongEndpoint,
        "tls",
        "the server's certificate is not trusted; check api_url and this machine's clock, and if your network inspects"
        " TLS, name its certificate authority in ca_file or SSL_CERT_FILE",
        sent=False,
    ),
    ErrorRule(
        aiohttp.ClientSSLError,
        Unreachable,
        "tls",
        "no secure connection to the server could be established",
        sent=False,
    ),
    ErrorRule(
        aiohttp.ClientProxyConnectionError, Unreachable, "proxy", "no connection to the proxy {proxy}", sent=False
    ),
    ErrorRule(
        aiohttp.ClientHttpProxyError,
        Unreachable,
        "proxy",
        "the proxy {proxy} refused the connection{status}",
        sent=False,
    ),
    ErrorRule(
        aiohttp.ConnectionTimeoutError, TimedOut, "connect_timeout", "no connection within the time limit", sent=False
    ),
    ErrorRule(TimeoutError, TimedOut, "timeout", "no complete reply within the time limit"),
    ErrorRule(aiohttp.ServerDisconnectedError, Unreachable, "disconnected", "the server closed the connection"),
    ErrorRule(aiohttp.ClientPayloadError, MalformedReply, "cut_off", "the reply is incomplete"),
    ErrorRule(aiohttp.ClientResponseError, InvalidHttp, "not_http", "the reply cannot be read as HTTP{why}"),
    ErrorRule(aiohttp.ClientConnectorError, Unreachable, "connect", "no connection to the {peer}", sent=False),
    ErrorRule(aiohttp.ClientError, Unreachable, "connection", "the connection broke"),
    ErrorRule(OSError, Unreachable, "connection", "the connection broke"),
)
"""What an error of the network means; the first match counts."""


def translate(error: Exception, proxy: str = "") -> LeadExportError:
    """Translate a network error into one of the package's; the message holds no address and no credential.

    Args:
        error: what was raised.
        proxy: the address of the proxy in use, without credentials.
    """
    status = f" (HTTP {error.status})" if isinstance(error, aiohttp.ClientHttpProxyError) else ""
    peer = f"proxy {proxy}" if proxy else "server"  # a proxy is the only host that this machine connects to
    why = _PARSER_WORDS.match(error.message) if isinstance(error, aiohttp.ClientResponseError) else None
    for rule in ERROR_RULES:
        if isinstance(error, rule.raised):
            text = rule.message.format(proxy=proxy, peer=peer, status=status, why=f" ({why[1]})" if why else "")
            ours = rule.becomes(text, code=rule.code)
            ours.sent = rule.sent
            return ours
    return InternalError(f"an unexpected network error ({type(error).__name__})")


class _Progress:
    """How far a call got."""

    __slots__ = ("has_reply", "has_waited", "is_reused")

    def __init__(self) -> None:
        self.is_reused = True  # no socket was created: if it got a connection at all, that came from the pool
        self.has_waited = False  # the event loop has run, so that a reply can have arrived
        self.has_reply = False

    def wait(self) -> None:
        self.has_waited = True


_progress: ContextVar[_Progress] = ContextVar("progress")
"""The call that the current task makes."""


def _create_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket for a new connection, which is noted on the call that needs it."""
    family, kind, protocol, _, _ = address
    _progress.get().is_reused = False
    return socket.socket(family=family, type=kind, proto=protocol)


class Endpoint:
    """The API's URL, over pooled connections: redirects are not followed and cookies are not kept.

    Must be created and closed in a running event loop.

    Args:
        settings: where the API is, the timeouts, and the longest reply.
        proxy: the proxy to use; None connects directly.

    Raises:
        UsageError: `api_url` or `ca_file` cannot be used.
    """

    def __init__(self, settings: Settings, proxy: Proxy | None = None) -> None:
        self._proxy = proxy
        self._max_reply_bytes = settings.max_reply_bytes
        try:
            self._url = URL(settings.api_url)
            self._proxy_url = URL(proxy.url) if proxy else None
        except ValueError as error:
            raise translate(aiohttp.InvalidURL("")) from error
        uses_tls = "https" in (self._url.scheme, self._proxy_url and self._proxy_url.scheme)
        self._tls: ssl.SSLContext | bool = tls_context(settings) if uses_tls else True
        self._timeouts = _timeouts(settings)
        self._session = self._open_session()
        self._single_use = self._open_session(keep=False)
        self._reuse = Reuse(asyncio.get_running_loop().time)
        self._calls: Counter[aiohttp.ClientSession] = Counter()

    def _open_session(self, *, keep: bool = True) -> aiohttp.ClientSession:
        """A session that keeps its connections for the next calls, or opens one for each call."""
        connector = aiohttp.TCPConnector(
            limit=0,
            ttl_dns_cache=DNS_CACHE_S,
            force_close=not keep,
            keepalive_timeout=KEEPALIVE_S if keep else None,
            ssl=self._tls,
            socket_factory=_create_socket,
        )
        return aiohttp.ClientSession(
            connector=connector,
            headers=HEADERS,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=self._timeouts,
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def close(self) -> None:
        """Close every connection; none is left open when this returns."""
        for session in {self._session, self._single_use, *self._calls}:
            await session.close()

    async def post(self, form: bytes, *, fresh: bool = False) -> HttpReply:
        """Send a form and read the whole reply, with `fresh` on a new connection.

        Raises:
            LeadExportError: see `ERROR_RULES`; `ReplyTooLarge` as soon as it is longer than allowed; `StaleConnection`
                if a pooled connection turned out to be closed, or held bytes that nobody had asked for.
        """
        session = self._single_use if fresh or not self._reuse.is_worthwhile else self._session
        self._calls[session] += 1
        try:
            return await self._post(session, form)
        finally:
            self._calls[session] -= 1
            if session not in (self._session, self._single_use) and not self._calls[session]:
                del self._calls[session]
                await session.close()

    async def _post(self, session: aiohttp.ClientSession, form: bytes) -> HttpReply:
        progress = _Progress()
        _progress.set(progress)
        # Data arrives in the loop only: a reply that is there before its next iteration was not requested by us.
        asyncio.get_running_loop().call_soon(progress.wait)
        request = session.post(self._url, data=form, allow_redirects=False, proxy=self._proxy_url)
        try:
            async with request as response:
                progress.has_reply = True
                if not progress.has_waited:
                    self._retire(session)
                    raise StaleConnection("the connection held a reply to no request")
                if self._proxy is not None and response.status == 407:
                    raise self._credentials_refused(self._proxy)
                body = await self._read(response)
                if progress.is_reused:
                    self._reuse.record(lost=False)
                return HttpReply(response.status, body, response.headers.get("Retry-After"))
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise self._translated(error, progress) from error

    def _retire(self, session: aiohttp.ClientSession) -> None:
        """Let no further call use the pooled connections of `session`; it is closed when its last call ends.

        The connection with the unrequested reply may be back in the pool by now, and the request sent on it: the next
        call would get that request's reply. aiohttp cannot close just one pooled connection.
        """
        if session is self._session:
            self._session = self._open_session()

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        chunks: list[bytes] = []
        left = self._max_reply_bytes
        async for chunk in response.content.iter_any():
            left -= len(chunk)
            if left < 0:
                raise ReplyTooLarge(f"the reply is longer than {self._max_reply_bytes:,} bytes")
            chunks.append(chunk)
        return b"".join(chunks)

    def _translated(self, error: Exception, progress: _Progress) -> LeadExportError:
        if isinstance(error, aiohttp.ClientHttpProxyError) and error.status == 407 and self._proxy is not None:
            ours: LeadExportError = self._credentials_refused(self._proxy)
            ours.sent = False
        elif progress.is_reused and not progress.has_reply and _lost_connection(error):
            self._reuse.record(lost=True)
            ours = StaleConnection("the server had closed the pooled connection")
        else:
            ours = translate(error, self._proxy.address if self._proxy else "")
        return ours

    def _credentials_refused(self, proxy: Proxy) -> ApiUnavailable:
        return ApiUnavailable(
            f"The proxy {proxy.address} requires credentials, or refused those in {proxy.origin} (HTTP 407);"
            " set them as http://user:password@host:port.",
            code="proxy",
        )


def _timeouts(settings: Settings) -> aiohttp.ClientTimeout:
    # Connecting cannot take longer than the whole call; the shorter limit names the cause correctly.
    connect_s = min(settings.connect_timeout_s, settings.total_timeout_s)
    return aiohttp.ClientTimeout(
        total=settings.total_timeout_s, connect=connect_s, sock_connect=connect_s, sock_read=settings.read_timeout_s
    )


def _lost_connection(error: Exception) -> bool:
    """Whether the connection was closed before any reply; a connection that could not be made is not lost."""
    lost = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | ConnectionError)
    return lost and not isinstance(error, aiohttp.ClientConnectorError)

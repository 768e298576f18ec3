"""One small request to a monitoring service, with retries, within a deadline.

It must never hold up the end of a run. aiohttp's time limit ends a request, but not the thread in which a host name is
being looked up: Python waits for that when it exits. So names are looked up in threads that nobody waits for.
"""

from __future__ import annotations

import asyncio
import re
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from pipeline.calls.network import choose_proxy, tls_context
from pipeline.calls.transport import translate
from pipeline.errors import StopRun
from pipeline.reporters.ending import ReporterFailed
from pipeline.version import __version__

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping

    from pipeline.reporters.ending import Context
    from pipeline.settings import Settings

TIMEOUT_S = 10.0
"""Seconds for one try."""
_HEADERS = {"User-Agent": f"lead-export/{__version__}"}
_MAX_REPLY_BYTES = 4_096
_POLITE_REFUSAL = re.compile(r"OK \(([a-z ]{1,40})\)")
"""What Healthchecks says, with status 200, about a check that it does not know, and after too many requests."""


class Reply(NamedTuple):
    """The reply to a request that was accepted; names of headers are case-insensitive."""

    text: str
    headers: Mapping[str, str]


class Rejected(ReporterFailed):
    """The service does not accept the request, and would not accept it again."""


def send(url: str, context: Context, body: bytes | None = None, content_type: str = "text/plain") -> Reply:
    """Send a GET request, or `body` in a POST request. Redirects are not followed; no message shows the URL.

    Raises:
        ReporterFailed: it was not accepted within the deadline of `context`.
    """
    assert context.settings is not None  # noqa: S101 - the URL comes from there
    return asyncio.run(send_async(url, context, body, content_type))


async def send_async(url: str, context: Context, body: bytes | None, content_type: str) -> Reply:
    """The same as a coroutine, which can be cancelled."""
    settings = context.settings
    assert settings is not None  # noqa: S101 - the URL comes from there
    proxy = _proxy(url, settings)
    connector = aiohttp.TCPConnector(ssl=_tls(settings), resolver=_Resolver(), force_close=True)
    async with aiohttp.ClientSession(connector=connector, headers=_HEADERS, trust_env=False) as session:
        for pause_s in (*context.pauses_s, None):
            try:
                async with asyncio.timeout(min(TIMEOUT_S, context.deadline.left_s())):
                    return await _try(session, url, body, content_type, proxy)
            except Rejected:
                raise
            except (aiohttp.ClientError, OSError, UnicodeError, ReporterFailed) as error:
                if pause_s is None or context.deadline.left_s() <= pause_s:
                    raise _explained(error) from error
                await asyncio.sleep(pause_s)
    raise AssertionError  # the last try returns or raises


async def _try(
    session: aiohttp.ClientSession, url: str, body: bytes | None, content_type: str, proxy: str | None
) -> Reply:
    method, headers = ("GET", None) if body is None else ("POST", {"Content-Type": content_type})
    request = session.request(method, url, data=body, headers=headers, allow_redirects=False, proxy=proxy)
    async with request as response:
        status = response.status
        text = (await response.content.read(_MAX_REPLY_BYTES)).decode(errors="replace").strip()
        if 200 <= status < 300:
            if refusal := _POLITE_REFUSAL.fullmatch(text):
                raise Rejected(f"the service did not take the request, but answers: {refusal[1]}")
            return Reply(text, response.headers)
        if 300 <= status < 400:
            raise Rejected(f"the service redirects to another URL (HTTP {status}); set that one")
        if status < 500 and status not in (408, 429):
            raise Rejected(f"the service does not know the URL, or does not accept the request (HTTP {status})")
        raise ReporterFailed(f"the service answers with HTTP {status}")


def _explained(error: Exception) -> ReporterFailed:
    if isinstance(error, ReporterFailed):
        return error
    if isinstance(error, aiohttp.InvalidURL):
        return ReporterFailed("the URL is not valid")
    return ReporterFailed(str(translate(error)))


def _proxy(url: str, settings: Settings) -> str | None:
    try:
        proxy = choose_proxy(settings, url=url)
    except StopRun as error:
        raise ReporterFailed(str(error)) from error
    return proxy.url if proxy else None


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        return tls_context(settings)
    except StopRun as error:
        raise ReporterFailed(str(error)) from error


class _Resolver(AbstractResolver):
    """Looks a host name up in a thread of its own, which ends with the process."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            OSError: it is not known.
        """
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def settle(result: list[ResolveResult] | OSError) -> None:
            if found.done():
                return
            if isinstance(result, OSError):
                found.set_exception(result)
            else:
                found.set_result(result)

        def look_up() -> None:
            result: list[ResolveResult] | OSError
            try:
                result = [
                    ResolveResult(
                        hostname=host, host=str(to[0]), port=port, family=kind, proto=proto, flags=socket.AI_NUMERICHOST
                    )
                    for kind, _, proto, _, to in socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
                ]
            except OSError as error:
                result = error
            with suppress(RuntimeError):  # nobody waits any longer
                loop.call_soon_threadsafe(settle, result)

        threading.Thread(target=look_up, name="resolve", daemon=True).start()
        return await found

    async def close(self) -> None:
        """Nothing is kept."""

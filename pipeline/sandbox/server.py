"""The HTTP server of the simulated API: listens on loopback, delivers replies (or fails to), shuts down at once.

Paths: `/api` and `/api/` (the API), `/stats` (counters), `/control` (switches), `/moved/api` (target of `redirect`).
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from time import monotonic

from aiohttp import web

from pipeline.sandbox.api import Api, Call
from pipeline.sandbox.faults import MOVED_PATH
from pipeline.sandbox.options import SandboxOptions, json_object
from pipeline.sandbox.replies import HTML, Delivery, Reply, error, page

HOST = "127.0.0.1"
FORM_TYPE = "application/x-www-form-urlencoded"
CHUNK = b" " * 65_536
SHUTDOWN_S = 0.2  # for replies being sent; then they are cancelled


class SandboxServer:
    """The HTTP side of one sandbox."""

    def __init__(self, options: SandboxOptions) -> None:
        self.api = Api(options)
        self._started_s = monotonic()
        self._jitter = Random(options.seed)
        self._handlers = {
            "/api": self._call,
            "/api/": self._call,
            "/stats": self._show_stats,
            "/control": self._control,
            MOVED_PATH: self._moved,
        }

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Handle one request for any path."""
        handler = self._handlers.get(request.path)
        if handler is None:
            return _response(page(404, "404 Not Found"))
        return await handler(request)

    async def _call(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        is_form = request.method == "POST" and request.content_type == FORM_TYPE
        call = Call.parse(body if is_form else None, request.headers.get("User-Agent", ""))
        with self.api.stats.one_in_flight():
            reply = self.api.reply(call, monotonic() - self._started_s)
            await self._wait(reply)
            self.api.delivering(call, reply)
            return await _deliver(request, reply)

    async def _wait(self, reply: Reply) -> None:
        options = self.api.options
        delay_ms = reply.delay_ms + options.latency_ms
        if options.latency_jitter_ms:
            delay_ms += self._jitter.uniform(-1, 1) * options.latency_jitter_ms
        if delay_ms > 0:
            await asyncio.sleep(delay_ms / 1_000)

    async def _show_stats(self, request: web.BaseRequest) -> web.Response:
        return web.json_response(self.api.stats.as_json(with_addresses=request.query.get("addresses") == "1"))

    async def _control(self, request: web.BaseRequest) -> web.Response:
        if request.method != "POST":
            return web.Response(status=405, text="Use POST to change switches.")
        try:
            self._change(json_object(await request.read()))
        except ValueError as exc:
            return web.Response(status=400, text=str(exc))
        return web.json_response(text=self.api.options.to_json())

    def _change(self, switches: dict[str, object]) -> None:
        reset = switches.pop("reset_stats", False)
        if not isinstance(reset, bool):
            raise ValueError(f"reset_stats must be true or false, not {reset!r}.")  # noqa: TRY004 - reported as HTTP 400
        self.api.change(switches)
        if reset:
            self.api.reset_stats()

    async def _moved(self, request: web.BaseRequest) -> web.Response:
        await request.read()
        self.api.stats.redirected_calls += 1
        return _response(error("236"))


def _response(reply: Reply) -> web.Response:
    headers = {"Content-Type": HTML, **reply.headers}
    return web.Response(body=reply.body, status=reply.status, headers=headers)


async def _deliver(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    match reply.delivery:
        case Delivery.NEVER:
            await (
                asyncio.get_running_loop().create_future()
            )  # cancelled when the client disconnects or the sandbox exits
        case Delivery.DROPPED:
            _close(request)
        case Delivery.HALF:
            return await _deliver_half(request, reply)
        case Delivery.WHOLE if reply.padding:
            return await _deliver_after_padding(request, reply)
    return _response(reply)


async def _deliver_half(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Declare the full length, send half of the body and close the connection."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": HTML})
    response.content_length = len(reply.body)
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    _close(request)
    return response


async def _deliver_after_padding(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    """Stream whitespace without declaring a length, then the body, unless the client disconnects before."""
    response = web.StreamResponse(status=reply.status, headers={"Content-Type": HTML})
    await response.prepare(request)
    for _ in range(0, reply.padding, len(CHUNK)):
        await response.write(CHUNK)
    await response.write(reply.body)
    return response


def _close(request: web.BaseRequest) -> None:
    """Close the connection, which aiohttp treats as a disconnect by the client."""
    if request.transport is not None:
        request.transport.close()


@asynccontextmanager
async def listening(options: SandboxOptions) -> AsyncIterator[str]:
    """Listen in the running event loop during the block; yields the URL of the API.

    Raises:
        OSError: the port is in use.
    """
    sandbox = SandboxServer(options)
    connections = web.Server(sandbox.handle, access_log=None, handler_cancellation=True)

    def accept() -> asyncio.Protocol:
        sandbox.api.stats.connections += 1
        return connections()

    listener = await asyncio.get_running_loop().create_server(accept, HOST, options.port, backlog=1_024)
    try:
        yield f"http://{HOST}:{listener.sockets[0].getsockname()[1]}/api"
    finally:
        listener.close()
        await connections.shutdown(SHUTDOWN_S)


async def serve(options: SandboxOptions) -> None:
    """Print the URL and serve until SIGINT, SIGTERM, SIGHUP or, with `exit_with_stdin`, the end of standard input."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    ends = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as under `nohup`
        ends.append(signal.SIGHUP)
    for number in ends:
        loop.add_signal_handler(number, stop.set)
    if options.exit_with_stdin:
        loop.add_reader(sys.stdin.fileno(), _stop_at_end, stop)
    async with listening(options) as url:
        sys.stdout.write(f"sandbox listening on {url}\n")
        sys.stdout.flush()
        await stop.wait()


def _stop_at_end(stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 4_096):
        asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
        stop.set()


def run_sandbox(options: SandboxOptions) -> None:
    """Run the sandbox in the foreground.

    Raises:
        OSError: the port is in use.
    """
    asyncio.run(serve(options))

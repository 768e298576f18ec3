"""Closing connections over TLS whose server does not say goodbye."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import stat
import threading
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import trustme
from calls_wire import http, settings

from pipeline.calls.transport import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator

BODY = b'{"status":"Success"}'
CALLS = 3


def serve_one(listener: socket.socket, context: ssl.SSLContext, over: threading.Event) -> None:
    """Answer one call, then keep silent on the connection, also when the other end says goodbye."""
    with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
        connection.recv(65_536)
        connection.sendall(http(BODY))
        over.wait(30)


@contextmanager
def silent_server(authority: trustme.CA) -> Iterator[str]:
    """A server for three connections; yields its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    over = threading.Event()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        for _ in range(CALLS):
            thread = threading.Thread(target=serve_one, args=(listener, context, over), daemon=True)
            thread.start()
            stack.callback(thread.join, 5)
        stack.callback(over.set)
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/api"


def clients_of(url: str) -> int:
    """The sockets of this process that are connected to the server."""
    port, count = urlsplit(url).port, 0
    for descriptor in Path("/dev/fd").iterdir():
        number = int(descriptor.name)
        try:
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                with socket.socket(fileno=os.dup(number)) as one:
                    count += one.getpeername() == ("127.0.0.1", port)
        except OSError:
            continue  # no such descriptor, or not connected
    return count


async def test_closing_waits_for_no_server(tmp_path: Path) -> None:
    """Each reply arrives, the connections stay open for the next calls, and closing leaves none of them open."""
    authority, trusted = trustme.CA(), tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    with silent_server(authority) as url:
        endpoint = Endpoint(settings(url, ca_file=trusted, read_timeout_s=10, connect_timeout_s=10))
        try:
            replies = await asyncio.gather(*(endpoint.post(b"a=1") for _ in range(CALLS)))
            assert [reply.body for reply in replies] == [BODY] * CALLS
            assert clients_of(url) == CALLS
        finally:
            async with asyncio.timeout(5):
                await endpoint.close()
        assert clients_of(url) == 0

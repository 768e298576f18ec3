"""Calls over TLS, as the real API has them: who is trusted, and what is left open afterwards."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
import trustme
from calls_wire import http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = b'{"status":"Success"}'
# In a process of its own, because which certificates are trusted is known once aiohttp is loaded.
CLIENT = """
import asyncio, os, stat, sys
from pipeline.calls.transport import Endpoint
from pipeline.errors import LeadExportError
from pipeline.settings import Settings

def sockets():
    count = 0
    for number in range(64):
        try:
            count += stat.S_ISSOCK(os.fstat(number).st_mode)
        except OSError:
            pass
    return count

async def main():
    before = sockets()
    endpoint = Endpoint(Settings(api_url=sys.argv[1]))
    for reply in await asyncio.gather(*(endpoint.post(b"a=1") for _ in range(3)), return_exceptions=True):
        if isinstance(reply, LeadExportError):
            print(type(reply).__name__, reply.code, reply.sent)
        else:
            print(reply.body.decode())
    print(sockets() - before, "open")
    await endpoint.close()
    print(sockets() - before, "open")

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the certificates of these tests."""
    return trustme.CA()


def serve_one(listener: socket.socket, context: ssl.SSLContext, over: threading.Event) -> None:
    """Answer one call, then keep silent on the connection, also when the other end says goodbye."""
    try:
        with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
            connection.recv(65_536)
            connection.sendall(http(BODY))
            over.wait(30)
    except OSError:
        pass  # it was not trusted, or the test is over


@contextmanager
def server(authority: trustme.CA, name: str) -> Iterator[str]:
    """A server with a certificate for `name`, for three connections; yields its URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    over = threading.Event()
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        threads = [threading.Thread(target=serve_one, args=(listener, context, over), daemon=True) for _ in range(3)]
        for thread in threads:
            thread.start()
            stack.callback(thread.join, 5)
        stack.callback(over.set)
        yield f"https://127.0.0.1:{listener.getsockname()[1]}/api"


def client(url: str, trusted: Path | None = None) -> list[str]:
    """The lines that the client prints; nothing else may be said, of a connection left open for example."""
    environment = os.environ | ({"SSL_CERT_FILE": str(trusted)} if trusted else {})
    command = [sys.executable, "-W", "always::ResourceWarning", "-c", CLIENT, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_calls_over_tls_leave_nothing_open(authority: trustme.CA, tmp_path: Path) -> None:
    """Each reply comes back, and closing waits for no server that does not say goodbye."""
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    with server(authority, "127.0.0.1") as url:
        assert client(url, trusted) == [*[BODY.decode()] * 3, "3 open", "0 open"]


@pytest.mark.parametrize(("name", "known"), [("127.0.0.1", False), ("example.com", True)])
def test_nobody_else_gets_the_credentials(authority: trustme.CA, tmp_path: Path, name: str, *, known: bool) -> None:
    """A certificate of nobody we know, or for another name: the request, with the credentials in it, is not sent."""
    trusted = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    with server(authority, name) as url:
        said = client(url, trusted if known else None)
        assert (said[:3], said[-1]) == (["WrongEndpoint tls False"] * 3, "0 open")

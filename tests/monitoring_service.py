"""Monitoring services on this machine: they note what they are told, and can hang, refuse, redirect or fail."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Told(NamedTuple):
    """A request: its method, the path without the query, the query, and the text."""

    method: str
    path: str
    query: dict[str, list[str]]
    body: str


class Service:
    """A service that notes its requests and gives them the replies it is told to.

    Attributes:
        url: where it is.
        told: the requests so far.
        replies: statuses of the next replies; then it is `status`.
        status: of every other reply.
        headers: of every reply.
        text: of every reply.
        hangs: it takes requests, and gives no reply.
        answers: makes the text of a reply from that of its request, instead of `text`.
    """

    def __init__(self) -> None:
        self.url = ""
        self.told: list[Told] = []
        self.replies: list[int] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.text = "OK"
        self.hangs = threading.Event()
        self.ended = threading.Event()
        self.answers: Callable[[str], str] | None = None

    @property
    def signals(self) -> list[str]:
        """The last part of the path of each request."""
        return [told.path.rpartition("/")[2] for told in self.told]


@contextmanager
def service() -> Iterator[Service]:
    """A service for the block."""
    state = Service()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            parts = urlsplit(self.path)
            state.told.append(Told(self.command, parts.path, parse_qs(parts.query), body))
            if state.hangs.is_set():
                state.ended.wait(60)
                return
            self.send_response(state.replies.pop(0) if state.replies else state.status)
            for name, value in state.headers.items():
                self.send_header(name, value)
            content = (state.answers(body) if state.answers else state.text).encode()
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer  # noqa: N815 - the library's names

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield state
    finally:
        state.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


def closed_port() -> int:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port

"""A server that costs little compared with the client: normal replies, prepared beforehand, in a process of its own.

    python benchmarks/server.py [--people 8192] [--shape text]

POST anywhere with `get_lead[email]=…` is answered as Success with that address; the person behind it is one of
`--people` of the sandbox's, chosen by the address, so that the bodies are as long and as varied as those of the
sandbox. With `--people 0` every address has a person of its own, which is slower by an order of magnitude. `--shape`
is the sandbox's switch: how the people are written.

    GET  /stats         what was answered, and when the first call came
    POST /stop-after/N  forget the counts; answer N calls and keep silent after that (0: answer all)

It listens on loopback only, prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import NamedTuple
from urllib.parse import unquote_to_bytes
from zlib import adler32, crc32

from pipeline.sandbox.people import lead_details
from pipeline.sandbox.renderings import RENDERINGS, rendered
from pipeline.sandbox.replies import success

_SEED = 1
_FIELD = b"get_lead%5Bemail%5D="
_LENGTH = b"content-length:"
_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=UTF-8\r\nServer: bench\r\nContent-Length: %d\r\n\r\n"


class Template(NamedTuple):
    """A reply around the id and the address of whoever asks; `size` is the bytes of it without them."""

    before_id: bytes
    before_email: bytes
    after: bytes
    size: int

    @classmethod
    def of(cls, person: str, shape: str) -> Template:
        """The reply for an invented person, written in a shape."""
        lead = lead_details(person, _SEED)
        body = success(rendered(lead, shape, _SEED)).body
        before_id, rest = body.split(lead["id"].encode(), 1)
        before_email, after = rest.split(person.encode(), 1)
        return cls(before_id, before_email, after, len(before_id) + len(before_email) + len(after))

    def body(self, email: bytes) -> bytes:
        """The reply for `email`, which needs no escapes in JSON."""
        return b"".join((self.before_id, lead_id(email), self.before_email, email, self.after))

    def response(self, email: bytes) -> bytes:
        """The same with its HTTP headers."""
        number = lead_id(email)
        head = _HEAD % (self.size + len(number) + len(email))
        return b"".join((head, self.before_id, number, self.before_email, email, self.after))


def lead_id(email: bytes) -> bytes:
    """A number of up to 53 bits that is hardly ever the same for two addresses."""
    return b"%d" % (crc32(email) << 21 ^ adler32(email) & 0x1FFFFF)


def templates(people: int, shape: str) -> list[Template]:
    """Replies for that many people."""
    return [Template.of(f"person{n}@example.com", shape) for n in range(people)]


class Api:
    """The replies, and what was counted; times are CLOCK_MONOTONIC in seconds, which all processes share."""

    def __init__(self, people: int, shape: str) -> None:
        self._templates = templates(people, shape)
        self._shape = shape
        self.answers = 0
        self._first_call: float | None = None
        self._most = 0

    def lead(self, form: bytes) -> bytes | None:
        """The response to one call; None to keep silent."""
        if self._first_call is None:
            self._first_call = time.monotonic()
        if self._most and self.answers >= self._most:
            return None
        self.answers += 1
        email = form[form.rfind(_FIELD) + len(_FIELD) :].replace(b"%40", b"@")
        if b"%" in email:
            email = unquote_to_bytes(email)
        known = self._templates
        template = known[crc32(email) % len(known)] if known else Template.of(email.decode(), self._shape)
        return template.response(email)

    def other(self, method: bytes, path: bytes) -> bytes:
        """The response to a request that is no call."""
        if method == b"POST":
            self.answers, self._first_call, self._most = 0, None, int(path.rpartition(b"/")[2])
        body = json.dumps({"answers": self.answers, "first_call_s": self._first_call}).encode()
        return _HEAD % len(body) + body


class Connection(asyncio.Protocol):
    """HTTP as far as it is needed here: requests with a known length, one after the other, on a kept connection."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._transport: asyncio.Transport | None = None
        self._left = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep where the responses go."""
        self._transport = transport  # type: ignore[assignment]  # a stream's transport is one to write to

    def data_received(self, data: bytes) -> None:
        """Answer every request that is whole."""
        if self._left:
            data = self._left + data
        while (end := data.find(b"\r\n\r\n") + 4) >= 4:
            whole = end + _content_length(data, end)
            if len(data) < whole:
                break
            self._answer(data[:whole], end)
            data = data[whole:]
        self._left = data

    def _answer(self, request: bytes, end: int) -> None:
        if request.startswith(b"POST /api"):
            response = self._api.lead(request[end:])
        else:
            method, path, _ = request.split(b" ", 2)
            response = self._api.other(method, path)
        if response is not None and self._transport is not None:
            self._transport.write(response)


def _content_length(data: bytes, end: int) -> int:
    head = data[:end].lower()
    at = head.find(_LENGTH)
    return int(head[at + len(_LENGTH) : head.find(b"\r", at)]) if at >= 0 else 0


async def serve(people: int, shape: str) -> None:
    """Serve until standard input ends."""
    api = Api(people, shape)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(api), "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    async with server:
        await loop.run_in_executor(None, sys.stdin.read)


def main() -> None:
    """Serve on uvloop, or on what there is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=8192)
    parser.add_argument("--shape", choices=list(RENDERINGS), default="text")
    options = parser.parse_args()
    try:
        import uvloop  # noqa: PLC0415 - half the server's speed, and yet not a must
    except ImportError:
        asyncio.run(serve(options.people, options.shape))
    else:
        uvloop.run(serve(options.people, options.shape))


if __name__ == "__main__":
    main()

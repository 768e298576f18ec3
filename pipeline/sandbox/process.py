"""The sandbox as a child process: it has its own interpreter, and so its own core, and ends with its parent.

The parent needs the standard library only. The child ends when its standard input does, which the operating system
sees to even if the parent is killed.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import IO, Any
from urllib.parse import urlsplit

from pipeline.sandbox.options import SandboxOptions

READY = "sandbox listening on "
PATIENCE_S = 5.0


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that runs; `url` is that of the API."""

    url: str
    pid: int

    def stats(self, *, addresses: bool = False) -> dict[str, Any]:
        """Return the counters; with `addresses` also how often each address was asked."""
        return self._request("GET", "/stats?addresses=1" if addresses else "/stats")

    def control(self, **switches: object) -> dict[str, Any]:
        """Change switches (and `reset_stats=True`); return all of them.

        Raises:
            ValueError: an unknown switch, one fixed at the start, or a value that does not fit.
        """
        return self._request("POST", "/control", json.dumps(switches))

    def _request(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        # http.client, unlike urllib, never takes a detour over a proxy from the environment.
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(text)
        answer: dict[str, Any] = json.loads(text)
        return answer


@contextmanager
def running(options: SandboxOptions | None = None) -> Iterator[RunningSandbox]:
    """Run a sandbox in a child process for the time of the block.

    Raises:
        RuntimeError: the child did not start; the message is its last line on standard error.
    """
    switches = replace(options or SandboxOptions(), exit_with_stdin=True).to_json()
    with tempfile.TemporaryFile("w+") as errors, _child(switches, errors) as child:
        try:
            yield RunningSandbox(_url(child, errors), child.pid)
        finally:
            _end(child)


def _child(switches: str, errors: IO[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own module, and the argument is JSON that we wrote
        [sys.executable, "-P", "-m", "pipeline.sandbox", switches],  # -P: nothing is loaded from where one stands
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,  # a file, because nobody reads along and a full pipe would stop the child
        text=True,
        start_new_session=True,  # Ctrl-C is for the parent, which may still have calls in flight
    )


def _url(child: "subprocess.Popen[str]", errors: IO[str]) -> str:
    line = child.stdout.readline() if child.stdout else ""
    if line.startswith(READY):
        return line.removeprefix(READY).strip()
    _end(child)
    errors.seek(0)
    last_line = errors.read().strip().rpartition("\n")[2]
    raise RuntimeError(f"The sandbox did not start: {last_line or line.strip()}")


def _end(child: "subprocess.Popen[str]") -> None:
    if child.stdin:
        child.stdin.close()
    try:
        child.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()

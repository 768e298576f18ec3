"""The sandbox as a child process, which can use a core of its own and ends with its parent.

The parent needs only the standard library. The child exits when its standard input is closed, which the operating
system does even if the parent is killed.
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
TIMEOUT_S = 5.0


@dataclass(frozen=True)
class RunningSandbox:
    """A running sandbox; `url` is that of its API."""

    url: str
    pid: int

    def stats(self, *, addresses: bool = False) -> dict[str, Any]:
        """The counters; with `addresses`, also the number of calls for each address."""
        return self._request("GET", "/stats?addresses=1" if addresses else "/stats")

    def control(self, **switches: object) -> dict[str, Any]:
        """Change switches, reset the counters with `reset_stats=True`, and return all switches.

        Raises:
            ValueError: a switch is unknown or fixed at startup, or a value is invalid.
        """
        return self._request("POST", "/control", json.dumps(switches))

    def _request(self, method: str, path: str, body: str | None = None) -> dict[str, Any]:
        # Unlike urllib, http.client ignores proxies set in the environment.
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=TIMEOUT_S)
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            content = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise ValueError(content)
        answer: dict[str, Any] = json.loads(content)
        return answer


@contextmanager
def running(options: SandboxOptions | None = None) -> Iterator[RunningSandbox]:
    """Run a sandbox in a child process during the block.

    Raises:
        RuntimeError: the child did not start; the message includes its last line on standard error.
    """
    switches = replace(options or SandboxOptions(), exit_with_stdin=True).to_json()
    with tempfile.TemporaryFile("w+") as errors, _child(switches, errors) as child:
        try:
            yield RunningSandbox(_url(child, errors), child.pid)
        finally:
            _end(child)


def _child(switches: str, errors: IO[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(  # noqa: S603 - our own module and our own JSON
        [sys.executable, "-P", "-m", "pipeline.sandbox", switches],  # -P: load nothing from the current folder
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,  # a file, because a full pipe that nobody reads would block the child
        text=True,
        start_new_session=True,  # so that Ctrl-C reaches only the parent, which may have calls in flight
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
        child.wait(TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()

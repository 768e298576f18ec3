import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from time import perf_counter
from urllib.parse import urlsplit

import aiohttp
import pytest
from sandbox_client import SandboxClient

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import READY, running
from pipeline.sandbox.server import listening

PROMPT_S = 1.0
TIMEOUT_S = 20.0
PARENT = """
import sys
from pipeline.sandbox.process import running
with running() as sandbox:
    print(sandbox.url, flush=True)
    sys.stdin.read()
"""


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port


def _is_open(url: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(_address(url)) == 0


@contextmanager
def _python(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    with subprocess.Popen(
        [sys.executable, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()


def _line(child: "subprocess.Popen[str]") -> str:
    assert child.stdout
    return child.stdout.readline().strip()


async def _wait_for_disconnect(url: str) -> None:
    """Look up an address that is never answered, until the connection is lost."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await SandboxClient(url, session).get_lead("never-answers@example.com")


def test_a_child_serves_during_the_block() -> None:
    """Counters and switches are accessible, on loopback only, and Ctrl-C in the terminal does not reach the child."""
    urls: list[str] = []

    def use_and_fail() -> None:
        with running(SandboxOptions(seed=3)) as child:
            urls.append(child.url)
            assert child.stats()["calls"] == 0
            assert child.stats(addresses=True)["addresses"] == {}
            assert (child.control(limit_per_s=5)["limit_per_s"], child.control()["seed"]) == (5, 3)
            with pytest.raises(ValueError, match="'limit'"):
                child.control(limit=3)
            assert os.getsid(child.pid) != os.getsid(0)
            raise KeyError

    with pytest.raises(KeyError):
        use_and_fail()
    assert _address(urls[0])[0] == "127.0.0.1"
    assert not _is_open(urls[0])


def test_a_child_that_cannot_start_reports_why() -> None:
    """The error includes the last line that the child printed."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        options = SandboxOptions(port=holder.getsockname()[1])
        with pytest.raises(RuntimeError, match=r"did not start: .*address already in use"), running(options):
            pass


def test_a_killed_parent_leaves_no_orphan() -> None:
    """The child exits when its standard input is closed."""
    with _python("-c", PARENT) as parent:
        url = _line(parent)
        connection = HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)
        connection.request("GET", "/stats")
        connection.getresponse().read()
        parent.kill()
        assert connection.sock.recv(1) == b""  # the child closes its listener first, then its connections
        connection.close()
        assert not _is_open(url)


def test_the_foreground_ends_on_a_signal() -> None:
    """Its output is one line with the URL; without `exit_with_stdin` the end of standard input is ignored."""
    with _python("-m", "pipeline.sandbox", "{}") as child:
        url = _line(child).removeprefix(READY)
        assert child.stdin
        child.stdin.close()
        assert _is_open(url)
        child.stdin = None
        child.send_signal(signal.SIGTERM)
        assert child.communicate(timeout=TIMEOUT_S) == ("", "")
        assert child.returncode == 0


def test_invalid_switches_are_reported_in_one_line() -> None:
    """Exit code 2, without a traceback."""
    with _python("-m", "pipeline.sandbox", '{"seed": "one"}') as child:
        out, error = child.communicate(timeout=TIMEOUT_S)
    assert (child.returncode, out, error.count("\n")) == (2, "", 1)
    assert "seed" in error


async def test_shutting_down_does_not_wait_for_calls(caplog: pytest.LogCaptureFixture) -> None:
    """Neither unanswered calls nor idle connections delay it."""
    async with (
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
        listening(SandboxOptions()) as url,
    ):
        await SandboxClient(url, session).get_lead("idle@example.com")
        group.create_task(_wait_for_disconnect(url))
        await asyncio.sleep(0.02)
        began_s = perf_counter()
    assert perf_counter() - began_s < PROMPT_S
    assert not caplog.records


def test_the_parent_does_not_import_aiohttp() -> None:
    """Starting a sandbox needs only the standard library."""
    program = "import sys, pipeline.sandbox.process; print('aiohttp' in sys.modules)"
    with _python("-c", program) as child:
        assert child.communicate(timeout=TIMEOUT_S) == ("False\n", "")

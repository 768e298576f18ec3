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
from sandbox_client import SandboxClient, sandbox

from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import running
from pipeline.sandbox.server import listening

PROMPT_S = 1.0
PATIENCE_S = 10.0
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


@contextmanager
def _foreground(switches: str = "{}") -> Iterator[tuple["subprocess.Popen[str]", str]]:
    with _python("-m", "pipeline.sandbox", switches) as child:
        yield child, _line(child).removeprefix("sandbox listening on ")


async def _hang(url: str) -> None:
    """Ask for an address that never answers and wait for the connection to be lost."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectionError):
            await SandboxClient(url, session).ask("never-answers@example.com")


def test_a_child_serves_and_ends_with_the_block() -> None:
    """Its counters and switches are within reach while it runs; nothing listens afterwards."""
    with running(SandboxOptions(seed=3)) as child:
        assert child.url.startswith("http://127.0.0.1:")
        assert child.url.endswith("/api")
        assert child.stats()["calls"] == 0
        assert child.stats(addresses=True)["addresses"] == {}
        assert (child.control(limit_per_s=5)["limit_per_s"], child.control()["seed"]) == (5, 3)
    assert not _is_open(child.url)


def test_a_wrong_switch_raises_what_the_child_says() -> None:
    """The sentence comes through."""
    with running() as child, pytest.raises(ValueError, match="'limit' is not a switch"):
        child.control(limit=3)


def test_the_block_ends_the_child_when_it_raises() -> None:
    """An error inside passes through, and nothing is left behind."""
    urls: list[str] = []
    with pytest.raises(KeyError):
        _fail_inside(urls)
    assert not _is_open(urls[0])


def _fail_inside(urls: list[str]) -> None:
    with running() as child:
        urls.append(child.url)
        raise KeyError


def test_a_child_that_cannot_start_says_why() -> None:
    """A taken port becomes an error with the child's last words."""
    with running() as child:
        port = _address(child.url)[1]
        with (
            pytest.raises(RuntimeError, match=r"did not start: .*address already in use"),
            running(SandboxOptions(port=port)),
        ):
            pass


def test_ctrl_c_in_the_terminal_is_for_the_parent() -> None:
    """The child is in a session of its own, so that calls in flight can still be answered."""
    with running() as child:
        assert os.getsid(child.pid) != os.getsid(0)


def test_a_killed_parent_leaves_no_orphan() -> None:
    """The end of its standard input ends the child, also when nobody could tell it."""
    with _python("-c", PARENT) as parent:
        url = _line(parent)
        connection = HTTPConnection(urlsplit(url).netloc, timeout=PATIENCE_S)
        connection.request("GET", "/stats")
        connection.getresponse().read()
        parent.kill()
        assert connection.sock.recv(1) == b""  # the child closes its listener first, then its connections
        connection.close()
        assert not _is_open(url)


def test_the_foreground_says_where_it_listens_and_nothing_else() -> None:
    """One line on standard output, nothing on standard error, exit code 0 when told to end."""
    for number in (signal.SIGINT, signal.SIGTERM):
        with _foreground() as (child, url):
            assert _is_open(url)
            child.send_signal(number)
            assert child.communicate(timeout=PATIENCE_S) == ("", "")
            assert child.returncode == 0


def test_the_end_of_standard_input_ends_it_only_if_switched_on() -> None:
    """Without the switch standard input means nothing."""
    for switches, ends in (('{"exit_with_stdin": true}', True), ("{}", False)):
        with _foreground(switches) as (child, url):
            assert child.stdin
            child.stdin.write("this is read and ignored\n")
            child.stdin.close()
            if ends:
                assert child.wait(PATIENCE_S) == 0
            else:
                assert _is_open(url)


@pytest.mark.parametrize(
    ("switches", "sentence"),
    [
        ("{", "Switches are given as one JSON object; this is not JSON.\n"),
        ('{"seed": "one"}', "seed must be a whole number, not 'one'.\n"),
    ],
)
def test_wrong_switches_end_it_with_one_sentence(switches: str, sentence: str) -> None:
    """Exit code 2, no traceback."""
    with _python("-m", "pipeline.sandbox", switches) as child:
        assert child.communicate(timeout=PATIENCE_S) == ("", sentence)
        assert child.returncode == 2


async def test_it_ends_at_once_with_calls_open(caplog: pytest.LogCaptureFixture) -> None:
    """Neither silence nor slowness nor idle connections hold the end up."""
    async with (
        aiohttp.ClientSession() as session,
        asyncio.TaskGroup() as group,
        listening(SandboxOptions()) as url,
    ):
        await SandboxClient(url, session).ask("idle@example.com")
        group.create_task(_hang(url))
        await asyncio.sleep(0.02)
        began_s = perf_counter()
    assert perf_counter() - began_s < PROMPT_S
    assert not caplog.records


async def test_it_listens_on_loopback_only() -> None:
    """There is no switch for another host."""
    async with sandbox() as client:
        assert _address(client.url)[0] == "127.0.0.1"


@pytest.mark.parametrize(
    ("module", "prefix", "allowed"),
    [("process", "aiohttp", "nothing"), ("server", "pipeline", "pipeline.sandbox")],
)
def test_imports_stay_where_they_belong(module: str, prefix: str, allowed: str) -> None:
    """The parent needs no aiohttp, and the sandbox nothing else of the package."""
    program = (
        f"import sys, pipeline; before = set(sys.modules); import pipeline.sandbox.{module};"
        f"new = [name for name in set(sys.modules) - before if name.startswith({prefix!r})];"
        f"print([name for name in new if not name.startswith({allowed!r})])"
    )
    with _python("-c", program) as child:
        assert child.communicate(timeout=PATIENCE_S) == ("[]\n", "")

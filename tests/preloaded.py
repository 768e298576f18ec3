"""A process that has loaded the package and pandas, and forks a child for each program that it is asked to run.

A test that starts many real processes, to kill them or to see what they print, need not wait for the same imports in
each. A child has the caller's standard streams, folder, environment and arguments, and ends like any Python program.

Run as a script, this module is the process that forks, or, with `--ask`, a program that has one run in its place.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

COMMAND = "from pipeline.cli.main import main; main()"
"""The program that is lead-export."""
_LONGEST = 1 << 20
_STREAMS = (0, 1, 2)


class Child:
    """A program that runs, or has ended."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._lines = connection.makefile("r")
        self.pid = int(self._lines.readline())
        self._code: int | None = None

    @property
    def runs(self) -> bool:
        """Whether it has not ended yet."""
        return self._code is None and not select.select([self._connection], [], [], 0)[0]

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it without warning; until `wait` has returned, nobody else has its number."""
        self.send(signal.SIGKILL)

    def wait(self) -> int:
        """Its exit code, or the negative number of the signal that has ended it."""
        if self._code is None:
            self._code = int(self._lines.readline())
            self._lines.close()
            self._connection.close()
        return self._code


class Preloaded:
    """Starts programs.

    Args:
        address: of the process that forks.
    """

    def __init__(self, address: Path) -> None:
        self.address = address

    def start(
        self,
        program: str,
        *arguments: object,
        env: Mapping[str, str],
        cwd: Path | None = None,
        streams: tuple[int, int, int] = _STREAMS,
    ) -> Child:
        """Start a program with these arguments, of which the first is its name; `streams` are its descriptors."""
        request = {"program": program, "arguments": [*map(str, arguments)], "env": dict(env)}
        return _asked(self.address, {**request, "cwd": os.fspath(cwd or Path.cwd())}, streams)

    def install(self, folder: Path, name: str, program: str) -> None:
        """Write a program that has `program` run here, with all that it is started with."""
        words = [sys.executable, "-I", "-S", __file__, "--ask", str(self.address), program]
        path = folder / name
        path.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$0" "$@"\n')
        path.chmod(0o755)


@contextmanager
def preloaded(folder: Path) -> Iterator[Preloaded]:
    """The process that forks, until the end of the block; its address is a socket in `folder`."""
    address = folder / "preloaded"
    words = [sys.executable, __file__, str(address)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield Preloaded(address)
        finally:
            os.killpg(process.pid, signal.SIGTERM)  # also what a test that failed has left running


def _asked(address: Path, request: dict[str, Any], streams: tuple[int, int, int]) -> Child:
    connection = socket.socket(socket.AF_UNIX)
    connection.connect(os.fspath(address))
    content = json.dumps(request).encode() + b"\n"
    sent = socket.send_fds(connection, [content], streams)
    connection.sendall(content[sent:])
    return Child(connection)


def _serve(address: str) -> dict[str, Any]:
    """Take requests, and fork a child for each; return, in the child, what it is to do."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those who wait
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            if os.fork() == 0:
                break
            connection.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return _attend(connection)


def _attend(connection: socket.socket) -> dict[str, Any]:
    """Read a request; in a child return it, and otherwise tell how the child has ended, and exit."""
    content, streams, _, _ = socket.recv_fds(connection, _LONGEST, len(_STREAMS))
    while not content.endswith(b"\n"):
        content += connection.recv(_LONGEST)
    if (child := os.fork()) == 0:
        connection.close()
        for number, stream in zip(_STREAMS, streams, strict=True):
            os.dup2(stream, number)
            os.close(stream)
        return json.loads(content)  # type: ignore[no-any-return]
    connection.sendall(f"{child}\n".encode())
    for stream in streams:
        os.close(stream)
    ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status
    connection.sendall(f"{code}\n".encode())
    connection.recv(1)  # until then nobody else gets the child's number
    os._exit(0)


def _run(request: dict[str, Any]) -> None:
    """Become the program."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[:] = request["arguments"]
    sys.path[0] = ""
    exec(compile(request["program"], sys.argv[0], "exec"), {"__name__": "__main__"})  # noqa: S102 - a test's own


def _ask(address: str, program: str, *arguments: str) -> int:
    """Have a program run with the streams, folder and environment of this process, and pass on its signals."""
    child = Preloaded(Path(address)).start(program, *arguments, env=os.environ)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda number, _: child.send(signal.Signals(number)))
    code = child.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    if sys.argv[1] == "--ask":
        sys.exit(_ask(*sys.argv[2:]))
    import pandas  # noqa: F401 - this is what takes long
    import pyarrow.parquet  # noqa: F401

    import pipeline.cli.run
    import pipeline.jobs.export  # noqa: F401

    _run(_serve(sys.argv[1]))

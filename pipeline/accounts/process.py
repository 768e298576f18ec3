"""The process of a lane, as its parent sees it: started, told what to do, listened to, told to stop, waited for."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pipeline.accounts.protocol import decoded
from pipeline.errors import StorageError
from pipeline.settings import ENV_PREFIX
from pipeline.settings.secret_files import DIRECTORY_VARIABLE

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline.accounts.protocol import Event, LaneRequest

LONGEST_LINE = 65_536
"""Bytes of the longest line that is passed on in one piece."""
_LAST_WORDS_S = 2.0
"""Seconds for what a process has said before it ended; its own children may keep its pipes open for longer."""


class LaneProcess:
    """One lane at work.

    It is the leader of a session of its own, so that Ctrl-C on a terminal reaches its parent alone, which passes it on:
    a second signal would abort the calls in flight.

    Args:
        words: the command that starts it.
        heard: is told each event.
        said: is told each line on its standard error.
    """

    def __init__(self, words: Sequence[str], heard: Callable[[Event], None], said: Callable[[str], None]) -> None:
        self._words = words
        self._heard, self._said = heard, said
        self._process: Process | None = None
        self._is_ready = self._is_to_stop = False

    async def run(self, request: LaneRequest) -> int:
        """Start it, and wait for its end; return its exit code, or the negative number of the signal that ended it.

        Raises:
            StorageError: it cannot be started.
        """
        try:
            process = await asyncio.create_subprocess_exec(
                *self._words,
                stdin=PIPE,
                stdout=PIPE,
                stderr=PIPE,
                env=_without_secrets(os.environ),
                start_new_session=True,
            )
        except OSError as error:
            raise StorageError(f"{self._words[0]}: cannot be started ({error.strerror}).") from error
        self._process = process
        assert process.stdin and process.stdout and process.stderr  # noqa: S101, PT018 - pipes were asked for
        readers = [
            asyncio.ensure_future(_read_lines(process.stdout, self._decode)),
            asyncio.ensure_future(_read_lines(process.stderr, self._pass_on)),
        ]
        process.stdin.write(request.encoded())
        if self._is_to_stop:
            process.stdin.close()
        with suppress(ConnectionError):  # it has ended already, and its exit code says how
            await process.stdin.drain()
        code = await process.wait()
        await asyncio.wait(readers, timeout=_LAST_WORDS_S)
        for reader in readers:
            reader.cancel()
        process.stdin.close()
        return code

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it is at work; before it has begun, let it find that its parent wants nothing more.

        Python, while it starts, would answer Ctrl-C with a traceback.
        """
        self._is_to_stop = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        if self._is_ready:
            with suppress(ProcessLookupError):
                process.send_signal(number)
        elif process.stdin:
            process.stdin.close()

    def _decode(self, line: bytes) -> None:
        if (event := decoded(line)) is not None:
            self._is_ready = True
            self._heard(event)

    def _pass_on(self, line: bytes) -> None:
        self._said(line.decode(errors="replace"))


@contextmanager
def signals_passed_on(stop: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Tell of Ctrl-C, SIGTERM and, unless it is ignored as under `nohup`, SIGHUP."""
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: handler for number in numbers if (handler := signal.getsignal(number)) is not None}
    for number in before:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without what the lane is told otherwise, and what is none of its business: other accounts."""
    prefixes = ("KARTRA_", ENV_PREFIX, DIRECTORY_VARIABLE)
    return {name: value for name, value in environ.items() if not name.startswith(prefixes)}


async def _read_lines(stream: asyncio.StreamReader, take: Callable[[bytes], None]) -> None:
    """Give each line, without its end, to `take`; a line that is too long comes in pieces."""
    rest = b""
    while part := await stream.read(LONGEST_LINE):
        *lines, rest = (rest + part).split(b"\n")
        for line in lines:
            take(line)
        if len(rest) >= LONGEST_LINE:
            take(rest)
            rest = b""
    if rest:
        take(rest)

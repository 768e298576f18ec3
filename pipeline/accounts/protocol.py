"""What the process of a lane and its parent tell each other.

The parent writes one line of JSON, the request, to the standard input of the lane: settings with credentials, which
thus show neither in a listing of processes nor in a file. Then it keeps the pipe open. Its end, whatever brings it
about, is the sign for the lane to stop: nobody would see how it goes on. The lane writes events to its standard output,
a line of JSON each, and to standard error what any run says there.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import UsageError
from pipeline.settings import SECRETS

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.accounts.lanes import Lane
    from pipeline.settings import Settings

_MOST_BYTES = 1 << 24


class LaneRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a lane is to do.

    Attributes:
        settings: all of them by key, as plain values; those without a value are left out.
        lists: the paths of the lists.
        out: the folder to publish in.
        command: what a person would type to resume the run.
        run_id: the name of a run that is published but not tidied up; None for any other.
        new: whether to start over.
        monitor: whether to tell reporters how it ends.
    """

    settings: dict[str, Any]
    lists: list[str]
    out: str
    command: str
    run_id: str | None = None
    new: bool = False
    monitor: bool = True

    @classmethod
    def of(
        cls,
        lane: Lane,
        settings: Settings,
        command: str,
        *,
        run_id: str | None = None,
        new: bool = False,
        monitor: bool = True,
    ) -> LaneRequest:
        """The request of a lane, which runs with these settings."""
        return cls(
            settings=_plain(settings),
            lists=[os.fspath(path) for path in lane.lists],
            out=os.fspath(lane.out),
            command=command,
            run_id=run_id,
            new=new,
            monitor=monitor,
        )

    def encoded(self) -> bytes:
        """The request as its line."""
        return msgspec.json.encode(self) + b"\n"


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """News of a lane; what is None, empty or False has not changed.

    Attributes:
        run_id: the name of the run, once it has one.
        doing: what it does, in a word or two.
        addresses: distinct addresses in its lists.
        answered: how many of them have an answer.
        per_second: answers per second.
        left_s: seconds until all have one; None if that is not known.
        text: all of this in one sentence.
        published: whether the run is published.
        rows: rows by outcome, and `read`, their sum; at the end.
        calls: calls by kind; at the end.
        achieved_per_s: calls started per second; at the end.
        sentence: why it stopped.
    """

    run_id: str | None = None
    doing: str = ""
    addresses: int = 0
    answered: int = 0
    per_second: float = 0.0
    left_s: float | None = None
    text: str = ""
    published: bool = False
    rows: dict[str, int] = msgspec.field(default_factory=dict)
    calls: dict[str, int] = msgspec.field(default_factory=dict)
    achieved_per_s: float | None = None
    sentence: str = ""


def read_request(descriptor: int) -> LaneRequest:
    """Read the request from standard input, and nothing after it.

    Raises:
        UsageError: there is none; somebody has typed the command.
    """
    content = b""
    with suppress(OSError):
        while not (os.isatty(descriptor) or content.endswith(b"\n") or len(content) >= _MOST_BYTES):
            if not (part := os.read(descriptor, 65_536)):
                break
            content += part
    try:
        return msgspec.json.decode(content, type=LaneRequest)
    except msgspec.DecodeError:
        raise UsageError(
            "lane is what run-all starts for each account; use run-all, with --only NAME for one."
        ) from None


def end_with_parent(descriptor: int) -> None:
    """Stop this process as SIGTERM does, in order, when the other end of the pipe is closed."""

    def wait() -> None:
        with suppress(OSError):
            while os.read(descriptor, 4_096):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


class Events:
    """Writes events to a pipe, as its lane's side of it.

    Args:
        descriptor: of the pipe.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()
        os.set_blocking(descriptor, False)

    def send(self, event: Event, *, surely: bool = False) -> None:
        """Send an event; one that is not sent `surely` is dropped rather than waited with, if nobody reads."""
        line = msgspec.json.encode(event) + b"\n"
        with self._lock, suppress(OSError):  # without a parent there is nobody to tell, and the lane is about to end
            os.set_blocking(self._descriptor, surely)
            while line:
                line = line[os.write(self._descriptor, line) :]


def decoded(line: bytes) -> Event | None:
    """The event of a line; None if it is none."""
    try:
        return msgspec.json.decode(line, type=Event)
    except msgspec.DecodeError:
        return None


def stopped_because(folder: Path, code: int) -> str:
    """What is known of a lane that ended without a word, with this exit code of a shell."""
    number = code - 128
    known = number in {*signal.Signals} and f"was killed by {signal.Signals(number).name}"
    return f"{folder}: its run {known or f'ended with exit code {code}'}; the same command resumes it."


def _plain(settings: Settings) -> dict[str, Any]:
    """All settings as plain values, secrets among them; what has no value is left out."""
    secrets = {key: getattr(settings, key).get_secret_value() for key in SECRETS}
    return {key: value for key, value in {**settings.public(), **secrets}.items() if value is not None}

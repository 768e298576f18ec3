"""Pings: a monitoring service is told of the start and the end, and raises the alarm if it does not hear of them.

`ping_url` speaks the protocol of Healthchecks (https://healthchecks.io/docs/http_api/): `/start`; `/0` to `/255` at the
end; `/log` for what changes no state; with `rid`, which ties an end to its start, and a text. The other URLs are
requested as they are, for services with a protocol of their own.
"""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode, urlsplit, urlunsplit

from pipeline.errors import ExitCode
from pipeline.reporters.ending import ReporterFailed
from pipeline.reporters.http import Reply, send, send_async
from pipeline.reporters.text import body, verdict

if TYPE_CHECKING:
    from pipeline.reporters.ending import Context, Ending
    from pipeline.settings import Settings

BODY_LIMIT = 10_000
"""Bytes that a service keeps of a text unless it says otherwise: those of a Healthchecks of one's own."""
_MAX_MESSAGE = 300
_PATIENCE_S = 5.0
"""Seconds that the end waits for the start, if that is still on its way."""


class StartPing:
    """Tells of the start from a thread, so that the run need not wait for it."""

    def __init__(self, context: Context, attempt_id: str) -> None:
        self._context, self._attempt_id = context, attempt_id
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._lock = threading.Lock()
        self._is_cancelled = False
        self._thread = threading.Thread(target=self._run, name="ping", daemon=True)
        self.body_limit = BODY_LIMIT
        self.failure: ReporterFailed | None = None

    def begin(self) -> None:
        """Send it."""
        self._thread.start()

    def end(self, patience_s: float) -> None:
        """Wait for it as long; then give it up, so that it does not arrive after the end."""
        self._thread.join(patience_s)
        with self._lock:
            self._is_cancelled = True
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _run(self) -> None:
        try:
            asyncio.run(self._send())
        except asyncio.CancelledError:
            self.failure = ReporterFailed("the start could not be told in time")
        except ReporterFailed as error:
            self.failure = error

    async def _send(self) -> None:
        with self._lock:
            if self._is_cancelled:
                return
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        try:
            settings = self._context.settings
            assert settings is not None  # noqa: S101 - the URLs come from there
            if url := settings.ping_url.get_secret_value():
                reply = await send_async(
                    _healthchecks(url, "start", self._attempt_id), self._context, b"", "text/plain"
                )
                self.body_limit = _body_limit(reply)
            if url := settings.ping_start_url.get_secret_value():
                await send_async(_filled(url, attempt_id=self._attempt_id), self._context, None, "")
        finally:
            with self._lock:
                self._loop = None


def is_wanted(settings: Settings) -> bool:
    """Whether there is anybody to tell of the end."""
    urls = settings.ping_url, settings.ping_start_url, settings.ping_success_url, settings.ping_failure_url
    return any(url.get_secret_value() for url in urls)


def report(ending: Ending, context: Context, start: StartPing | None = None) -> None:
    """Tell the services how it ended; `start` has told them, or tells them still, that it began.

    Raises:
        ReporterFailed: one of them could not be told.
    """
    settings = context.settings
    if settings is None:
        return
    if start is not None:
        start.end(min(_PATIENCE_S, context.deadline.left_s() / 3))
    failures = [start.failure] if start is not None and start.failure is not None else []
    requests: list[tuple[str, bytes | None]] = []
    if url := settings.ping_url.get_secret_value():
        text = cut(body(ending), start.body_limit if start else BODY_LIMIT)
        requests.append((_healthchecks(url, _signal(ending), ending.attempt_id), text))
    if url := _template(ending, settings):
        requests.append((_filled_by(url, ending), None))
    for address, content in requests:
        try:
            send(address, context, content, "text/plain; charset=utf-8")
        except ReporterFailed as error:
            failures.append(error)
    if failures:
        raise ReporterFailed("; ".join(dict.fromkeys(map(str, failures))))


def try_out(context: Context, attempt_id: str) -> None:
    """Send a text that changes no state, to see whether `ping_url` works.

    Raises:
        ReporterFailed: it does not.
    """
    assert context.settings is not None  # noqa: S101 - the URL comes from there
    url = context.settings.ping_url.get_secret_value()
    send(_healthchecks(url, "log", attempt_id), context, b"lead-export check: a test, nothing has run\n")


def cut(text: str, limit: int) -> bytes:
    """The text in UTF-8, of at most `limit` bytes and without half a character at its end."""
    encoded = text.encode(errors="replace")
    return encoded if len(encoded) <= limit else encoded[:limit].decode(errors="ignore").encode()


def _signal(ending: Ending) -> str:
    """What Healthchecks is told: `0` is success, other numbers are failures, and `log` changes nothing."""
    if ending.exit_code == ExitCode.BUSY:
        return "log"
    if ending.is_success:
        return "0"
    return str(ending.exit_code)


def _template(ending: Ending, settings: Settings) -> str:
    """The URL to request for this ending; "" if there is none."""
    if ending.exit_code == ExitCode.BUSY:
        return ""
    url = settings.ping_success_url if ending.is_success else settings.ping_failure_url
    return url.get_secret_value()


def _healthchecks(url: str, signal: str, attempt_id: str) -> str:
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode({"rid": attempt_id}))))
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{signal}", query=query))


def _filled_by(url: str, ending: Ending) -> str:
    message = f"{verdict(ending)} exit code {ending.exit_code}: {' '.join(ending.sentence.split())}"
    return _filled(
        url,
        exit_code=str(ending.exit_code),
        run_id=ending.run_id or "",
        message=message[:_MAX_MESSAGE],
        attempt_id=ending.attempt_id,
    )


def _filled(url: str, **values: str) -> str:
    """The URL with each word in braces replaced; what is not known yet becomes empty."""
    for name in ("exit_code", "run_id", "message", "attempt_id"):
        url = url.replace(f"{{{name}}}", quote(values.get(name, ""), safe=""))
    return url


def _body_limit(reply: Reply) -> int:
    """How many bytes of a text the service keeps; it says so in a header."""
    text = reply.headers.get("Ping-Body-Limit", "")
    return min(int(text), 1_000_000) if text.isascii() and text.isdigit() else BODY_LIMIT

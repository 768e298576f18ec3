"""Notifications of what has changed: a failure, a reminder while it goes on, and the recovery. A good night is silent.

`notified.json` beside the runs says that a failure was told, and when. Without it, as for a single file, every failure
is told.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from pipeline.errors import ExitCode
from pipeline.reporters.ending import ReporterFailed
from pipeline.reporters.history import Attempt
from pipeline.reporters.http import send
from pipeline.reporters.text import body

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.reporters.ending import Context, Ending
    from pipeline.settings import Settings

FILE = "notified.json"
_MS_PER_H = 3_600_000
_UNTOLD = (ExitCode.BUSY, ExitCode.INTERRUPTED)
"""Another run is at work, or a person has stopped this one: nobody has to be told."""


def is_wanted(settings: Settings) -> bool:
    """Whether there is anybody to tell."""
    return bool(settings.notify_urls.get_secret_value() or settings.notify_webhook.get_secret_value())


def report(ending: Ending, context: Context) -> None:
    """Tell of a failure, of one that goes on, and of the recovery.

    Raises:
        ReporterFailed: it could not be told; the next attempt tries again.
    """
    if context.settings is None or ending.exit_code in _UNTOLD:
        return
    file = context.state / FILE if context.state else None
    told_ms = _told_at_ms(file)
    status = _status(ending, told_ms, context.settings.notify_again_after_h)
    if status is None:
        return
    _tell(f"lead-export {context.name}: {status}", ending, context, status)
    if file is not None:
        with suppress(OSError):
            if ending.is_success:
                file.unlink(missing_ok=True)
            else:
                file.write_text(json.dumps({"told_at_ms": ending.ended_at_ms}), encoding="utf-8")


def _status(ending: Ending, told_ms: int | None, again_after_h: float) -> str | None:
    """What there is to tell; None if there is nothing."""
    if ending.is_success:
        return None if told_ms is None else "recovered"
    if told_ms is None:
        return f"failed (exit code {ending.exit_code})"
    is_due = again_after_h and ending.ended_at_ms - told_ms >= again_after_h * _MS_PER_H
    return f"still failing (exit code {ending.exit_code})" if is_due else None


def _told_at_ms(file: Path | None) -> int | None:
    """When a failure that goes on was told, milliseconds since 1970 UTC; None if all was well."""
    if file is None:
        return None
    try:
        return int(json.loads(file.read_bytes())["told_at_ms"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return 0  # a failure was told, but nobody knows when


def _tell(title: str, ending: Ending, context: Context, status: str) -> None:
    settings, failures = context.settings, []
    assert settings is not None  # noqa: S101 - the URLs come from there
    if url := settings.notify_webhook.get_secret_value():
        try:
            send(url, context, _json(title, ending, status), "application/json")
        except ReporterFailed as error:
            failures.append(f"notify_webhook: {error}")
    if urls := settings.notify_urls.get_secret_value():
        try:
            _tell_apprise(urls, title, body(ending))
        except ReporterFailed as error:
            failures.append(f"notify_urls: {error}")
    if failures:
        raise ReporterFailed("; ".join(failures))


def _json(title: str, ending: Ending, status: str) -> bytes:
    """What is posted; `text` is the key that Slack, Mattermost, Teams and others show."""
    content: dict[str, Any] = {
        "title": title,
        "status": status.partition(" (")[0],
        "text": f"{title}\n{body(ending)}",
        "attempt": msgspec.to_builtins(Attempt.of(ending)),
    }
    return msgspec.json.encode(content)


def _tell_apprise(urls: str, title: str, text: str) -> None:
    try:
        import apprise
    except ImportError:
        raise ReporterFailed("the extra is missing: pip install 'lead-export[notify]'") from None
    services = apprise.Apprise()
    if not services.add(urls):
        raise ReporterFailed("apprise does not understand one of them")
    if not services.notify(title=title, body=text, body_format=apprise.NotifyFormat.TEXT):
        raise ReporterFailed("a service could not be told")

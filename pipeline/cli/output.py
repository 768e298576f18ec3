"""Printing: results on standard output, messages and the log on standard error."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime

import click

from pipeline.errors import StorageError


class MessageFormat:
    """The format of messages on standard error: text, or JSON lines if `--log-format json` was given."""

    as_json = False


def json_line(time_s: float, level: str, logger: str, message: str) -> str:
    """One line of the JSON log; `time_s` is in seconds since 1970 UTC."""
    moment = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": moment, "level": level, "logger": logger, "message": message})


class JsonLines(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """Write time, level, logger and message."""
        return json_line(record.created, record.levelname.lower(), record.name, record.getMessage())


def set_up_log(*, verbose: int, quiet: bool, as_json: bool) -> None:
    """Send the package's log to standard error: warnings; with -v also what happens; with -vv every detail.

    Other libraries' log messages are dropped: they may contain addresses, and asyncio logs whole tracebacks.
    """
    MessageFormat.as_json = as_json
    logging.getLogger().addHandler(logging.NullHandler())
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if as_json else logging.Formatter("%(levelname)s: %(message)s"))
    logger = logging.getLogger("pipeline")
    logger.handlers[:] = [handler]
    logger.propagate = False
    logger.setLevel(logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)])


def print_message(level: str, message: str) -> None:
    """Print a message on standard error."""
    if MessageFormat.as_json:
        message = json_line(datetime.now(UTC).timestamp(), level, "lead-export", message)
    _print(message, err=True)


def print_result(text: str) -> None:
    """Print a result on standard output.

    Raises:
        StorageError: standard output is a file that cannot be written.
    """
    _print(text, err=False)


def print_json(value: object) -> None:
    """Print plain values or msgspec structs as indented JSON on standard output.

    Raises:
        StorageError: standard output is a file that cannot be written.
    """
    print_result(json.dumps(value, indent=2, default=_to_builtins))


def _to_builtins(value: object) -> object:
    import msgspec

    return msgspec.to_builtins(value)


def _print(text: str, *, err: bool) -> None:
    """Print `text` and a line feed.

    If the reader has gone (`lead-export schema | head -1`), the command continues as if it had read the rest. What
    cannot be printed on standard error is lost, because there is nowhere else to report it.
    """
    try:
        click.echo(text, err=err)
    except OSError as error:
        # Python still has the text buffered and would try to write it again, and complain, when the process exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if err else sys.stdout).fileno())
        if not err and not isinstance(error, BrokenPipeError):
            raise StorageError(f"Standard output: {error.strerror}.") from error


def duration(seconds: float) -> str:
    """A duration in words, such as `2 min 5 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"

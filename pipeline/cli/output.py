"""Printing: results on standard output, messages on standard error."""

from __future__ import annotations

import json
import sys
import traceback
from contextlib import suppress
from datetime import UTC, datetime

import click

from pipeline.cli.screen import above_last_line, discard
from pipeline.errors import StorageError


class MessageFormat:
    """The format of messages on standard error.

    Attributes:
        as_json: JSON lines instead of text: `--log-format json`.
        with_frames: the frames of an error before its sentence: `-vv`; those of a bug are always shown.
    """

    as_json = False
    with_frames = False


def json_line(time_s: float, level: str, logger: str, message: str) -> str:
    """One line of the JSON log; `time_s` is in seconds since 1970 UTC."""
    moment = datetime.fromtimestamp(time_s, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"time": moment, "level": level, "logger": logger, "message": message})


def print_message(level: str, message: str) -> None:
    """Print a message on standard error."""
    if MessageFormat.as_json:
        message = json_line(datetime.now(UTC).timestamp(), level, "lead-export", message)
    _print(message, err=True)


def pass_on(account: str, line: str) -> None:
    """Print on standard error what the process of an account has printed there, with the name of the account."""
    if MessageFormat.as_json:
        with suppress(ValueError):
            _print(json.dumps({**json.loads(line), "account": account}), err=True)
            return
    _print(f"{account}: {line.removeprefix('lead-export: ')}", err=True)


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
        with above_last_line():
            click.echo(text, err=err)
    except OSError as error:
        discard(sys.stderr if err else sys.stdout)
        if not err and not isinstance(error, BrokenPipeError):
            raise StorageError(not_printed(error)) from error


def not_printed(error: OSError) -> str:
    """That standard output cannot be written, and why."""
    return f"Standard output: {error.strerror}."


def is_of_output(error: OSError) -> bool:
    """Whether printing failed: click prints help and version itself."""
    return any(frame.f_code is click.echo.__code__ for frame, _ in traceback.walk_tb(error.__traceback__))

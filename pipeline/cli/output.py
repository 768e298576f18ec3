"""Text for whoever reads along; that a reader has gone, or that there is no room for it, is settled here."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime

import click

from pipeline.errors import StorageError


class Voice:
    """How this process speaks on standard error: lines for people, or JSON lines where the log is JSON too."""

    as_json = False


def say(level: str, message: str) -> None:
    """Say something on standard error, once the log's format is known in that."""
    if Voice.as_json:
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        message = json.dumps({"time": moment, "level": level, "logger": "lead-export", "message": message})
    write(message, err=True)


def write(text: str, *, err: bool = False) -> None:
    """Print `text` and a line feed on standard output, or on standard error.

    A reader who has gone (`lead-export schema | head -1`) had what it wanted: the command and its exit code go on as if
    it had read the rest. What cannot be said on standard error is lost, because there is nowhere else to say it.

    Raises:
        StorageError: standard output is a file that cannot be written.
    """
    try:
        click.echo(text, err=err)
    except OSError as error:
        # Python still holds the text, and would try once more, and complain, when the process exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), (sys.stderr if err else sys.stdout).fileno())
        if not err and not isinstance(error, BrokenPipeError):
            raise StorageError(f"Standard output: {error.strerror}.") from error

"""Text for whoever reads along; that a reader has gone, or that there is no room for it, is settled here."""

from __future__ import annotations

import os
import sys

import click

from pipeline.errors import StorageError


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

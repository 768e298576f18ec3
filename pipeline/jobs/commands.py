"""The command lines that runs record: what a person would type to resume them, or whatever a program calls itself."""

from __future__ import annotations

import shlex


def words_of(command: str) -> list[str] | None:
    """The words of a command as a shell reads them; None if it cannot be one, as with a quote that stays open."""
    try:
        return None if "\0" in command else shlex.split(command)
    except ValueError:
        return None


def command_again(command: str) -> str:
    """The command that asks again for the rows that failed; "" if the job was started from Python.

    What is not a shell's command stays as it is: it names a program that knows what to call.
    """
    words = words_of(command)
    return f"{command} --force" if words and "--force" not in words else command

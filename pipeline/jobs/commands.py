"""The command lines that runs record: what a person would type to resume them, or whatever a program calls itself."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.filesystem import current_folder

if TYPE_CHECKING:
    from pipeline.journal.replay import JournalSummary


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


def command_from_here(run: JournalSummary) -> str | None:
    """The command that resumes a run, or asks again for what failed in it, from the current folder; None if unknown."""
    if not run.run.command:
        return None
    command = command_again(run.run.command) if run.written else run.run.command
    elsewhere = run.run.folder and Path(run.run.folder) != current_folder()
    return f"cd {shlex.quote(run.run.folder)} && {command}" if elsewhere else command

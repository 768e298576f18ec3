"""`enrich` from Python while rows have failed: what is kept, for whom, for how long, and what is said about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from jobs_lists import settings, write_list

import pipeline
from pipeline.cli.resuming import given_by
from pipeline.jobs.commands import command_again, words_of
from pipeline.journal.records import RunRecord
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EMAILS = ["ann@example.com", "unknown-error@example.com", "bob@example.com", "unknown-error.b@example.com"]
NOT_COMMANDS = ["nightly job of Ada's team", 'the "weekly one', "ends with \\", "run Ada's list", "run 'a\0b'", "run\0"]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[RunningSandbox]:
    """One sandbox for all tests of this file."""
    with running(SandboxOptions(limit_per_s=0)) as started:
        yield started


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list of which two rows fail."""
    return write_list(tmp_path / "people.txt", EMAILS)


@pytest.mark.parametrize("command", NOT_COMMANDS)
def test_what_is_no_shell_command_has_no_words(command: str) -> None:
    """It stays as it is, and lacks nothing that could be looked for."""
    assert words_of(command) is None
    assert command_again(command) == command
    assert given_by(RunRecord("a", 1, "{}", command)) is None


@pytest.mark.parametrize(
    ("command", "again"),
    [
        ("lead-export enrich 'a b.csv'", "lead-export enrich 'a b.csv' --force"),
        ("lead-export enrich --force a.csv", "lead-export enrich --force a.csv"),
        ("", ""),
        (" ", " "),
    ],
)
def test_a_command_gets_force_once(command: str, again: str) -> None:
    """So that it replaces the file with the failed rows."""
    assert command_again(command) == again


@pytest.mark.parametrize("command", NOT_COMMANDS[:2])
def test_any_name_will_do_for_the_caller(sandbox: RunningSandbox, people: Path, tmp_path: Path, command: str) -> None:
    """A `command` that no shell takes is shown as it is, by the manifest and by `status`."""
    done = pipeline.enrich(settings(sandbox.url), people, tmp_path / "out.csv", command=command)
    assert (done.status, done.resume) == ("complete_with_failures", command)
    (shown,) = pipeline.status(tmp_path).unfinished
    assert (shown.command, shown.file) == (command, "out.csv")

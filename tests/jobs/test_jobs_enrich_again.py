"""`enrich` from Python while rows have failed: what is kept, for whom, for how long, and what is said about it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobs_lists import settings, write_list

import pipeline
from pipeline.cli.resuming import given_by
from pipeline.errors import StopRun, UsageError
from pipeline.jobs.commands import command_again, words_of
from pipeline.jobs.kept_hours import KEPT_H
from pipeline.journal.records import RunRecord
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Iterator

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


def older(out: Path, hours: float) -> None:
    """Make everything that is kept for a file that much older."""
    (journal,) = out.parent.glob(f".{out.name}.*/*.journal")
    with closing(sqlite3.connect(journal)) as db, db:
        for table, column in (("written", "first_at_ms"), ("written", "last_at_ms"), ("run", "started_at_ms")):
            db.execute(f"UPDATE {table} SET {column} = {column} - ?", (int(hours * 3_600_000),))  # noqa: S608 - these


def stop(people: Path, out: Path) -> None:
    """Ask again at an API that cannot be reached."""
    with pytest.raises(StopRun):
        pipeline.enrich(settings(outage_patience_s=0), people, out, force=True)


def kept(out: Path) -> list[Path]:
    """What is beside an output, whatever its name."""
    return sorted(path for path in out.parent.iterdir() if path.name.startswith(f".{out.name}"))


def test_an_interrupted_second_attempt_changes_nothing(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """The file stays written: `status` says since when and until when, and the next attempt asks for the rest."""
    out = tmp_path / "out.csv"
    until = pipeline.enrich(settings(sandbox.url), people, out).kept_until
    assert until is not None
    before = pipeline.status(tmp_path).unfinished[0]
    stop(people, out)
    (after,) = pipeline.status(tmp_path).unfinished
    assert (after.written_at, after.kept_until) == (before.written_at, before.kept_until)
    assert (after.kept_until or "")[:19] == until[:19]
    assert (before.stopped_at, after.stopped_at is None) == (None, False)
    assert pipeline.enrich(settings(sandbox.url), people, out, force=True).calls.resumed == 2


def test_after_an_interrupted_second_attempt_another_list_may_come(
    sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """It is not refused, and what was kept goes: only an unfinished file is in the way of another list."""
    out, other = tmp_path / "out.csv", write_list(tmp_path / "other.txt", ["dan@example.com"])
    pipeline.enrich(settings(sandbox.url), people, out)
    stop(people, out)
    assert pipeline.enrich(settings(sandbox.url), other, out, force=True).status == "complete"
    assert kept(out) == []


@pytest.mark.parametrize(("hours", "resumed"), [(23.9, 2), (24.1, 0)])
@pytest.mark.parametrize("stopped", [False, True])
def test_answers_are_used_for_a_day_all_or_none(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, hours: float, resumed: int, stopped: bool
) -> None:
    """From the first writing of the file, also where an attempt has stopped since, or was written again since."""
    out = tmp_path / "out.csv"
    pipeline.enrich(settings(sandbox.url), people, out)
    older(out, hours - 1)
    if stopped:
        stop(people, out)
    else:
        again = pipeline.enrich(settings(sandbox.url), people, out, force=True)
        assert again.calls.resumed == 2
    older(out, 1)
    assert pipeline.enrich(settings(sandbox.url), people, out, force=True).calls.resumed == resumed


def test_old_answers_go_though_an_attempt_was_interrupted(
    sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """The next enrich into the folder removes them."""
    out = tmp_path / "out.csv"
    pipeline.enrich(settings(sandbox.url), people, out)
    stop(people, out)
    older(out, 24.1)
    pipeline.enrich(settings(sandbox.url), write_list(tmp_path / "b.txt", ["dan@example.com"]), tmp_path / "b.csv")
    assert kept(out) == []


BAD_LISTS = {
    "empty.csv": "",
    "nobody.csv": "email\nnobody\n",
    "header.csv": "email\n",
    "names.csv": "name,age\nann,3\n",
}


@pytest.mark.parametrize("name", [*BAD_LISTS, "missing.csv", "enriched.csv"])
def test_a_bad_list_costs_no_answer(sandbox: RunningSandbox, people: Path, tmp_path: Path, name: str) -> None:
    """Where another list is refused, what is kept for the file stays."""
    out, bad = tmp_path / "out.csv", tmp_path / name
    pipeline.enrich(settings(sandbox.url), people, out)
    if name in BAD_LISTS:
        bad.write_text(BAD_LISTS[name], encoding="utf-8")
    elif name == "enriched.csv":
        bad.write_text("email,lead_outcome,lead_id\nann@example.com,found,1\n", encoding="utf-8")
    with pytest.raises(UsageError):
        pipeline.enrich(settings(sandbox.url), bad, out, force=True)
    assert pipeline.enrich(settings(sandbox.url), people, out, force=True).calls.resumed == 2


@pytest.mark.parametrize("name", [*BAD_LISTS, "missing.csv"])
@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".parquet"])
def test_a_failed_start_leaves_nothing(sandbox: RunningSandbox, tmp_path: Path, name: str, suffix: str) -> None:
    """No hidden folder and no lock beside the output."""
    bad = tmp_path / name
    if name in BAD_LISTS:
        bad.write_text(BAD_LISTS[name], encoding="utf-8")
    with pytest.raises(UsageError):
        pipeline.enrich(settings(sandbox.url), bad, tmp_path / f"out{suffix}")
    assert kept(tmp_path / f"out{suffix}") == []


def test_the_age_of_a_written_file_is_not_that_of_an_unfinished_run(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning that answers are of another day says that only what failed is asked for."""
    out = tmp_path / "out.csv"
    pipeline.enrich(settings(sandbox.url), people, out)
    older(out, 14)
    caplog.clear()
    pipeline.enrich(settings(sandbox.url), people, out, force=True)
    (said,) = [record.getMessage() for record in caplog.records if "14 hours" in record.getMessage()]
    assert "unfinished" not in said
    assert "failed" in said


def test_the_documentation_says_for_how_long() -> None:
    """The guide names the hours that the code counts."""
    guide = (Path(__file__).parents[2] / "docs/enrich.md").read_text(encoding="utf-8")
    assert f"used again for {KEPT_H} hours from when the file was first written" in guide

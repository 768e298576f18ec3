"""Which run it is: whether a stopped one goes on, and what becomes of journals."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jobs_lists import settings, write_list

from pipeline.emails.reader import EmailList
from pipeline.errors import UsageError
from pipeline.files.folder import OutputFolder
from pipeline.jobs.runs import open_run, subject, tidy_up

if TYPE_CHECKING:
    from pipeline.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    """An output folder that is ready."""
    made = OutputFolder(tmp_path / "out")
    made.prepare()
    return made


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """A list with one address."""
    return write_list(tmp_path / "people.txt", ["ann@example.com"])


def opened(
    folder: OutputFolder,
    *lists: Path,
    wanted: str | None = None,
    resume: bool = True,
    chosen: Settings | None = None,
) -> str:
    """Open a run over the lists and leave it unfinished; return its name."""
    sources = [EmailList(path) for path in lists]
    with open_run(folder, sources, chosen or settings(), wanted=wanted, resume=resume) as journal:
        return journal.run().run_id


def test_a_stopped_run_over_the_same_lists_goes_on(folder: OutputFolder, people: Path) -> None:
    """Without a name the same command takes up the run that it began."""
    assert opened(folder, people, wanted="first") == opened(folder, people) == "first"


def test_of_two_stopped_runs_the_newer_goes_on_and_either_by_name(folder: OutputFolder, people: Path) -> None:
    """The later name counts as newer; --run-id takes up the one it names."""
    names = [opened(folder, people, wanted=name, resume=False) for name in ("1-old", "2-new")]
    assert opened(folder, people) == names[1]
    assert opened(folder, people, wanted="1-old") == names[0]


def test_new_does_not_go_on(folder: OutputFolder, people: Path) -> None:
    """With --new a run of its own begins, under a name of its own."""
    assert opened(folder, people, wanted="first") != opened(folder, people, resume=False)


def test_other_lists_are_another_run(folder: OutputFolder, people: Path, tmp_path: Path) -> None:
    """Another content, and the same lists in another order, are another job."""
    other = write_list(tmp_path / "other.txt", ["bob@example.com"])
    names = [opened(folder, *lists) for lists in ([people], [other], [people, other], [other, people])]
    assert len(set(names)) == 4


@pytest.mark.parametrize(
    "changed",
    [
        settings("https://app.kartra.com/api"),
        settings(app_id="another"),
        settings(email_column="1"),
    ],
    ids=["api", "app", "column"],
)
def test_another_subject_is_another_run(folder: OutputFolder, people: Path, changed: Settings) -> None:
    """A rehearsal never goes on as a real run, one App's run not as another's, one column's not as another's."""
    assert opened(folder, people) != opened(folder, people, chosen=changed)


def test_two_sandboxes_are_the_same_subject() -> None:
    """The port of a simulated API changes every time, and means nothing."""
    assert subject(settings("http://127.0.0.1:1/api")) == subject(settings("http://127.0.0.1:2/api"))


def test_the_subject_does_not_tell_the_app_id() -> None:
    """The App id stands in the journal as a hash only."""
    assert "4711-app" not in subject(settings(app_id="4711-app"))


def test_a_damaged_journal_is_left_alone(folder: OutputFolder, people: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is no journal stops nobody; it stays, and a warning names it."""
    damaged = folder.journal("damaged")
    damaged.write_bytes(b"\0" * 5_000)
    assert opened(folder, people) != "damaged"
    assert damaged.exists()
    assert [str(damaged) in record.getMessage() for record in caplog.records] == [True]


def test_a_name_of_another_stopped_run_is_taken(folder: OutputFolder, people: Path, tmp_path: Path) -> None:
    """--run-id of a stopped run over other lists is an error, and leaves that run as it is."""
    opened(folder, people, wanted="mine")
    other = write_list(tmp_path / "other.txt", ["bob@example.com"])
    with pytest.raises(UsageError, match="another stopped run"):
        opened(folder, other, wanted="mine")
    assert opened(folder, people) == "mine"
    assert not folder.incoming().exists()


def test_a_journal_of_a_published_run_is_cleared_away(folder: OutputFolder, people: Path) -> None:
    """One that a kill right after publishing left behind is never taken up again, and `latest` is switched."""
    opened(folder, people, wanted="done")
    folder.run("done").mkdir()
    assert opened(folder, people) != "done"
    assert not folder.journal("done").exists()
    assert folder.latest.readlink() == Path("run=done")


def test_a_published_run_replaces_older_stopped_ones_about_the_same(
    folder: OutputFolder, people: Path, tmp_path: Path
) -> None:
    """After --new has published, older answers to the same list are not taken up by the next run."""
    other = write_list(tmp_path / "other.txt", ["bob@example.com"])
    opened(folder, people, wanted="old")
    opened(folder, other, wanted="other")
    with open_run(folder, [EmailList(people)], settings(), wanted="new", resume=False) as journal:
        tidy_up(folder, journal, replaced=True)
    assert folder.journals() == [folder.journal("other")]


def test_what_a_killed_run_has_staged_is_cleared_away(folder: OutputFolder, people: Path) -> None:
    """Half a run that was never published does not stay behind with its leads in it."""
    staged = folder.root / ".lead-export" / "killed.staging"
    staged.mkdir()
    (staged / "leads.csv").write_text("half")
    opened(folder, people)
    assert not staged.exists()


def test_what_a_new_run_leaves_behind_is_mentioned(
    folder: OutputFolder, people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A stopped run over other lists is named; one that --new replaces is not, because it will be gone."""
    opened(folder, write_list(tmp_path / "other.txt", ["bob@example.com"]), wanted="other")
    opened(folder, people, wanted="mine")
    caplog.clear()
    opened(folder, people, resume=False)
    assert [record.getMessage().partition(" with ")[0] for record in caplog.records] == ["The stopped run other"]

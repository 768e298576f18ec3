"""Which run a command is: when a stopped one is resumed, and what happens to journals."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jobs_lists import settings, write_list

from pipeline.emails.lists import EmailList
from pipeline.errors import ExitCode, StorageError, UsageError
from pipeline.files.folder import OutputFolder
from pipeline.jobs.call_facts import CallRate, CallTotals, Speed
from pipeline.jobs.finished import finish_published, remove_journals
from pipeline.jobs.import_lists import import_lists
from pipeline.jobs.manifest import Manifest, Tool
from pipeline.jobs.manifest_counts import RowCounts
from pipeline.jobs.plan import plan
from pipeline.jobs.request import Request, subject
from pipeline.jobs.runs import open_run
from pipeline.jobs.status import status
from pipeline.journal.records import RunRecord
from pipeline.journal.replay import JournalSummary, read_summary
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome, iso, now_ms

if TYPE_CHECKING:
    from pipeline.settings import Settings


@pytest.fixture
def folder(tmp_path: Path) -> OutputFolder:
    """An output folder that is ready."""
    made = OutputFolder(tmp_path / "out")
    made.state.check_writable()
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
    command: str = "lead-export run people.txt",
    answers: int = 1,
) -> str:
    """Open a run over the lists, answer one more address if one is open, and leave it unfinished; give its name."""
    sources, chosen = [EmailList(path) for path in lists], chosen or settings()
    request = Request.of(folder.state, sources, chosen, run_id=wanted, resume=resume, command=command)
    assert finish_published(folder, request) is None
    with open_run(folder.state, sources, chosen, request, output=folder) as journal:
        for _ in range(answers):
            asyncio.run(answer_one(journal))
        return journal.summary().run.run_id


def summary(path: Path) -> JournalSummary:
    """The summary of a journal that has one."""
    seen = read_summary(path)
    assert seen is not None
    return seen


async def answer_one(journal: Journal) -> None:
    """Answer the first open address, if there is one."""
    for number, email in itertools.islice(journal.pending(), 1):
        await journal.append(number, Answer(email, Outcome.NOT_FOUND))
    await journal.flush()


def test_a_stopped_run_over_the_same_lists_goes_on(folder: OutputFolder, people: Path) -> None:
    """Without a name the same command takes up the run that it began."""
    assert opened(folder, people, wanted="first") == opened(folder, people) == "first"


def test_the_command_of_a_run_is_the_last_that_was_given(folder: OutputFolder, people: Path) -> None:
    """Whoever resumes it with other options is told these from then on, not those of the first attempt."""
    journal = folder.state.journal(opened(folder, people))
    assert summary(journal).run.command == "lead-export run people.txt"
    for command in ("lead-export run people.txt --format csv", ""):
        assert folder.state.journal(opened(folder, people, command=command)) == journal
        assert summary(journal).run.command == command


def test_of_two_stopped_runs_the_newer_goes_on_and_either_by_name(folder: OutputFolder, people: Path) -> None:
    """The later name counts as newer; --run-id takes up the one it names."""
    names = [opened(folder, people, wanted=name, resume=False) for name in ("1-old", "2-new")]
    assert opened(folder, people) == names[1]
    assert opened(folder, people, wanted="1-old") == names[0]


def test_new_does_not_go_on(folder: OutputFolder, people: Path) -> None:
    """With --new a run of its own begins, under a name of its own."""
    assert opened(folder, people, wanted="first") != opened(folder, people, resume=False)


def refusal(folder: OutputFolder, *lists: Path, **how: object) -> str:
    """The message with which a command is refused because of an unfinished run."""
    with pytest.raises(UsageError) as caught:
        opened(folder, *lists, **how)  # type: ignore[arg-type]  # as `opened` takes them
    return str(caught.value)


def notice(caplog: pytest.LogCaptureFixture) -> str:
    """The one notice since this was asked for last."""
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    caplog.clear()
    return record.getMessage()


def test_a_run_over_other_lists_is_taken_over(
    folder: OutputFolder, people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fewer lists, another order, changed content: one notice says what differs, whose answers are taken, and how many.

    Addresses that are in the new lists are not asked for again, and the older journal goes with the new one.
    """
    other, third = (write_list(tmp_path / f"{name}.txt", [f"{name}@example.com"]) for name in ("other", "third"))
    opened(folder, people, other, wanted="mine", answers=2)
    first = opened(folder, people, answers=0)
    said = notice(caplog)
    assert [fact for fact in ("other.txt was among", "mine", "takes over its 2 answers") if fact not in said] == []
    assert summary(folder.state.journal(first)).carried == 1
    assert (summary(folder.state.journal(first)).to_ask, len(folder.state.journals())) == (0, 2)
    assert summary(folder.state.journal(opened(folder, other, people))).carried == 2
    assert "order" in notice(caplog)
    people.write_text("dan@example.com\n")
    second = opened(folder, people, other, third)
    said = notice(caplog)
    facts = ("people.txt has changed", "1 row)", "third.txt was not among", "mine")
    assert ([fact for fact in facts if fact not in said], "other.txt" in said) == ([], False)
    now = summary(folder.state.journal(second))
    assert (now.addresses, now.carried, now.answered, now.to_ask) == (3, 1, 1, 1)
    with Journal.open(now.path) as journal:
        remove_journals(folder.state, journal)
    assert folder.state.journals() == []


def test_a_list_given_twice_is_not_the_list_given_once(
    folder: OutputFolder, people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The number of times that a list is passed counts."""
    opened(folder, people, people, wanted="mine")
    opened(folder, people)
    assert "number of times" in notice(caplog)


def test_what_a_run_takes_over_is_not_lost_before_that_is_published(
    folder: OutputFolder, people: Path, tmp_path: Path
) -> None:
    """A second change of the list, before anything is published, takes over both runs."""
    both = write_list(tmp_path / "both.txt", ["bob@example.com", "ann@example.com"])
    opened(folder, people, wanted="mine")
    opened(folder, both)
    third = opened(folder, write_list(tmp_path / "all.txt", [f"{name}@example.com" for name in ("ann", "eve", "bob")]))
    assert (summary(folder.state.journal(third)).carried, len(folder.state.journals())) == (2, 3)
    with Journal.open(folder.state.journal(third)) as journal:
        remove_journals(folder.state, journal)
    assert folder.state.journals() == []


def test_later_runs_are_not_forgotten(folder: OutputFolder, people: Path, tmp_path: Path) -> None:
    """A run that replaces others forgets those that were unfinished when it began, and none that began after it."""
    first = opened(folder, people, resume=False)
    time.sleep(0.002)
    opened(folder, write_list(tmp_path / "other.txt", ["bob@example.com"]), wanted="later")
    with Journal.open(folder.state.journal(first)) as journal:
        remove_journals(folder.state, journal)
    assert folder.state.journals() == [folder.state.journal("later")]


def test_another_run_of_the_same_name_is_not_taken_for_published(folder: OutputFolder, people: Path) -> None:
    """A published run that began at another time says nothing about a journal of its name."""
    opened(folder, people, wanted="mine")
    manifest = {"run_id": "mine", "manifest_version": 1, "started_at": "2020", "finished_at": "2020"}
    with folder.staging("mine") as staging:
        folder.publish(staging, "mine", {**manifest, "rows": {}, "tables": {}})
    assert finish_published(folder, Request.of(folder.state, [EmailList(people)], settings())) is None
    assert folder.state.journals() == [folder.state.journal("mine")]


def test_a_run_without_an_answer_is_in_nobodys_way(folder: OutputFolder, people: Path) -> None:
    """If nothing was answered, a changed list starts another run, and this one is removed."""
    request = Request.of(folder.state, [EmailList(people)], settings())
    with open_run(folder.state, [EmailList(people)], settings(), request) as journal:
        assert journal.summary().answered == 0
    people.write_text("bob@example.com\n")
    run_id = opened(folder, people)
    assert folder.state.journals() == [folder.state.journal(run_id)]
    assert summary(folder.state.journal(run_id)).answered == 1


def test_a_moved_list_is_the_same(folder: OutputFolder, people: Path) -> None:
    """A run is known by what its lists hold; a list that has another name now is called by that."""
    first = opened(folder, people)
    moved = people.rename(people.with_name("moved.txt"))
    assert opened(folder, moved) == first
    assert [entry.name for entry in summary(folder.state.journal(first)).lists] == ["moved.txt"]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (settings("https://app.kartra.com/api"), "api_url was loopback and is https://app.kartra.com/api"),
        (settings(app_id="another"), "another App id"),
    ],
    ids=["api", "app"],
)
def test_another_subject_is_another_run(folder: OutputFolder, people: Path, changed: Settings, words: str) -> None:
    """A run against the sandbox is never resumed as a real one, nor one App's as another's, nor are answers mixed."""
    opened(folder, people, wanted="mine")
    refused = refusal(folder, people, chosen=changed)
    facts = (words, "mine", "1 of 1 address", "'lead-export run people.txt'", "--new")
    assert [fact for fact in facts if fact not in refused] == []
    chosen = changed.model_copy(update={"unfinished": "replace"})
    assert summary(folder.state.journal(opened(folder, people, chosen=chosen, answers=0))).carried == 0
    assert "another" not in folder.state.journals()[0].read_bytes().decode(errors="replace")


def test_an_unattended_job_can_be_told_to_replace(folder: OutputFolder, people: Path) -> None:
    """With unfinished = replace the same takes up the same, and something else begins and replaces what was there."""
    chosen = settings(unfinished="replace")
    first = opened(folder, people, chosen=chosen)
    assert opened(folder, people, chosen=chosen) == first
    people.write_text("bob@example.com\n")
    second = opened(folder, people, chosen=chosen)
    assert second != first
    with Journal.open(folder.state.journal(second)) as journal:
        remove_journals(folder.state, journal)
    assert folder.state.journals() == []


def test_two_sandboxes_are_the_same_subject() -> None:
    """The port of a simulated API changes every time, and means nothing."""
    assert subject(settings("http://127.0.0.1:1/api")) == subject(settings("http://127.0.0.1:2/api"))


def test_the_subject_does_not_tell_the_app_id() -> None:
    """The App id is stored in the journal as a hash only."""
    assert "4711-app" not in subject(settings(app_id="4711-app"))


@pytest.mark.parametrize("content", [b"\0" * 5_000, b"no journal"])
def test_a_damaged_journal_is_refused(folder: OutputFolder, people: Path, content: bytes) -> None:
    """It may be the very run that is to go on: nothing begins before somebody has decided; --new is offered."""
    damaged = folder.state.journal("damaged")
    damaged.write_bytes(content)
    with pytest.raises(StorageError, match=rf"^{damaged}: .*--new") as caught:
        opened(folder, people)
    assert caught.value.exit_code == ExitCode.STORAGE
    assert damaged.read_bytes() == content


def test_what_a_killed_import_left_is_removed(folder: OutputFolder, people: Path) -> None:
    """At whatever step it was killed, there is no run to resume and none in the way, not even of the same name."""
    folder.state.journal("empty").touch()
    Journal.create(folder.state.journal("tables")).close()
    Journal.create(folder.state.journal("mine")).close()
    assert opened(folder, people, wanted="mine") == "mine"
    assert folder.state.journals() == [folder.state.journal("mine")]
    assert summary(folder.state.journal("mine")).answered == 1


def test_an_import_is_not_an_unfinished_run_to_others(folder: OutputFolder, people: Path) -> None:
    """While lists are imported `status` shows no run, and `plan` finds none that would be in the way."""
    Journal.create(folder.state.journal("now")).close()
    assert status(folder.root).unfinished == []
    assert plan(settings(), [people], folder.root).refused is None
    assert folder.state.journals() == [folder.state.journal("now")]


def test_damage_inside_is_refused(folder: OutputFolder, people: Path) -> None:
    """A journal is checked completely before it is resumed."""
    run_id = opened(folder, people)
    content = bytearray(folder.state.journal(run_id).read_bytes())
    content[len(content) // 2 :] = b"\xa5" * (len(content) - len(content) // 2)
    folder.state.journal(run_id).write_bytes(content)
    with pytest.raises(StorageError, match=rf"^{folder.state.journal(run_id)}: .*--new"):
        opened(folder, people)
    assert summary(folder.state.journal(opened(folder, people, resume=False))).answered == 1


def test_new_puts_a_damaged_journal_aside(folder: OutputFolder, people: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With --new it is kept under another name, which the log has, and is in nobody's way."""
    damaged = folder.state.journal("damaged")
    damaged.write_bytes(b"no journal")
    run_id = opened(folder, people, resume=False)
    assert damaged.with_name("damaged.journal.unreadable").read_bytes() == b"no journal"
    assert "damaged.journal.unreadable" in caplog.text
    assert opened(folder, people) == run_id


def test_a_damaged_journal_is_in_the_way_of_its_own_name_only(folder: OutputFolder, people: Path) -> None:
    """A named run starts next to it."""
    folder.state.journal("damaged").write_bytes(b"no journal")
    assert opened(folder, people, wanted="mine") == "mine"
    with pytest.raises(StorageError):
        opened(folder, people, wanted="damaged")


def test_another_column_of_the_same_list_is_another_run(folder: OutputFolder, people: Path) -> None:
    """What it asks for is not the same, but answers are answers."""
    first = opened(folder, people)
    second = opened(folder, people, chosen=settings(email_column="1"))
    assert (second != first, summary(folder.state.journal(second)).carried) == (True, 1)


def test_a_named_run_over_another_list_takes_the_place_of_the_one_before(
    folder: OutputFolder, people: Path, tmp_path: Path
) -> None:
    """Its journal gives way and is kept until the new run is published; with --new the name has to be another."""
    opened(folder, people, wanted="mine")
    other = write_list(tmp_path / "other.txt", ["bob@example.com", "ann@example.com"])
    with pytest.raises(UsageError, match="--run-id mine"):
        opened(folder, other, wanted="mine", resume=False)
    assert [entry.name for entry in summary(folder.state.journal("mine")).lists] == ["people.txt"]
    assert opened(folder, other, wanted="mine") == opened(folder, other, wanted="mine") == "mine"
    assert [path.name for path in folder.state.journals()] == ["mine.earlier.journal", "mine.journal"]
    now = summary(folder.state.journal("mine"))
    assert (now.carried, now.answered, now.to_ask) == (1, 1, 0)
    with Journal.open(now.path) as journal:
        remove_journals(folder.state, journal)
    assert folder.state.journals() == []


def published(folder: OutputFolder, run_id: str, finished_at: str = "2026") -> Manifest:
    """Publish the run of this name, whose journal is there if it has one, and return its manifest."""
    path = folder.state.journal(run_id)
    manifest = Manifest(
        manifest_version=1,
        run_id=run_id,
        status="complete",
        tool=Tool("lead-export", "0.1.0"),
        started_at=iso(summary(path).run.started_at_ms) if path.exists() else "2026",
        finished_at=finished_at,
        duration_s=1.0,
        input=[],
        rows=RowCounts.of({}),
        calls=CallTotals(0, 0, 0, 0, 0, 0),
        rate=CallRate(18.0, 0.0),
        speed=Speed(None, {}),
        settings={},
        tables={},
    )
    with folder.staging(run_id) as staging:
        folder.publish(staging, run_id, manifest.to_dict())
    folder.switch_latest_to(run_id)
    return manifest


@pytest.mark.parametrize("how", [{}, {"resume": False}, {"run_id": "other"}])
def test_a_night_is_not_skipped_because_the_one_before_was_killed_while_it_tidied_up(
    folder: OutputFolder, people: Path, caplog: pytest.LogCaptureFixture, how: dict[str, Any]
) -> None:
    """A kill right after publishing leaves the journal behind: the next run tidies up, says so, and asks anew."""
    opened(folder, people, wanted="done")
    published(folder, "done")
    folder.latest.link.unlink()
    request = Request.of(folder.state, [EmailList(people)], settings(), **how)
    assert finish_published(folder, request) is None
    assert (folder.state.journals(), folder.latest.link.readlink()) == ([], Path("run=done"))
    assert [record.levelname for record in caplog.records if "done" in record.getMessage()] == ["WARNING"]
    assert opened(folder, people) != "done"


def test_a_run_that_is_published_already_and_asked_for_by_name_has_nothing_left_to_do(
    folder: OutputFolder, people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """--run-id names one run, not that of each night: the same command tidies up, says so, and asks nobody again."""
    opened(folder, people, wanted="done")
    manifest = published(folder, "done")
    request = Request.of(folder.state, [EmailList(people)], settings(), run_id="done")
    assert finish_published(folder, request) == manifest
    assert (folder.state.journals(), "done" in caplog.text) == ([], True)
    assert finish_published(folder, request) is None


def test_a_plan_does_not_count_answers_of_a_published_run(folder: OutputFolder, people: Path) -> None:
    """Nor is it refused for them, if the list is another now."""
    opened(folder, people, wanted="done")
    assert plan(settings(), [people], folder.root).to_ask == 0
    published(folder, "done")
    assert plan(settings(), [people], folder.root).to_ask == 1
    people.write_text("bob@example.com\n")
    assert plan(settings(), [people], folder.root).refused is None


def test_latest_is_not_switched_back_by_tidying_up(folder: OutputFolder, people: Path) -> None:
    """A run that was published later stays the newest."""
    opened(folder, people, wanted="done")
    published(folder, "done")
    published(folder, "later", finished_at="2027")
    assert finish_published(folder, Request.of(folder.state, [EmailList(people)], settings())) is None
    assert folder.latest.link.readlink() == Path("run=later")


def of_hours_ago(folder: OutputFolder, people: Path, hours: float, *, answers: int = 1) -> None:
    """An unfinished run of that age, called `night`, with answers as old."""
    started = now_ms() - round(hours * 3_600_000)
    run = RunRecord("night", started, subject(settings()))
    with import_lists([EmailList(people)], folder.state.journal("night"), run) as journal:
        asyncio.run(answer_first(journal, answers, at_ms=started))


async def answer_first(journal: Journal, count: int, *, at_ms: int) -> None:
    """Answer that many open addresses, in the past."""
    for number, email in itertools.islice([*journal.pending()], count):
        await journal.append(number, Answer(email, Outcome.NOT_FOUND, answered_at_ms=at_ms))
    await journal.flush()


@pytest.mark.parametrize(("hours", "level"), [(1, "INFO"), (11.9, "INFO"), (12.1, "WARNING"), (23.9, "WARNING")])
def test_the_age_of_a_run_that_is_resumed_is_told(
    folder: OutputFolder, people: Path, caplog: pytest.LogCaptureFixture, hours: float, level: str
) -> None:
    """One that is not fresh is resumed with a warning that says how old it is and how to ask everybody again."""
    caplog.set_level("INFO")
    of_hours_ago(folder, people, hours)
    assert opened(folder, people) == "night"
    (record,) = [record for record in caplog.records if record.name == "pipeline.jobs.unfinished"]
    assert (record.levelname, "night" in record.getMessage()) == (level, True)
    if level == "WARNING":
        assert [fact for fact in (f"{hours:.0f} hours", "--new") if fact not in record.getMessage()] == []


@pytest.mark.parametrize(("hours", "words"), [(24.1, "24 hours ago"), (24 * 40, "40 days ago")])
def test_a_run_of_another_night_is_taken_over_and_not_resumed(
    folder: OutputFolder, people: Path, caplog: pytest.LogCaptureFixture, hours: float, words: str
) -> None:
    """Without max_age_days its answers count as carried over and are asked for again, by a run of tonight."""
    people.write_text("ann@example.com\nbob@example.com\n")
    of_hours_ago(folder, people, hours)
    tonight = opened(folder, people, answers=0)
    said = notice(caplog)
    assert [fact for fact in ("night", words, "resume_within_h (24)", "asks again") if fact not in said] == []
    now = summary(folder.state.journal(tonight))
    assert (tonight != "night", now.carried, now.answered, now.to_ask) == (True, 1, 0, 2)
    plenty = settings(resume_within_h=2_000)
    assert opened(folder, people, chosen=plenty) == tonight


def test_an_old_run_without_answers_is_replaced_without_a_word(
    folder: OutputFolder, people: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """There is nothing to say about it."""
    of_hours_ago(folder, people, 24 * 40, answers=0)
    tonight = opened(folder, people)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == []
    assert folder.state.journals() == [folder.state.journal(tonight)]


@pytest.mark.parametrize("killed", [False, True])
def test_a_published_run_forgets_those_it_replaces(
    folder: OutputFolder, people: Path, tmp_path: Path, *, killed: bool
) -> None:
    """After --new has published, older answers are never resumed, even if its process was killed right then."""
    opened(folder, people, wanted="old")
    opened(folder, write_list(tmp_path / "other.txt", ["bob@example.com"]), wanted="other")
    opened(folder, people, wanted="new", resume=False)
    assert len(folder.state.journals()) == 3
    if killed:
        published(folder, "new")
        finish_published(folder, Request.of(folder.state, [EmailList(people)], settings()))
    else:
        with Journal.open(folder.state.journal("new")) as journal:
            remove_journals(folder.state, journal)
    assert folder.state.journals() == []


def test_a_published_name_is_taken(folder: OutputFolder, people: Path) -> None:
    """--run-id of a published run is an error that says where it is."""
    published(folder, "done")
    assert f"published in {folder.root}" in refusal(folder, people, wanted="done")


def test_what_a_killed_run_has_staged_is_cleared_away(folder: OutputFolder) -> None:
    """Half a run that was never published does not stay behind with its leads in it."""
    staged = folder.root / ".lead-export" / "killed.staging"
    staged.mkdir()
    (staged / "leads.csv").write_text("half")
    with folder.locked():
        assert [path.name for path in folder.state.path.iterdir()] == ["lock"]


def test_what_a_new_run_leaves_behind_is_mentioned(
    folder: OutputFolder, people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A named run starts next to an unfinished one, with a warning."""
    opened(folder, write_list(tmp_path / "other.txt", ["bob@example.com"]), wanted="other")
    caplog.clear()
    opened(folder, people, wanted="mine")
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.args == ("other", "1 answer")

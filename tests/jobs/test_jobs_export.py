"""The nightly job from Python: what it tells while it runs, and how it takes up, or does not take up, a stopped run."""

from __future__ import annotations

import json
import re
import shutil
import signal
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow.parquet as pq
import pytest
from jobs_lists import settings, write_list

from pipeline.errors import CredentialsRefused, ExitCode, FolderBusy, Interrupted, StopRun, Terminated, UsageError
from pipeline.files.folder import OutputFolder
from pipeline.jobs.export import export
from pipeline.jobs.fetch import Observer
from pipeline.jobs.manifest import Manifest
from pipeline.journal.replay import read_summary
from pipeline.journal.store import Journal
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running
from pipeline.schema import LEADS
from pipeline.settings import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest
    from pipeline.outcomes import Address, Answer

STATE = ".lead-export"


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    """One sandbox for all tests of this file."""
    with running(SandboxOptions(limit_per_s=0)) as started:
        yield started


@pytest.fixture
def sandbox(server: RunningSandbox) -> RunningSandbox:
    """A sandbox that has not been asked anything and refuses nobody."""
    server.control(revoke_after=0, reset_stats=True)
    return server


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Twelve addresses that are all found."""
    return write_list(tmp_path / "people.txt", [f"person.{number}@example.com" for number in range(12)])


class Diary(Observer):
    """Writes down what a job tells."""

    def __init__(self) -> None:
        self.entries: list[str] = []

    def listed(self, *, rows: int, addresses: int, answered: int) -> None:
        """All lists are read."""
        self.entries.append(f"{rows} rows, {addresses} addresses, {answered} answered")

    def answered(self, address: Address, answer: Answer) -> None:
        """One more address is finished."""
        self.entries.append(f"{address.id} {answer.outcome}")

    def publishing(self) -> None:
        """Tables are made now."""
        self.entries.append("publishing")

    def published(self, path: Path) -> None:
        """The run is there."""
        self.entries.append(f"published {(path / 'manifest.json').exists()}")


def stopped(sandbox: RunningSandbox, people: Path, out: Path, *, after: int = 5, run_id: str | None = None) -> StopRun:
    """Run until the credentials are revoked; the sandbox takes them again afterwards."""
    sandbox.control(revoke_after=after, reset_stats=True)
    with pytest.raises(CredentialsRefused) as caught:
        export(settings(sandbox.url), [people], out, run_id=run_id)
    sandbox.control(revoke_after=0, reset_stats=True)
    return caught.value


def left_over(out: Path) -> list[str]:
    """What lies in the folder of unfinished runs."""
    return sorted(path.name for path in (out / STATE).iterdir())


def test_job_gives_the_manifest_it_published(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """From Python: lists in, the manifest out, and the tables where `latest` points."""
    manifest = export(settings(sandbox.url), [people], tmp_path / "out")
    assert manifest.to_dict() == json.loads((tmp_path / "out" / "latest" / "manifest.json").read_text())
    assert (manifest.status, manifest.rows.found, manifest.calls.sent) == ("complete", 12, 12)
    assert re.fullmatch(r"\d{8}T\d{6}Z(-\d+)?", manifest.run_id)
    assert len(pd.read_parquet(tmp_path / "out" / "latest" / "leads.parquet")) == 12


def test_published_files_keep_only_values_that_come_again_once(
    sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """In the leads that is so of names and the like, and not of ids, addresses and moments."""
    export(settings(sandbox.url), [people], tmp_path / "out")
    group = pq.read_metadata(tmp_path / "out" / "latest" / "leads.parquet").row_group(0)
    columns = [group.column(number) for number in range(group.num_columns)]
    once = {column.path_in_schema for column in columns if column.has_dictionary_page}
    assert once == set(LEADS.names) - LEADS.mostly_unique


def test_job_tells_what_it_does(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Once the lists are read, for each address once, before the tables and when all is there."""
    emails = ["ann@example.com", "nobody", "not-found@example.com", "ANN@example.com", "always-500@example.com"]
    diary = Diary()
    export(settings(sandbox.url), [write_list(tmp_path / "p.txt", emails)], tmp_path / "out", observer=diary)
    assert (diary.entries[0], diary.entries[-2:]) == (
        "5 rows, 3 addresses, 0 answered",
        ["publishing", "published True"],
    )
    assert sorted(diary.entries[1:-2]) == ["1 found", "2 not_found", "3 failed"]


def test_no_credential_is_in_the_manifest(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Settings are published without secrets, and without losing another one."""
    manifest = export(settings(sandbox.url, timezone="EST"), [people], tmp_path / "out")
    assert "sandbox-" not in json.dumps(manifest.to_dict())
    assert manifest.settings["timezone"] == "EST"
    assert set(manifest.settings) == set(type(settings()).model_fields) - set(SECRETS)


# Stopped runs.


def test_stopped_run_reports_what_was_done(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """The error carries the manifest so far; its rows add up with those that are still pending."""
    error = stopped(sandbox, people, tmp_path / "out")
    assert error.exit_code == ExitCode.REFUSED
    manifest: Manifest = error.manifest
    assert (manifest.status, manifest.reason, manifest.tables) == ("stopped", str(error), None)
    assert (manifest.rows.found, manifest.rows.pending, manifest.rows.read) == (5, 7, 12)
    assert sum(manifest.rows.by_outcome().values()) == manifest.rows.read
    assert left_over(tmp_path / "out") == [f"{manifest.run_id}.journal", "lock"]


def test_a_stopped_run_is_resumed(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """The same lists go on under the old name: only what has no answer is asked, and nothing is left over."""
    before = stopped(sandbox, people, tmp_path / "out").manifest
    diary = Diary()
    manifest = export(settings(sandbox.url), [people], tmp_path / "out", observer=diary)
    assert (manifest.run_id, manifest.started_at) == (before.run_id, before.started_at)
    assert (manifest.calls.sent, manifest.calls.resumed, sandbox.stats()["calls"]) == (7, 5, 7)
    assert diary.entries[0] == "12 rows, 12 addresses, 5 answered"
    assert left_over(tmp_path / "out") == ["lock"]


def test_failed_addresses_of_a_stopped_run_are_asked_again(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A failed address is looked up again."""
    emails = ["always-500@example.com", *(f"person.{number}@example.com" for number in range(5))]
    people = write_list(tmp_path / "people.txt", emails)
    stopped(sandbox, people, tmp_path / "out", after=4)
    export(settings(sandbox.url), [people], tmp_path / "out")
    assert sandbox.stats(addresses=True)["addresses"]["always-500@example.com"] == 2


def test_new_run_asks_everybody(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Without `resume` everything is asked under another name; the stopped run is replaced once that is published."""
    before = stopped(sandbox, people, tmp_path / "out").manifest
    manifest = export(settings(sandbox.url), [people], tmp_path / "out", resume=False)
    assert (manifest.calls.sent, manifest.calls.resumed) == (12, 0)
    assert manifest.run_id != before.run_id
    assert left_over(tmp_path / "out") == ["lock"]


def test_changed_list_is_another_job(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One byte more in the list, and the unfinished run is not resumed, but its answers are taken over."""
    before = stopped(sandbox, people, tmp_path / "out").manifest
    people.write_text(people.read_text() + "\n")
    manifest = export(settings(sandbox.url), [people], tmp_path / "out")
    assert "people.txt has changed since" in caplog.text
    assert (manifest.calls.sent, manifest.calls.resumed, manifest.rows.found) == (7, 0, 12)
    assert manifest.run_id != before.run_id
    assert left_over(tmp_path / "out") == ["lock"]


def test_name_of_a_stopped_run_takes_it_up(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Several stopped runs over the same list each resume under their own name; any other name is a new run."""
    for run_id, after in (("nightly", 5), ("weekly", 3)):
        stopped(sandbox, people, tmp_path / "out", run_id=run_id, after=after)
    for run_id, resumed in (("other", 0), ("nightly", 5), ("weekly", 3)):
        manifest = export(settings(sandbox.url), [people], tmp_path / "out", run_id=run_id)
        assert (manifest.run_id, manifest.calls.resumed) == (run_id, resumed)


@pytest.mark.parametrize("named", [False, True])
def test_run_killed_after_publishing_does_not_cost_the_next_night(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, *, named: bool
) -> None:
    """A journal whose run is there already is tidied up, and all are asked anew unless that run is named."""
    stopped(sandbox, people, tmp_path / "out", run_id="first")
    state = tmp_path / "out" / STATE
    shutil.copy(state / "first.journal", tmp_path / "kept")
    before = export(settings(sandbox.url), [people], tmp_path / "out")
    shutil.copy(tmp_path / "kept", state / "first.journal")
    sandbox.control(reset_stats=True)
    diary = Diary()
    run_id = "first" if named else None
    manifest = export(settings(sandbox.url), [people], tmp_path / "out", run_id=run_id, observer=diary)
    assert (manifest == before, sandbox.stats()["calls"]) == ((True, 0) if named else (False, 12))
    assert left_over(tmp_path / "out") == ["lock"]
    assert diary.entries[-1] == "published True"
    assert (tmp_path / "out" / "latest").readlink().name == f"run={manifest.run_id}"


def test_run_killed_while_reading_its_lists_leaves_nothing(
    sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Its incomplete journal is removed by the next run, whatever that one is called."""
    folder = OutputFolder(tmp_path / "out")
    folder.state.check_writable()
    Journal.create(folder.state.journal("killed")).close()
    assert export(settings(sandbox.url), [people], tmp_path / "out").rows.found == 12
    assert left_over(tmp_path / "out") == ["lock"]


def test_why_a_run_stopped_is_noted(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """The journal holds the reason and the command that resumes it; so does the manifest."""
    sandbox.control(revoke_after=5)
    with pytest.raises(CredentialsRefused) as caught:
        export(settings(sandbox.url), [people], tmp_path / "out", run_id="mine", command="lead-export run people.txt")
    seen = read_summary(tmp_path / "out" / STATE / "mine.journal")
    assert seen is not None
    assert (seen.addresses, seen.answered, seen.failed) == (12, 5, 0)
    assert seen.stop is not None
    assert (seen.stop.code, seen.stop.reason) == (caught.value.code, str(caught.value))
    assert caught.value.manifest.resume == seen.run.command == "lead-export run people.txt"


def test_only_the_newest_runs_stay(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """--keep-runs 2: after each success the older ones go; other folders stay."""
    out = tmp_path / "out"
    for run_id in ("c", "b", "a"):
        export(settings(sandbox.url, keep_runs=2), [people], out, run_id=run_id)
    (out / "run=by-hand").mkdir()
    export(settings(sandbox.url, keep_runs=2), [people], out, run_id="d")
    assert sorted(path.name for path in out.glob("run=*")) == ["run=a", "run=by-hand", "run=d"]
    assert (out / "latest").readlink().name == "run=d"
    export(settings(sandbox.url), [people], out, run_id="e")
    assert len(list(out.glob("run=*"))) == 4


def test_ctrl_c_keeps_what_was_answered(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Ctrl-C stops the run with a manifest of what was done; the next run resumes from there."""

    class Impatient(Observer):
        def answered(self, address: Address, answer: Answer) -> None:  # noqa: ARG002
            if address.id == 4:
                signal.raise_signal(signal.SIGINT)

    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Interrupted) as caught:
        export(settings(sandbox.url, concurrency=1), [people], tmp_path / "out", observer=Impatient())
    rows = caught.value.manifest.rows
    assert caught.value.manifest.status == "stopped"
    assert rows.found + rows.pending == 12
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert export(settings(sandbox.url), [people], tmp_path / "out").calls.resumed == rows.found
    assert sandbox.stats()["calls"] == 12


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN, "own"])
def test_a_hangup_stops_a_run_unless_the_program_around_it_has_a_use_for_it(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, handler: signal.Handlers | str
) -> None:
    """SIGHUP stops what it would have ended; a handler of the host's, or that it ignores it, stays in force."""
    received: list[int] = []

    class Terminal(Observer):
        def answered(self, address: Address, answer: Answer) -> None:  # noqa: ARG002
            if address.id == 4:
                signal.raise_signal(signal.SIGHUP)

    chosen = (lambda number, _: received.append(number)) if isinstance(handler, str) else handler
    before = signal.signal(signal.SIGHUP, chosen)
    try:
        with pytest.raises(Terminated, match="SIGHUP") if handler is signal.SIG_DFL else nullcontext():
            export(settings(sandbox.url, concurrency=1), [people], tmp_path / "out", observer=Terminal())
        assert signal.getsignal(signal.SIGHUP) is chosen
    finally:
        signal.signal(signal.SIGHUP, before)
    assert received == ([signal.SIGHUP] if handler == "own" else [])
    assert (tmp_path / "out" / "latest").exists() is (handler is not signal.SIG_DFL)


# What is refused before any call.


def test_folder_that_another_run_holds(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Exit code 7, who holds it, no call, and nothing changed."""
    folder = OutputFolder(tmp_path / "out")
    folder.state.check_writable()
    with folder.locked(), pytest.raises(FolderBusy, match=r"process \d+, running since") as caught:
        export(settings(sandbox.url), [people], tmp_path / "out")
    assert caught.value.exit_code == ExitCode.BUSY
    assert (sandbox.stats()["calls"], left_over(tmp_path / "out")) == (0, ["lock"])


@pytest.mark.parametrize("run_id", ["", ".", "-x", "a/b", "ä", "x" * 65, "new line\n"])
def test_name_that_a_run_cannot_have(sandbox: RunningSandbox, people: Path, tmp_path: Path, run_id: str) -> None:
    """A run id is a plain file name."""
    with pytest.raises(UsageError, match="--run-id"):
        export(settings(sandbox.url), [people], tmp_path / "out", run_id=run_id)
    assert left_over(tmp_path / "out") == ["lock"]


def test_second_run_of_one_second_gets_another_name(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Each run has its own folder, and `latest` is the last of them."""
    ids = [export(settings(sandbox.url), [people], tmp_path / "out").run_id for _ in range(3)]
    assert len(set(ids)) == 3
    assert sorted(path.name for path in (tmp_path / "out").glob("run=*")) == sorted(f"run={name}" for name in ids)
    assert (tmp_path / "out" / "latest").readlink().name == f"run={ids[-1]}"

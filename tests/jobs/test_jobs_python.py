"""The jobs as programs and notebooks call them: paths, keywords, wrong arguments, and event loops."""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import pandas as pd
import pytest
from jobs_lists import settings, write_list

import pipeline
from pipeline.errors import CredentialsRefused, Interrupted, UsageError, WrongArgument
from pipeline.sandbox.options import SandboxOptions
from pipeline.sandbox.process import RunningSandbox, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipeline.outcomes import Address, Answer

NOWHERE = settings()
"""Settings for an API that nobody answers: whoever gets as far as a call fails differently."""


@pytest.fixture(scope="module")
def server() -> Iterator[RunningSandbox]:
    """One sandbox for all tests of this file."""
    with running(SandboxOptions(limit_per_s=0)) as started:
        yield started


@pytest.fixture
def sandbox(server: RunningSandbox) -> RunningSandbox:
    """A sandbox that has not been asked anything, and answers at once."""
    server.control(revoke_after=0, latency_ms=0, reset_stats=True)
    return server


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Twelve addresses that are all found."""
    return write_list(tmp_path / "people.txt", [f"person.{number}@example.com" for number in range(12)])


# Arguments.


def test_paths_may_be_strings(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """Every function takes strings, paths and anything else with a path, one list or several."""
    chosen, out = settings(sandbox.url), str(tmp_path / "out")
    config = write_list(tmp_path / "settings.toml", ["rate_per_s = 7"])
    assert pipeline.Settings.load(config=str(config), environ={}).rate_per_s == 7
    assert pipeline.export(chosen, str(people), out, run_id="one").rows.found == 12
    (entry,) = [entry for entry in os.scandir(tmp_path) if entry.name == people.name]
    assert pipeline.export(chosen, [entry], Path(out), run_id="two").rows.found == 12
    assert pipeline.export(chosen, tmp_path.glob("people.*"), out, run_id="three").rows.found == 12
    assert pipeline.enrich(chosen, str(people), f"{out}.csv").rows.found == 12
    assert pipeline.rebuild(f"{out}/latest", str(tmp_path / "again")).run_id == "three"
    assert [run.run_id for run in pipeline.status(out).published] == ["one", "two", "three"]


@pytest.mark.parametrize("fields", [["first_name", "tags"], ("first_name", "tags"), "first_name, tags"])
def test_columns_of_enrich_are_chosen_by_keywords(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, fields: Any
) -> None:
    """Each attribute of `Enrichment` is a keyword, which comes before the one of `how`."""
    how = pipeline.Enrichment(fields=("score",), prefix="k_")
    chosen, out = settings(sandbox.url), tmp_path / "out.csv"
    out.write_text("old")
    write_list(people, ["ann@example.com", "not-found@example.com"])
    pipeline.enrich(chosen, people, out, how, fields=fields, only_found=True, force=True, separator=" + ")
    read = pd.read_csv(out)
    assert read.columns.tolist()[-5:] == ["k_outcome", "k_reason", "k_id", "k_first_name", "k_tags"]
    assert len(read) == 1
    assert " + " in str(read["k_tags"][0])


def test_every_property_of_an_enrichment_is_a_keyword() -> None:
    """So is each of those to come."""
    names = {field.name for field in dataclasses.fields(pipeline.Enrichment)}
    assert names <= inspect.signature(pipeline.enrich).parameters.keys()


WRONG: dict[str, Callable[[Path], object]] = {
    "settings_of_a_dictionary": lambda out: pipeline.export({}, "list.csv", out),  # type: ignore[arg-type]
    "settings_class": lambda out: pipeline.export(pipeline.Settings, "list.csv", out),  # type: ignore[arg-type]
    "no_lists": lambda out: pipeline.export(NOWHERE, [], out),
    "lists_none": lambda out: pipeline.export(NOWHERE, None, out),  # type: ignore[arg-type]
    "lists_bytes": lambda out: pipeline.export(NOWHERE, b"list.csv", out),  # type: ignore[arg-type]
    "lists_of_numbers": lambda out: pipeline.export(NOWHERE, [1], out),  # type: ignore[list-item]
    "lists_frame": lambda out: pipeline.export(NOWHERE, pd.DataFrame({"email": []}), out),  # type: ignore[arg-type]
    "lists_empty": lambda out: pipeline.export(NOWHERE, [""], out),
    "out_none": lambda _: pipeline.export(NOWHERE, "list.csv", None),  # type: ignore[arg-type]
    "out_empty": lambda _: pipeline.export(NOWHERE, "list.csv", " "),
    "out_null": lambda out: pipeline.export(NOWHERE, "list.csv", f"{out}\0"),
    "run_id": lambda out: pipeline.export(NOWHERE, "list.csv", out, run_id=20261123),  # type: ignore[arg-type]
    "resume": lambda out: pipeline.export(NOWHERE, "list.csv", out, resume="no"),  # type: ignore[arg-type]
    "observer_class": lambda out: pipeline.export(NOWHERE, "list.csv", out, observer=pipeline.Observer),  # type: ignore[arg-type]
    "fields": lambda out: pipeline.enrich(NOWHERE, "list.csv", out, fields=[1]),  # type: ignore[list-item]
    "fields_number": lambda out: pipeline.enrich(NOWHERE, "list.csv", out, fields=1),  # type: ignore[arg-type]
    "how": lambda out: pipeline.enrich(NOWHERE, "list.csv", out, ["tags"]),  # type: ignore[arg-type]
    "prefix": lambda out: pipeline.enrich(NOWHERE, "list.csv", out, prefix=1),  # type: ignore[arg-type]
    "force": lambda out: pipeline.enrich(NOWHERE, "list.csv", out, force="yes"),  # type: ignore[arg-type]
    "rebuild": lambda out: pipeline.rebuild(1, out),  # type: ignore[call-overload]
    "rebuild_settings": lambda out: pipeline.rebuild(out, out, NOWHERE),  # type: ignore[call-overload]
    "rebuild_none": lambda out: pipeline.rebuild([], out),
    "rebuild_workers": lambda out: pipeline.rebuild([out], out, workers="2"),  # type: ignore[call-overload]
    "rebuild_one_by_many": lambda out: pipeline.rebuild(out, out, workers=2),  # type: ignore[call-overload]
    "status": lambda _: pipeline.status(1),  # type: ignore[arg-type]
    "options": lambda _: pipeline.Settings.load("settings.toml"),  # type: ignore[arg-type]
    "client": lambda _: pipeline.LeadClient({}),  # type: ignore[arg-type]
    "awaited": lambda out: asyncio.run(pipeline.export_async(NOWHERE, 1, out)),  # type: ignore[arg-type]
}
"""Calls with an argument that cannot be meant; where it is a type, a type checker refuses it, too."""


@pytest.mark.parametrize("call", WRONG.values(), ids=WRONG)
def test_wrong_arguments_are_refused_before_anything_begins(tmp_path: Path, call: Callable[[Path], object]) -> None:
    """One sentence that names the argument, as one of our errors and as Python's own kinds; nothing is written."""
    with pytest.raises(WrongArgument, match=r"^\w+(\[\d\])?: must [^\n]+\.$") as caught:
        call(tmp_path / "out")
    assert isinstance(caught.value, UsageError)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ValueError)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("email", [float("nan"), "a\ud800@example.com"], ids=["hole", "surrogate"])
async def test_an_address_that_cannot_be_sent_is_refused(email: Any) -> None:
    """A hole in a column of addresses, for example, or what is no text."""
    async with pipeline.LeadClient(NOWHERE) as client:
        with pytest.raises(WrongArgument, match=r"^email: "):
            await client.get_lead(email)


def test_a_client_may_be_used_in_one_event_loop_after_the_other(sandbox: RunningSandbox) -> None:
    """Each time in a block of its own; the pace goes on as in a single loop."""
    chosen = settings(sandbox.url, rate_per_s=20, share_pace=False)
    client = pipeline.LeadClient(chosen)

    async def look_up(*emails: str) -> None:
        async with client:
            await asyncio.gather(*map(client.get_lead, emails))

    before = time.monotonic()
    for n in range(3):
        asyncio.run(look_up(f"ada{n}@example.com", f"bob{n}@example.com"))
    assert time.monotonic() - before >= 5 / 20 * 0.9


@pytest.mark.parametrize("wrong", [{"ca_file": "none.pem"}, {"proxy": "socks5://proxy:1080"}, {"proxy": "not a url"}])
@pytest.mark.parametrize("job", [pipeline.export, pipeline.enrich])
def test_a_way_to_the_api_that_cannot_be_used_is_noticed_first(
    wrong: dict[str, str], job: Callable[..., object], people: Path, tmp_path: Path
) -> None:
    """Nothing is written for a job that cannot make a call."""
    chosen = settings(**wrong)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match=f"^{next(iter(wrong))}: "):
        job(chosen, people, tmp_path / "out.csv")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("call", [{"fields": ["no_such_field"]}, {"fields": "first_name,no_such_field"}])
def test_a_field_that_does_not_exist_is_refused(people: Path, tmp_path: Path, call: Any) -> None:
    """By name, and before a call is made."""
    with pytest.raises(UsageError, match="no_such_field"):
        pipeline.enrich(NOWHERE, people, tmp_path / "out.csv", **call)
    assert list(tmp_path.iterdir()) == [people]


# Event loops.


async def test_jobs_work_where_an_event_loop_runs(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """As in the cell of a notebook: plain calls, and those that are awaited."""
    chosen = settings(sandbox.url)
    assert pipeline.export(chosen, people, tmp_path / "one").rows.found == 12
    assert pipeline.enrich(chosen, people, tmp_path / "one.csv").rows.found == 12
    exported = await pipeline.export_async(chosen, people, tmp_path / "two", run_id="two")
    enriched = await pipeline.enrich_async(chosen, people, tmp_path / "two.csv", fields=["score"])
    assert (exported.run_id, exported.rows.found, enriched.rows.found) == ("two", 12, 12)
    assert len(pd.read_csv(tmp_path / "two.csv")) == 12


async def test_the_loop_stays_free_while_a_job_is_awaited(
    sandbox: RunningSandbox, people: Path, tmp_path: Path
) -> None:
    """Jobs run in threads of their own, several at once, and other tasks go on."""
    threads = set()

    class Where(pipeline.Observer):
        def publishing(self) -> None:
            threads.add(threading.current_thread())

    chosen, ticks = settings(sandbox.url), 0
    jobs = [
        asyncio.create_task(pipeline.export_async(chosen, people, tmp_path / name, observer=Where())) for name in "ab"
    ]
    while not all(job.done() for job in jobs):
        ticks += 1
        await asyncio.sleep(0.01)
    assert [job.result().rows.found for job in jobs] == [12, 12]
    assert ticks > 3
    assert len(threads) == 2
    assert threading.current_thread() not in threads


async def test_errors_of_an_awaited_job_are_its_own(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """The same class, and the manifest of what was done."""
    sandbox.control(revoke_after=5)
    with pytest.raises(CredentialsRefused) as caught:
        await pipeline.export_async(settings(sandbox.url), people, tmp_path / "out")
    assert caught.value.manifest.rows.found == 5


class Signal(pipeline.Observer):
    """Sets an event of a loop when an address has been answered, or earlier."""

    def __init__(self, when: str) -> None:
        self._loop, self._when, self.event = asyncio.get_running_loop(), when, asyncio.Event()

    def listed(self, *, rows: int, addresses: int, answered: int) -> None:
        """Before the calls."""
        del rows, addresses, answered
        self._set("listed")

    def answered(self, address: Address, answer: Answer) -> None:
        """During the calls."""
        del address, answer
        self._set("answered")

    def _set(self, what: str) -> None:
        if what == self._when:
            self._loop.call_soon_threadsafe(self.event.set)


@pytest.mark.parametrize("when", ["listed", "answered"])
async def test_a_cancelled_job_stops_and_is_resumed(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, when: str
) -> None:
    """The calls stop, the answers are kept, the folder is free when the cancellation arrives, and the cause says so."""
    write_list(people, [f"person.{number}@example.com" for number in range(200)])
    sandbox.control(latency_ms=20)
    chosen, signal = settings(sandbox.url, concurrency=1), Signal(when)
    job = asyncio.create_task(pipeline.export_async(chosen, people, tmp_path / "out", observer=signal))
    await signal.event.wait()
    job.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await job
    assert isinstance(caught.value.__cause__, Interrupted)
    rows = caught.value.__cause__.manifest.rows
    assert rows.found + rows.pending == 200
    assert rows.pending > 0
    sandbox.control(latency_ms=0)
    manifest = await pipeline.export_async(settings(sandbox.url), people, tmp_path / "out")
    assert (manifest.rows.found, manifest.calls.resumed) == (200, rows.found)
    assert sandbox.stats()["calls"] <= 201  # one call may have been cut off


async def test_cancelling_late_lets_the_job_finish(sandbox: RunningSandbox, people: Path, tmp_path: Path) -> None:
    """A job that is publishing already is not interrupted: its run is there when the cancellation arrives."""

    class Late(pipeline.Observer):
        def publishing(self) -> None:
            loop.call_soon_threadsafe(job.cancel)
            loop.call_soon_threadsafe(cancelled.set)
            cancelled.wait()

    loop, cancelled = asyncio.get_running_loop(), threading.Event()
    coroutine = pipeline.export_async(settings(sandbox.url), people, tmp_path / "out", observer=Late())
    job = asyncio.create_task(coroutine)
    with pytest.raises(asyncio.CancelledError) as caught:
        await job
    assert caught.value.__cause__ is None
    assert [run.latest for run in pipeline.status(tmp_path / "out").published] == [True]


# What completion and type checkers see.


def test_names_can_be_completed() -> None:
    """`dir(pipeline)` has every public name, loaded or not, and no other but those with underscores."""
    assert [name for name in dir(pipeline) if not name.startswith("__")] == [
        name for name in sorted(pipeline.__all__) if not name.startswith("__")
    ]
    with pytest.raises(AttributeError, match="no_such_name"):
        pipeline.no_such_name  # type: ignore[attr-defined]  # noqa: B018


def test_awaitable_jobs_describe_themselves() -> None:
    """A name, a docstring and the signature of the job, and they are coroutine functions."""
    for job, awaited in ((pipeline.export, pipeline.export_async), (pipeline.enrich, pipeline.enrich_async)):
        assert awaited.__name__ == f"{job.__name__}_async"
        assert f"`{job.__name__}`" in (awaited.__doc__ or "")
        assert inspect.signature(awaited) == inspect.signature(job)
        assert inspect.iscoroutinefunction(awaited)


async def typed_program(frame: pd.DataFrame) -> None:
    """What mypy, strict, says about a program of a user; it is checked with everything else and never run."""
    chosen = pipeline.Settings.load({"rate_per_s": 10}, config="settings.toml")
    manifest = pipeline.export(chosen, "list.csv", "out")
    assert_type(manifest, pipeline.Manifest)
    assert_type(manifest.rows.found, int)
    assert_type(await pipeline.export_async(chosen, [Path("list.csv"), "more.csv"], "out"), pipeline.Manifest)
    assert_type(await pipeline.enrich_async(chosen, "list.csv", "o.csv", fields=["tags"]), pipeline.Manifest)
    assert_type(pipeline.rebuild("out/latest", "again"), pipeline.Manifest)
    assert_type(pipeline.rebuild(["out/run=one", Path("out/run=two")], "again", workers=2), pipeline.Rebuilt)
    assert_type(pipeline.status("out"), pipeline.Status)
    async with pipeline.LeadClient(chosen) as client:
        answer = await client.get_lead("ann@example.com")
    assert_type(answer, pipeline.Answer)
    assert_type(pipeline.flatten([answer, b"{}"]).leads, pd.DataFrame)
    assert_type(pipeline.flatten(frame, timezone="EST"), pipeline.Frames)
    await pipeline.export_async(chosen, "list.csv")  # type: ignore[call-arg]
    await pipeline.enrich_async(chosen, "list.csv", "out.csv", prefix=1)  # type: ignore[arg-type]
    pipeline.flatten(["{}"])  # type: ignore[list-item]

"""Purging an unfinished run that carries answers over: the run goes on without those who were erased."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import lead_export, manifest_of, run, write_list
from purge_people import KEY

from pipeline.journal.replay import JournalSummary, read_summary
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

EMAILS = [f"person.{number}@example.com" for number in range(8)]
ENV = {**KEY, "LEAD_EXPORT_FRESH_HOURS": "0"}
REFUSED = {**ENV, "KARTRA_API_KEY": "wrong"}


def summary(path: Path) -> JournalSummary:
    """The summary of a journal."""
    seen = read_summary(path)
    assert seen is not None
    return seen


@pytest.fixture
def journal(sandbox: RunningSandbox, tmp_path: Path) -> Path:
    """The journal of a night that has everything of the night before, is to ask for all again, and was refused."""
    people, out = write_list(tmp_path / "people.csv", EMAILS), tmp_path / "out"
    assert run(people, sandbox, out, "--run-id", "a", "--max-age", 1, **ENV).code == 0
    assert run(people, sandbox, out, "--run-id", "b", "--max-age", 1, **REFUSED).code == 4
    sandbox.control(reset_stats=True)
    path = out / ".lead-export" / "b.journal"
    assert (summary(path).carried, summary(path).to_ask) == (8, 8)
    return path


@pytest.mark.parametrize("option", ["--suppress", "--no-suppress"])
def test_nobody_asks_for_who_was_erased(sandbox: RunningSandbox, journal: Path, tmp_path: Path, option: str) -> None:
    """The resumed run calls once to see whether the API lets it in again, once for each other, and for nobody else."""
    out = tmp_path / "out"
    assert lead_export("purge", "-", option, "--out", out, stdin="\n".join(EMAILS[:2]), **KEY).code == 0
    assert (summary(journal).carried, summary(journal).to_ask) == (6, 6)
    done = run(tmp_path / "people.csv", sandbox, out, "--run-id", "b", "--max-age", 1, **ENV)
    assert (done.code, sandbox.stats()["calls"]) == (0, 1 + 6)
    table = pd.read_parquet(out / "run=b" / "outcomes.parquet")
    assert table["outcome"].tolist() == ["erased"] * 2 + ["found"] * 6
    fresh = manifest_of(out)["freshness"]
    assert [fresh[name] for name in ("asked", "carried", "pending", "overdue", "ages")] == [6, 0, 0, 0, {"0": 6}]
    assert lead_export("verify", out / "run=b", **KEY).code == 0


def test_answers_of_tonight_are_taken_over(sandbox: RunningSandbox, journal: Path, tmp_path: Path) -> None:
    """By a new run over another list, as many as they are, however many people were erased."""

    async def answer() -> None:
        with Journal.open(journal) as opened:
            for number in (7, 8):
                await opened.append(number, Answer(EMAILS[number - 1], Outcome.NOT_FOUND, code="234"))
            await opened.flush()

    asyncio.run(answer())
    out = tmp_path / "out"
    assert lead_export("purge", "-", "--out", out, stdin="\n".join(EMAILS[:2]), **KEY).code == 0
    assert (summary(journal).answered, summary(journal).carried) == (2, 4)
    people = write_list(tmp_path / "people.csv", [*EMAILS, "person.9@example.com"])
    done = run(people, sandbox, out, "--run-id", "b", "--max-age", 3, **ENV)
    assert (done.code, "takes over its 2 answers" in done.err) == (0, True)
    table = pd.read_parquet(out / "run=b" / "outcomes.parquet")
    assert table["outcome"].tolist()[6:8] == ["not_found"] * 2


def test_a_published_run_counts_its_answers_anew(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """What its manifest says of answers that it carries over, asked for or has yet to ask for fits the rows left."""
    people, out = write_list(tmp_path / "people.csv", EMAILS[:4]), tmp_path / "out"
    assert run(people, sandbox, out, "--run-id", "a", "--max-age", 2, **ENV).code == 0
    write_list(people, EMAILS)
    assert run(people, sandbox, out, "--run-id", "b", "--max-age", 2, "--max-calls", 3, **ENV).code == 8
    before = pd.read_parquet(out / "run=b" / "outcomes.parquet").set_index("email")["answered_at"]
    manifest = manifest_of(out)
    is_ours = before >= pd.Timestamp(manifest["started_at"])
    theirs = [before.index[mask][0] for mask in (is_ours, ~is_ours & before.notna(), before.isna())]
    assert lead_export("purge", "-", "--no-suppress", "--out", out, stdin="\n".join(theirs), **KEY).code == 0
    rest, fresh = before.drop(theirs), manifest["freshness"]
    after = manifest_of(out)
    assert (after["rows"]["erased"], after["rows"]["pending"]) == (3, rest.isna().sum())
    less_one = {name: fresh[name] - 1 for name in ("asked", "carried", "pending")}
    oldest = rest.min().isoformat(timespec="milliseconds")
    ages = {"0": rest.notna().sum()}
    assert after["freshness"] == {**fresh, **less_one, "ages": ages, "oldest_answered_at": oldest}
    assert lead_export("verify", out / "run=b", **KEY).code == 0


@pytest.mark.parametrize("kind", ["csv", "tsv", "xlsx"])
def test_so_does_one_that_is_no_parquet(sandbox: RunningSandbox, tmp_path: Path, kind: str) -> None:
    """The dates are read from the text of the table."""
    people, out = write_list(tmp_path / "people.csv", EMAILS), tmp_path / "out"
    options = ("--format", kind, "--no-keep-replies", "--max-calls", 5)
    assert run(people, sandbox, out, *options, **ENV).code == 8
    fresh = manifest_of(out)["freshness"]
    theirs = "\n".join((EMAILS[0], EMAILS[-1]))
    assert lead_export("purge", "-", "--no-suppress", "--out", out, stdin=theirs, **KEY).code == 0
    after = manifest_of(out)["freshness"]
    oldest = after["oldest_answered_at"]
    assert fresh["oldest_answered_at"] <= oldest <= manifest_of(out)["finished_at"]
    assert after == {**fresh, "asked": 4, "pending": 2, "ages": {"0": 4}, "oldest_answered_at": oldest}

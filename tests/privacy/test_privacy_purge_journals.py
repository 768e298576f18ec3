"""Purging what is not published: journals of runs and of `enrich`, what was set aside, and what was left behind."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import lead_export, manifest_of, write_list
from purge_people import (
    ADA,
    BOB,
    DAVE,
    EVE,
    LEADS,
    MENTIONING,
    NEW_ADA,
    NOBODY,
    STOP,
    api,
    copied,
    lead,
    publish,
    purge,
    stopped,
    traces,
)

from pipeline.privacy.places import KINDS, kind_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def unfinished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the list of an unfinished run, and in `out` its journal."""
    made = tmp_path_factory.mktemp("unfinished")
    stopped(made, made / "out", MENTIONING)
    return made


@pytest.fixture
def folder(unfinished: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(unfinished, tmp_path / "copy")


def test_a_journal_is_written_anew_and_goes_on(folder: Path) -> None:
    """She is in no page and no pack of it; the same run resumes, asks nobody twice, and accounts for her rows."""
    out = folder / "out"
    (journal,) = (out / ".lead-export").glob("*.journal")
    before = journal.stat().st_ino
    assert purge(ADA, "--out", out, "--mentions", "redact").code == 0
    assert traces(out, ADA, NEW_ADA) == []
    assert journal.stat().st_ino != before
    assert [path.name for path in journal.parent.glob("*.journal*")] == [journal.name]
    with closing(sqlite3.connect(journal)) as db:
        outcomes = [row[0] for row in db.execute("SELECT outcome FROM row_outcomes ORDER BY id")]
    assert [outcomes[row] for row in (0, 2, 4, 5)] == ["erased"] * 4
    asked: list[str] = []
    with api({**LEADS, STOP: lead("9", STOP)}, asked) as env:
        done = lead_export("run", folder / "stopped.csv", "--out", out, "-q", **env)
    assert done.code == 0
    assert not {ADA, NEW_ADA, BOB, DAVE} & set(asked)
    rows = {
        "read": 11,
        "found": 4,
        "not_found": 1,
        "deleted": 0,
        "failed": 0,
        "invalid": 2,
        "duplicate": 0,
        "erased": 4,
    }
    assert manifest_of(out)["rows"] == rows
    table = pd.read_parquet(out / "latest" / "outcomes.parquet")
    assert table.loc[table["outcome"] == "erased", "email"].isna().all()
    assert lead_export("verify", out / "latest", "-q").code == 0


def test_mentions_in_a_journal_are_named(folder: Path) -> None:
    """Answers of others that mention her are counted; her own are gone."""
    done = purge(ADA, "--out", folder / "out", "--json")
    assert done.code == 3
    (left,) = done.json["remains"]
    assert (left["where"], left["values"], left["path"].endswith(".journal")) == ("table packs", 2, True)
    assert [file["how"] for file in done.json["files"]] == ["written anew"]


def test_answers_of_enrich_beside_its_file(tmp_path: Path) -> None:
    """The journal that `enrich` keeps beside a file goes the same way; a file that it has written is only named."""
    out = tmp_path / "out"
    people = write_list(tmp_path / "few.csv", [ADA, BOB, STOP])
    options = ("enrich", people, "--fields", "first_name", "--concurrency", 1, "-q")
    with api(LEADS) as env:
        assert publish(tmp_path, out, LEADS).code == 3
        assert lead_export(*options, "--out", out / "more.csv", **env).code == 4
        assert lead_export("enrich", people, "--out", out / "done.csv", "-q", **env).code == 4
    with api({**LEADS, STOP: lead("9", STOP)}) as env:
        assert lead_export("enrich", people, "--out", out / "done.csv", "-q", **env).code == 0
    done = purge(ADA, "--out", out, "--json")
    assert done.code == 3
    left = [(one["path"], one["where"], one["values"], one["is_ours"]) for one in done.json["remains"]]
    assert left == [("done.csv", "email", 1, False), ("done.csv", "lead_email", 1, False)]
    assert traces(out, ADA) == ["done.csv"]
    with api({**LEADS, STOP: lead("9", STOP)}) as env:
        assert lead_export(*options, "--out", out / "more.csv", **env).code == 0
    assert pd.read_csv(out / "more.csv")["lead_outcome"].tolist() == ["erased", "found", "found"]


def test_what_was_set_aside_goes_if_nobody_can_tell(tmp_path: Path) -> None:
    """A journal that was set aside is removed if she is in it or it cannot be read, and else stays."""
    out = tmp_path / "out"
    journal = stopped(tmp_path, out, LEADS)
    content = journal.read_bytes()
    for name, what in (("hers", content), ("damaged", content[: len(content) // 2]), ("foreign", b"no journal")):
        journal.with_name(f"{name}.journal.unreadable").write_bytes(what)
    journal.unlink()
    people = write_list(tmp_path / "others.csv", [BOB, STOP])
    with api(LEADS) as env:
        assert lead_export("run", people, "--out", out, "-q", "--concurrency", 1, "--run-id", "others", **env).code == 4
    (journal.parent / "others.journal").rename(journal.parent / "others.journal.unreadable")
    done = purge(ADA, "--out", out, "--json")
    assert done.code == 0
    gone = {
        file["path"].rpartition("/")[2].partition(".")[0] for file in done.json["files"] if file["how"] == "removed"
    }
    assert gone == {"hers", "damaged", "foreign"}
    assert [path.name for path in journal.parent.glob("*.unreadable")] == ["others.journal.unreadable"]
    assert traces(out, ADA) == []


def test_what_killed_processes_left(tmp_path: Path) -> None:
    """Runs that were being written, replaced or removed, and reports of attempts, hold her no more."""
    out = tmp_path / "out"
    assert publish(tmp_path, out, LEADS, "--run-id", "one", "--monitor").code == 3
    state = out / ".lead-export"
    for name in ("x.staging", "y.removed", "run=one.replaced"):
        (state / name).mkdir()
        (state / name / "leads.csv").write_text(ADA)
    for name in ("z.partial", "probe-1234"):
        (state / name).write_text(ADA)
    with (state / "history.jsonl").open("a") as file:
        file.write(json.dumps({"sentence": f"{ADA}.csv: no such file"}) + "\n")
    (state / "last-attempt.json").write_text(json.dumps({"sentence": f"list of {ADA}"}))
    done = purge(ADA, "--out", out)
    assert (done.code, traces(out, ADA)) == (0, [])
    assert "[erased].csv" in (state / "history.jsonl").read_text()
    assert {path.name for path in state.iterdir()} <= {"history.jsonl", "last-attempt.json", "lock", "purges"}


def test_every_file_of_ours_has_a_kind(tmp_path: Path) -> None:
    """What a run, an unfinished run, a purge and enrich leave is known; a file of somebody else is none of them."""
    out = tmp_path / "out"
    assert publish(tmp_path, out, LEADS, "--format", "csv", "--format", "parquet", "--report", "--monitor").code == 3
    stopped(tmp_path, out, LEADS)
    with api(LEADS) as env:
        people = write_list(tmp_path / "few.csv", [EVE, NOBODY, STOP])
        lead_export("enrich", people, "--out", out / "few.xlsx", "-q", "--concurrency", 1, **env)
    assert purge(ADA, "--out", out).code == 0
    names = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    kinds = {kind_of(name).name for name in names}
    assert kinds <= {kind.name for kind in KINDS}
    assert {"table of a run", "journal of an unfinished run", "report of a purge", "history of attempts"} <= kinds
    assert kind_of("notes.txt").name == "file of somebody else"

"""`lead-export enrich` after rows have failed: they are named, and the same command asks for these alone."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, Result, lead_export, write_list

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

EMAILS = ["ann@example.com", "fails-1@example.com", "bob@example.com", "nobody", "FAILS-1@example.com"]
"""The second fails when it is asked for the first time."""
DAY_MS = 86_400_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A list with an address that fails once, twice."""
    return write_list(tmp_path / "in.csv", EMAILS)


def enrich(sandbox: RunningSandbox, path: Path, out: Path, *options: object) -> Result:
    """Run the job with a single attempt for each address."""
    words = ["enrich", path, "--out", out, "--api-url", sandbox.url, "--rate", 0, "--fields", "score", *options]
    return lead_export(*words, **CREDENTIALS, **NO_DELAYS, LEAD_EXPORT_MAX_ATTEMPTS="1")


def cells(out: Path) -> list[tuple[str, str]]:
    """Outcome and reason of each row."""
    with out.open(encoding="utf-8", newline="") as file:
        return [(row["lead_outcome"], row["lead_reason"].partition(":")[0]) for row in csv.DictReader(file)]


def kept(out: Path) -> list[Path]:
    """The journals beside an output."""
    return list(out.with_name(f".{out.name}.lead-export").glob("*.journal"))


def make_older(out: Path, ms: int) -> None:
    """Have the file for which a journal is kept written that much earlier."""
    (journal,) = kept(out)
    with closing(sqlite3.connect(journal)) as db, db:
        db.execute("UPDATE written SET first_at_ms = first_at_ms - ?", (ms,))


def test_failed_rows_are_named_and_asked_again_alone(sandbox: RunningSandbox, path: Path, tmp_path: Path) -> None:
    """By line, with a reason in the file; with --force only they are asked again, and then nothing is kept."""
    out = tmp_path / "out.csv"
    first = enrich(sandbox, path, out, "--json")
    assert first.code == 3
    failed = ("failed", first.json["first_failed"][0]["code"])
    assert cells(out) == [("found", ""), failed, ("found", ""), ("invalid", "no_at"), failed]
    assert [
        fact for fact in (f"line 3 ({failed[1]})", "--force", first.json["kept_until"][:10]) if fact not in first.err
    ] == []
    (journal,) = kept(out)
    assert (journal.stat().st_mode & 0o777, journal.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert "--force" in enrich(sandbox, path, out).sentence
    assert sandbox.stats()["calls"] == 3 + 1  # a probe, because a server's trouble may be an outage
    again = enrich(sandbox, path, out, "--force", "--json")
    assert (again.code, again.json["calls"]["sent"], again.json["calls"]["resumed"]) == (0, 1, 2)
    assert [outcome for outcome, _ in cells(out)] == ["found", "found", "found", "invalid", "found"]
    assert sorted(item.name for item in tmp_path.iterdir()) == ["in.csv", "out.csv"]


def test_status_shows_what_is_kept(sandbox: RunningSandbox, path: Path, tmp_path: Path) -> None:
    """A written file with failed rows, until when its answers are used, and the command; nothing once all is well."""
    assert "failed" not in lead_export("status", tmp_path).out
    assert enrich(sandbox, path, tmp_path / "out.csv").code == 3
    (shown,) = lead_export("status", tmp_path, "--json").json["unfinished"]
    assert (shown["file"], shown["failed"], shown["command"].endswith(" --force")) == ("out.csv", 1, True)
    assert shown["written_at"] < shown["kept_until"]
    text = lead_export("status", tmp_path).out
    assert [fact for fact in ("out.csv is written", "1 failed", "--force") if fact not in text] == []
    assert enrich(sandbox, path, tmp_path / "out.csv", "--force").code == 0
    assert "enrich" in lead_export("status", tmp_path).out


@pytest.mark.parametrize(("age_ms", "calls"), [(DAY_MS - 60_000, 1), (DAY_MS, 3)])
def test_answers_are_used_again_for_a_day(
    sandbox: RunningSandbox, path: Path, tmp_path: Path, age_ms: int, calls: int
) -> None:
    """After that, every address is asked for again."""
    out = tmp_path / "out.csv"
    assert enrich(sandbox, path, out).code == 3
    make_older(out, age_ms)
    again = enrich(sandbox, path, out, "--force", "--json")
    assert (again.code, again.json["calls"]["answered"]) == (0, calls)
    assert kept(out) == []


def test_answers_that_are_too_old_do_not_stay(sandbox: RunningSandbox, path: Path, tmp_path: Path) -> None:
    """The next enrich that writes into the folder removes them, whatever it writes; fresh ones stay."""
    old, fresh = tmp_path / "old.csv", tmp_path / "fresh.csv"
    assert enrich(sandbox, path, old).code == 3
    make_older(old, DAY_MS)
    sandbox.control(reset_stats=True)
    assert enrich(sandbox, path, fresh).code == 3
    assert enrich(sandbox, write_list(tmp_path / "two.csv", ["cat@example.com"]), tmp_path / "two-out.csv").code == 0
    assert (kept(old), len(kept(fresh))) == ([], 1)
    assert not old.with_name(".old.csv.lead-export").exists()


@pytest.mark.parametrize("new", [False, True])
def test_kept_answers_are_in_nobodys_way(sandbox: RunningSandbox, path: Path, tmp_path: Path, new: bool) -> None:
    """Another list for the same file, or --new, starts over without a refusal, and the old answers are gone."""
    out = tmp_path / "out.csv"
    assert enrich(sandbox, path, out).code == 3
    other = path if new else write_list(tmp_path / "other.csv", ["dan@example.com"])
    done = enrich(sandbox, other, out, "--force", "--json", *(["--new"] if new else []))
    assert (done.code, done.json["calls"]["resumed"], kept(out)) == (0, 0, [])


def test_other_fields_of_the_same_people(sandbox: RunningSandbox, path: Path, tmp_path: Path) -> None:
    """What is written may differ from the first time: the answers hold everything."""
    out = tmp_path / "out.csv"
    assert enrich(sandbox, path, out).code == 3
    again = enrich(sandbox, path, out, "--force", "--fields", "first_name,tags", "--json")
    assert again.json["calls"]["sent"] == 1
    assert again.json["output"]["columns"][-2:] == ["lead_first_name", "lead_tags"]


def test_only_the_first_ten_are_named(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """The summary says how many more there are; the manifest names the same ones, and no address."""
    path = write_list(tmp_path / "in.csv", [f"fails-9.{n}@example.com" for n in range(12)])
    failed = enrich(sandbox, path, tmp_path / "out.csv", "--json", "--concurrency", 1)
    named = failed.json["first_failed"]
    assert [row["line"] for row in named] == [*range(2, 12)]
    assert named[0] == {"input": "in.csv", "unit": "line", "line": 2, "code": named[0]["code"]}
    assert "and 2 more" in failed.err
    assert "@" not in failed.err

"""`lead-export person`: everything that is held about somebody, for that person alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from cli_command import lead_export
from purge_people import ADA, BOB, FORMATS, KEY, MENTIONING, NEW_ADA, copied, publish, stopped

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a published run, one without replies, and an unfinished one."""
    made = tmp_path_factory.mktemp("person")
    assert publish(made, made / "out", MENTIONING, "--run-id", "one", *FORMATS[:4]).code == 3
    assert publish(made, made / "out", MENTIONING, "--run-id", "two", "--format", "csv", "--no-keep-replies").code == 3
    stopped(made, made / "out", MENTIONING)
    return made / "out"


def test_everything_is_shown(out: Path, tmp_path: Path) -> None:
    """Rows of every table and run, raw replies as JSON, journals, and what columns mean; others only as a number."""
    target = tmp_path / "ada.json"
    done = lead_export("person", ADA.upper(), "--out", out, "--to", target)
    assert (done.code, done.out) == (0, "")
    assert f"written to {target}" in done.err
    assert target.stat().st_mode & 0o777 == 0o600
    held = json.loads(target.read_bytes())
    assert (held["address"], held["lead_ids"], held["suppressed"]) == (ADA.upper(), ["1"], None)
    one, two = held["runs"]
    assert [row["email"] for row in one["tables"]["leads"]] == ["Ada.Lovelace@Example.com", NEW_ADA]
    assert [row["given"] for row in two["tables"]["outcomes"]] == [
        ADA,
        NEW_ADA,
        f"Ada <{ADA.upper()}>",
        f"{ADA} {BOB}",
    ]
    bodies = [row["body"]["lead_details"]["notes"] for row in one["tables"]["replies"]]
    assert bodies == ["likes engines", "the same lead, merged", "a stranger's lead"]
    assert {"tags", "lists", "custom_fields"} <= one["tables"].keys()
    assert (one["mentions"]["leads.notes"], two["mentions"]["tags.tag_name"]) == (1, 1)
    (journal,) = held["journals"]
    assert (len(journal["answers"]), journal["mentions"]) == (3, 2)
    assert journal["answers"][0]["body"]["lead_details"]["id"] == "1"
    assert held["columns"]["leads"]["notes"] == "free text, may contain line breaks"
    text = json.dumps([held["runs"], held["journals"]])
    assert '"phone": "555"' not in text  # Bob's


def test_on_standard_output(out: Path) -> None:
    """From standard input to standard output; with the key it says whether the person is suppressed."""
    done = lead_export("person", "-", "--out", out, "-q", stdin=f"{ADA}\n", **KEY)
    assert (done.code, done.err) == (0, "")
    assert (done.json["suppressed"], len(done.json["runs"])) == (False, 2)


def test_nothing_is_held_or_changed(out: Path) -> None:
    """Exit 0 for a stranger; no file is touched, nor made."""
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    done = lead_export("person", "stranger@example.com", "--out", out)
    assert (done.code, done.json["runs"], done.json["journals"]) == (0, [], [])
    assert "Nothing is held about this person." in done.err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_what_cannot_be_searched_is_said(out: Path, tmp_path: Path) -> None:
    """A damaged manifest or journal is named, and the exit code is 6; the rest is shown."""
    copy = copied(out, tmp_path / "out")
    (copy / "run=one" / "manifest.json").write_text("{")
    next((copy / ".lead-export").glob("*.journal")).write_bytes(b"SQLite format 3\0damaged")
    done = lead_export("person", ADA, "--out", copy)
    assert (done.code, len(done.json["unreadable"]), len(done.json["runs"])) == (6, 2, 1)


def test_wrong_usage(out: Path, tmp_path: Path) -> None:
    """No address, no such folder, a file that exists."""
    existing = tmp_path / "there.json"
    existing.write_text("mine")
    assert "ADDRESS 1: has no at sign" in lead_export("person", "ada", "--out", out).sentence
    assert "no such folder" in lead_export("person", ADA, "--out", tmp_path / "none").sentence
    assert "already exists" in lead_export("person", ADA, "--out", out, "--to", existing).sentence
    assert existing.read_text() == "mine"

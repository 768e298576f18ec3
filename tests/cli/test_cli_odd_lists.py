"""Lists as people have them, through the real commands: odd addresses, odd quotes, quiet nights."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, OPTIONS, Result, lead_export, manifest_of, run, write_list

from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox


def enrich(sandbox: RunningSandbox, path: Path, out: Path, *options: object) -> Result:
    """Run the job against a sandbox, without a rate limit."""
    words = ["enrich", path, "--out", out, "--api-url", sandbox.url, "--rate", 0, "--fields", "first_name,tags"]
    return lead_export(*words, *options, **CREDENTIALS, **NO_DELAYS)


def outcomes(out: Path) -> list[tuple[str, str]]:
    """The outcome and the address of each row that was published."""
    table = pd.read_parquet(out / "latest" / "outcomes.parquet")
    return list(zip(table.outcome, table.email.fillna(""), strict=True))


def test_domains_that_differ_by_a_letter_are_two(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """`straße.de` is not `strasse.de`: both are looked up; case makes no difference."""
    emails = ["info@straße.example.com", "info@strasse.example.com", "INFO@STRAẞE.example.com"]
    done = run(write_list(tmp_path / "people.csv", emails), sandbox, tmp_path / "out")
    assert done.code == 0, done.err
    assert outcomes(tmp_path / "out") == [("found", emails[0]), ("found", emails[1]), ("duplicate", emails[0])]
    assert sandbox.stats()["calls"] == 2


def test_what_nobody_sees_is_not_asked(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Invisible characters and what pasting leaves are removed, so these rows are duplicates; the rest is invalid."""
    emails = ["ada@example.com", "a\u00adda@exam\u200bple.com", "\u202aada@example.com\u202c", '"<ada@example.com>;"']
    emails += ['"ada@example,com"', "ada[at]@example.com"]
    done = run(write_list(tmp_path / "people.csv", emails), sandbox, tmp_path / "out")
    assert done.code == 0, done.err
    found, *others = outcomes(tmp_path / "out")
    assert found == ("found", "ada@example.com")
    assert others == [("duplicate", "ada@example.com")] * 3 + [("invalid", "")] * 2
    assert sandbox.stats()["calls"] == 1


ODD = ["ann@example.com", "bob@localhost", "nobody", "cat@gmial.com", "BOB@localhost", "dan@gmial.com", "x@example,com"]


def test_suspicious_addresses_are_named_by_line(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """In `plan`, and in the summary and the manifest of `run` and `enrich`; they are looked up all the same."""
    people = tmp_path / "people.csv"
    people.write_text("email\n" + "".join(f'"{email}"\n' for email in ODD), encoding="utf-8")
    planned = lead_export("plan", people, "--json").json["lists"][0]
    assert planned["suspicious"] == 3
    assert [(row["line"], row["code"]) for row in planned["first_suspicious"]] == [
        (3, "no_dot"),
        (5, "typo"),
        (7, "typo"),
    ]
    assert [(row["line"], row["code"]) for row in planned["first_invalid"]] == [(4, "no_at"), (8, "mark_inside")]
    assert "3 suspicious" in lead_export("plan", people).out
    for done in (
        run(people, sandbox, tmp_path / "out", "--json"),
        enrich(sandbox, people, tmp_path / "x.csv", "--json"),
    ):
        assert done.code == 0, done.err
        assert done.json["odd_rows"]["suspicious"] == 3
        assert done.json["odd_rows"]["first_suspicious"][1] == {
            "input": "people.csv",
            "row": 4,
            "unit": "line",
            "line": 5,
            "code": "typo",
        }
        for fact in ("3 suspicious", "people.csv, line 5, line 7", "people.csv, line 3", "people.csv, line 8"):
            assert fact in done.err
        assert "gmial" not in done.err
    assert sandbox.stats()["calls"] == 8


def test_a_list_without_odd_rows_is_not_mentioned(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Neither in the summary nor in the manifest."""
    done = run(write_list(tmp_path / "people.csv", ["ann@example.com"]), sandbox, tmp_path / "out", "--json")
    assert "odd_rows" not in done.json
    assert "suspicious" not in done.err


def test_a_resumed_run_names_them_too(tmp_path: Path) -> None:
    """Although its list is not imported again, and has another name by now."""
    people, out = write_list(tmp_path / "people.csv", ODD), tmp_path / "out"
    with running(OPTIONS) as sandbox:
        sandbox.control(revoke_after=1)
        stopped = run(people, sandbox, out, "--concurrency", 1, "--json")
        assert (stopped.code, stopped.json["odd_rows"]["suspicious"]) == (4, 4)
        sandbox.control(revoke_after=0)
        done = run(people.rename(tmp_path / "moved.csv"), sandbox, out, "--json")
    assert done.code == 0, done.err
    assert {row["input"] for row in done.json["odd_rows"]["first_suspicious"]} == {"moved.csv"}
    rebuilt = lead_export("rebuild", out / "latest", "--out", tmp_path / "again", "--json")
    assert rebuilt.json["odd_rows"] == done.json["odd_rows"]


@pytest.mark.parametrize("content", ["email\n", ""])
def test_a_list_without_rows_is_refused_unless_it_may_be_empty(
    sandbox: RunningSandbox, tmp_path: Path, content: str
) -> None:
    """A quiet night is no failure for who says so; otherwise empty tables never replace good ones."""
    quiet, out = tmp_path / "new.csv", tmp_path / "out"
    quiet.write_text(content)
    assert run(write_list(tmp_path / "people.csv", ["ann@example.com"]), sandbox, out).code == 0
    before = manifest_of(out)
    assert "new.csv" in run(quiet, sandbox, out).sentence
    assert lead_export("plan", quiet).code == 2
    assert manifest_of(out) == before
    done = run(quiet, sandbox, out, "--allow-empty", "--json")
    assert done.code == 0, done.err
    assert (done.json["status"], done.json["rows"]["read"], done.json["calls"]["sent"]) == ("complete", 0, 0)
    assert len(pd.read_parquet(out / "latest" / "leads.parquet")) == 0
    planned = lead_export("plan", quiet, "--json", LEAD_EXPORT_ALLOW_EMPTY="true").json
    assert (planned["rows"]["read"], planned["to_ask"]) == (0, 0)
    enriched = enrich(sandbox, quiet, tmp_path / "enriched.csv", "--allow-empty")
    assert enriched.code == 0, enriched.err
    assert (tmp_path / "enriched.csv").read_text().count("\n") == 1
    assert "lead_outcome" in (tmp_path / "enriched.csv").read_text()


def test_an_empty_list_beside_others_is_no_error(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A header without rows never was; a list with rows but without an address is, even if it may be empty."""
    people, quiet = write_list(tmp_path / "people.csv", ["ann@example.com"]), write_list(tmp_path / "quiet.csv", [])
    assert run(quiet, sandbox, tmp_path / "out", people).code == 0
    wrong = write_list(tmp_path / "wrong.csv", ["nobody"])
    assert "does not hold an address" in run(wrong, sandbox, tmp_path / "other", "--allow-empty").sentence


ESCAPED = 'id;name;email\n1;"Joe \\"JJ\\" Smith";ann@example.com\n2;\\N;bob@example.com\n3;"C:\\\\x;y";nobody\n'
UNQUOTED = 'id\tname\temail\n1\tJoe "JJ\tann@example.com\n2\t"Jim" \\N\tbob@example.com\n'


def test_escaped_quotes_come_back_escaped(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """What `enrich` writes parses in the list's own dialect, which it detects; the other programs' null stays null."""
    path, out = tmp_path / "people.csv", tmp_path / "out.csv"
    path.write_text(ESCAPED)
    done = enrich(sandbox, path, out)
    assert done.code == 0, done.err
    lines = out.read_text().splitlines()
    assert [line.partition("@")[0] for line in lines[1:3]] == [r'1;"Joe \"JJ\" Smith";ann', r"2;\N;bob"]
    assert lines[3].startswith('3;"C:\\\\x;y";nobody;invalid;')
    again = enrich(sandbox, out, tmp_path / "again.csv", "--prefix", "more_", "--quoting", "backslash")
    assert again.code == 0, again.err
    for line, before in zip((tmp_path / "again.csv").read_text().splitlines(), lines, strict=True):
        assert line.startswith(before)
    assert enrich(sandbox, path, tmp_path / "out.tsv").code == 0
    rows = list(csv.reader((tmp_path / "out.tsv").read_text().splitlines(), delimiter="\t", strict=True))
    assert [row[1] for row in rows] == ["name", 'Joe "JJ" Smith', "", r"C:\x;y"]


def test_lists_without_quoting_come_back_without(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """The error suggests the option; with it every line of the list begins the line that is written."""
    path, out = tmp_path / "people.tsv", tmp_path / "out.tsv"
    path.write_text(UNQUOTED)
    assert "--quoting none" in enrich(sandbox, path, out).sentence
    done = enrich(sandbox, path, out, "--quoting", "none", "--list-separator", "\t")
    assert done.code == 0, done.err
    written = out.read_text().splitlines()
    for line, before in zip(written, UNQUOTED.splitlines(), strict=True):
        assert line.startswith(before)
        assert line.count("\t") == written[0].count("\t")
    assert "spaces" in done.err


def test_another_quoting_is_another_list(tmp_path: Path) -> None:
    """An unfinished run that read the list otherwise is not resumed, and the warning says what differs."""
    people, out = write_list(tmp_path / "people.csv", ODD), tmp_path / "out"
    with running(OPTIONS) as sandbox:
        sandbox.control(revoke_after=1)
        assert run(people, sandbox, out, "--concurrency", 1).code == 4
        other = run(people, sandbox, out, "--quoting", "none")
    assert "is not resumed: quoting was unset and is none." in other.err


@pytest.mark.parametrize(("option", "value"), [("--quoting", "both"), ("--quoting", "None")])
def test_an_unknown_quoting_is_invalid_usage(tmp_path: Path, option: str, value: str) -> None:
    """The message names the option and what there is."""
    sentence = lead_export("plan", write_list(tmp_path / "people.csv", ODD), option, value).sentence
    assert [word for word in ("--quoting", "standard", "backslash", "none") if word not in sentence] == []


def test_nested_addresses_are_exported(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """The message of the first try names the path that the second one reads."""
    path = tmp_path / "people.jsonl"
    rows = [{"type": "RECORD", "record": {"email": f"p{n}@example.com"}} for n in range(3)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"type": "STATE", "value": {}}]))
    assert "record.email" in run(path, sandbox, tmp_path / "out").sentence
    assert sandbox.stats()["calls"] == 0
    done = run(path, sandbox, tmp_path / "out", "--email-column", "record.email", "--json")
    assert (done.code, done.json["rows"]["found"], done.json["rows"]["invalid"]) == (0, 3, 1)
    enriched = enrich(sandbox, path, tmp_path / "out.csv", "--email-column", "record.email")
    assert enriched.code == 0, enriched.err
    assert pd.read_csv(tmp_path / "out.csv").lead_outcome.tolist() == ["found"] * 3 + ["invalid"]

"""Lists of every form through the real command."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import run

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

PEOPLE = ["ann@example.com", "not-found@example.com", "nobody"]


def test_a_compressed_list_in_a_stated_dialect_is_exported(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """--encoding and --delimiter apply to the list; --verbose logs how it is read."""
    path = tmp_path / "people.csv.gz"
    rows = "".join(f"Иван~{email}\n" for email in PEOPLE)
    path.write_bytes(gzip.compress(f"имя~email\n{rows}".encode("cp1251")))
    done = run(path, sandbox, tmp_path / "out", "--encoding", "cp1251", "--delimiter", "~", "-v", "--json")
    assert done.code == 0, done.err
    facts = ("people.csv.gz", "csv.gz", "cp1251", "'~'", "'email' (2 of 2)")
    assert [fact for fact in facts if fact not in done.err] == []
    assert pd.read_parquet(tmp_path / "out" / "latest" / "outcomes.parquet").given.tolist() == PEOPLE


def test_lists_of_several_forms_are_taken_as_one(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Each row is accounted for by its list and number."""
    objects = tmp_path / "people.jsonl"
    objects.write_text("".join(json.dumps({"email": email}) + "\n" for email in PEOPLE))
    table = tmp_path / "people.parquet"
    pd.DataFrame({"email": PEOPLE}).to_parquet(table)
    done = run(objects, sandbox, tmp_path / "out", table, "--json")
    assert done.code == 0, done.err
    assert [(each["name"], each["rows"]) for each in done.json["input"]] == [(objects.name, 3), (table.name, 3)]


@pytest.mark.parametrize(("option", "value"), [("--encoding", "klingon"), ("--delimiter", "dots")])
def test_an_unknown_encoding_or_delimiter_is_invalid_usage(
    sandbox: RunningSandbox, tmp_path: Path, option: str, value: str
) -> None:
    """Reported before any call."""
    path = tmp_path / "people.csv"
    path.write_text("".join(f"{email}\n" for email in PEOPLE))
    assert repr(value) in run(path, sandbox, tmp_path / "out", option, value).sentence

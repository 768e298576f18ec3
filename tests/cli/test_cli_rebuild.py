"""`lead-export rebuild`: the tables of a published run again, from its replies."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import OPTIONS, lead_export, manifest_of, run, write_list

from pipeline.sandbox.process import running

if TYPE_CHECKING:
    from pathlib import Path

EMAILS = [
    *(f"person.{number}@example.com" for number in range(40)),
    *("not-found@example.com", "new-keys@example.com", "wrong-types@example.com", "bad-utf8@example.com"),
    *("other-lead@example.com", "always-500@example.com", "PERSON.1@example.com", "=no address", "'+not one"),
]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published run with rows of every outcome, in both formats."""
    folder = tmp_path_factory.mktemp("published")
    formats = ("--format", "csv", "--format", "parquet", "--timezone", "America/New_York", "--csv-bom")
    environ = {"LEAD_EXPORT_MAX_ATTEMPTS": "1", "LEAD_EXPORT_BATCH_LEADS": "7"}
    with running(OPTIONS) as sandbox:
        assert run(write_list(folder / "people.csv", EMAILS), sandbox, folder / "out", *formats, **environ).code == 3
    return folder / "out"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_same_bytes_come_out(out: Path, tmp_path: Path) -> None:
    """Without options every file is the same, the manifest included; so is the exit code."""
    done = lead_export("rebuild", out / "latest", "--out", tmp_path)
    assert (done.code, done.out) == (3, "")
    assert f"tables in {tmp_path}/run=" in done.err
    assert contents(tmp_path / "latest") == contents(out / "latest")
    assert len(contents(out / "latest")) == 8 * 2 + 2 + 3


def test_another_format_and_zone(out: Path, tmp_path: Path) -> None:
    """Options that are given apply and are in the manifest, which keeps what it done about the calls."""
    options = ("--format", "parquet", "--timezone", "UTC", "--json", "-q")
    done = lead_export("rebuild", out / "latest", "--out", tmp_path, *options)
    before, after = manifest_of(out), manifest_of(tmp_path)
    assert (done.json, done.err) == (after, "")
    assert (after["settings"]["formats"], after["settings"]["timezone"]) == (["parquet"], "UTC")
    for key in ("run_id", "status", "rows", "calls", "started_at", "finished_at", "input", "drift"):
        assert after[key] == before[key]
    leads = [pd.read_parquet(folder / "latest" / "leads.parquet") for folder in (out, tmp_path)]
    assert leads[0]["id"].tolist() == leads[1]["id"].tolist()
    shift = (leads[0]["date_joined"] - leads[1]["date_joined"]).dropna().unique()
    assert {pd.Timedelta(delta) for delta in shift} == {pd.Timedelta(hours=4), pd.Timedelta(hours=5)}


def test_the_environment_counts_too(out: Path, tmp_path: Path) -> None:
    """The layers are the same as everywhere; the settings of the run come after them."""
    assert lead_export("rebuild", out / "latest", "--out", tmp_path, LEAD_EXPORT_CSV_BOM="false").code == 3
    assert manifest_of(tmp_path)["settings"]["csv_bom"] is False
    assert manifest_of(tmp_path)["settings"]["timezone"] == "America/New_York"


def test_a_run_rebuilt_from_csv_only(tmp_path: Path) -> None:
    """A run that published CSV can be rebuilt; one without its replies is exit 2."""
    people = write_list(tmp_path / "people.csv", EMAILS[:3])
    with running(OPTIONS) as sandbox:
        assert run(people, sandbox, tmp_path / "csv", "--format", "csv").code == 0
        assert run(people, sandbox, tmp_path / "bare", "--format", "csv", "--no-keep-replies").code == 0
    assert lead_export("rebuild", tmp_path / "csv" / "latest", "--out", tmp_path / "again").code == 0
    assert contents(tmp_path / "again" / "latest") == contents(tmp_path / "csv" / "latest")
    assert (
        "--no-keep-replies" in lead_export("rebuild", tmp_path / "bare" / "latest", "--out", tmp_path / "none").sentence
    )
    assert not (tmp_path / "none").exists()


def test_an_existing_run_is_not_replaced(out: Path, tmp_path: Path) -> None:
    """Rebuilding into the folder of the run itself is exit 2 and changes nothing; so is a folder without a run."""
    before = contents(out / "latest")
    assert "--out" in lead_export("rebuild", out / "latest", "--out", out).sentence
    assert contents(out / "latest") == before
    assert str(tmp_path) in lead_export("rebuild", tmp_path, "--out", tmp_path / "x").sentence


def test_a_manifest_that_is_damaged_or_of_another_version(out: Path, tmp_path: Path) -> None:
    """Without a key that is needed it is exit 6; a key that only another version knows is kept."""
    for name, change, code in (("old", {"calls": None}, 6), ("new", {"mood": "good"}, 3)):
        copy = tmp_path / name
        shutil.copytree(out / "latest", copy)
        manifest = manifest_of(out) | change
        (copy / "manifest.json").write_text(json.dumps(manifest))
        done = lead_export("rebuild", copy, "--out", tmp_path / f"from-{name}")
        assert (done.code, "Traceback" in done.err) == (code, False)
    assert manifest_of(tmp_path / "from-new")["mood"] == "good"


def test_damaged_replies_are_exit_6(out: Path, tmp_path: Path) -> None:
    """A changed file is exit 6, and nothing is published."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name, content in contents(out / "latest").items():
        (copy / name).write_bytes(content[:-1] if name == "replies.parquet" else content)
    done = lead_export("rebuild", copy, "--out", tmp_path / "again")
    assert (done.code, len(done.err.splitlines())) == (6, 1)
    assert not (tmp_path / "again" / "latest").exists()

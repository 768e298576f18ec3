"""`lead-export rebuild`: the tables of a published run once more."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest
from cli_command import OPTIONS, environment, lead_export, manifest_of, run, write_list
from test_cli_help import LOADED

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
    """A published run with rows of all classes, in both formats."""
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
    """Without a word about format or zone every file is the same, the manifest too; so is the exit code."""
    said = lead_export("rebuild", out / "latest", "--out", tmp_path)
    assert (said.code, said.out) == (3, "")
    assert f"tables in {tmp_path}/run=" in said.err
    assert contents(tmp_path / "latest") == contents(out / "latest")
    assert len(contents(out / "latest")) == 7 * 2 + 2 + 3


def test_another_format_and_zone(out: Path, tmp_path: Path) -> None:
    """What is said anew counts, and stands in the manifest; the account of the calls stays."""
    options = ("--format", "parquet", "--timezone", "UTC", "--json", "-q")
    said = lead_export("rebuild", out / "latest", "--out", tmp_path, *options)
    before, after = manifest_of(out), manifest_of(tmp_path)
    assert (said.json, said.err) == (after, "")
    assert (after["settings"]["formats"], after["settings"]["timezone"]) == (["parquet"], "UTC")
    for key in ("run_id", "status", "rows", "calls", "started_at", "finished_at", "input", "drift"):
        assert after[key] == before[key]
    leads = [pd.read_parquet(folder / "latest" / "leads.parquet") for folder in (out, tmp_path)]
    assert leads[0]["id"].tolist() == leads[1]["id"].tolist()
    shift = (leads[0]["date_joined"] - leads[1]["date_joined"]).dropna().unique()
    assert {pd.Timedelta(delta) for delta in shift} == {pd.Timedelta(hours=4), pd.Timedelta(hours=5)}


def test_the_environment_counts_too(out: Path, tmp_path: Path) -> None:
    """Layers are the same as everywhere; what the run was published with comes after them."""
    assert lead_export("rebuild", out / "latest", "--out", tmp_path, LEAD_EXPORT_CSV_BOM="false").code == 3
    assert manifest_of(tmp_path)["settings"]["csv_bom"] is False
    assert manifest_of(tmp_path)["settings"]["timezone"] == "America/New_York"


def test_a_run_rebuilt_from_csv_only(tmp_path: Path) -> None:
    """A run that was to publish CSV keeps what rebuilding needs; without replies it says so, and exits with 2."""
    people = write_list(tmp_path / "people.csv", EMAILS[:3])
    with running(OPTIONS) as sandbox:
        assert run(people, sandbox, tmp_path / "csv", "--format", "csv").code == 0
        assert run(people, sandbox, tmp_path / "bare", "--format", "csv", "--no-keep-replies").code == 0
    assert lead_export("rebuild", tmp_path / "csv" / "latest", "--out", tmp_path / "again").code == 0
    assert contents(tmp_path / "again" / "latest") == contents(tmp_path / "csv" / "latest")
    said = lead_export("rebuild", tmp_path / "bare" / "latest", "--out", tmp_path / "none")
    assert (said.code, said.out) == (2, "")
    assert "published without its replies (--no-keep-replies)" in said.err
    assert not (tmp_path / "none").exists()


def test_tables_go_to_files_without_pandas(tmp_path: Path) -> None:
    """Loading it takes longer than a small rebuild; only time zones need it."""
    people = write_list(tmp_path / "people.csv", EMAILS[:3])
    with running(OPTIONS) as sandbox:
        assert run(people, sandbox, tmp_path / "out").code == 0
    for more, loaded in ((), "pyarrow"), (("--timezone", "EST"), "pandas pyarrow"):
        words = ["rebuild", tmp_path / "out" / "latest", "--out", tmp_path / loaded, "-q", *more]
        program = [sys.executable, "-c", LOADED % (("pandas", "pyarrow"),), *words]
        done = subprocess.run(program, env=environment({}), capture_output=True, text=True, check=True)
        assert done.stderr == f"loaded: {loaded}\n"


def test_what_is_there_already_stays(out: Path, tmp_path: Path) -> None:
    """Rebuilding into the folder of the run itself, or twice into another one, is exit 2 and changes nothing."""
    before = contents(out / "latest")
    said = lead_export("rebuild", out / "latest", "--out", out)
    assert (said.code, said.err.endswith("this run is there already; name another --out.\n")) == (2, True)
    assert contents(out / "latest") == before
    said = lead_export("rebuild", tmp_path, "--out", tmp_path / "x")
    assert said.code == 2
    assert said.err.startswith(f"lead-export: {tmp_path}: ")


def test_damaged_replies_are_exit_6(out: Path, tmp_path: Path) -> None:
    """A changed file is refused with one sentence, and nothing is published."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for name, content in contents(out / "latest").items():
        (copy / name).write_bytes(content[:-1] if name == "replies.parquet" else content)
    said = lead_export("rebuild", copy, "--out", tmp_path / "again")
    assert (said.code, len(said.err.splitlines())) == (6, 1)
    assert not (tmp_path / "again" / "latest").exists()

"""The tables of all accounts together: what is in them, of which runs, and when there are none."""

from __future__ import annotations

import dataclasses
import json
import shutil
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from agency import credentials, people_of
from cli_command import lead_export, manifest_of, target, write_list

from pipeline.accounts.combined import TABLES
from pipeline.accounts.lanes import Accounts, Wanted, load_accounts
from pipeline.accounts.round import LaneRecord
from pipeline.errors import ExitCode
from pipeline.files import durable
from pipeline.jobs.before import done, unfinished_name
from pipeline.jobs.combining import combine
from pipeline.schema import LEADS

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

NAMES = ("acme", "globex")
ODD = ["not-found@example.com", "no address", "new-keys@example.com"]


@pytest.fixture(scope="module")
def runs(server: RunningSandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two accounts that have published a run, called `first`."""
    folder = tmp_path_factory.mktemp("runs")
    for name in NAMES:
        people = write_list(folder / "people.csv", [*people_of(name, 7), *ODD])
        assert published(server, folder, name, people, "first") == 0
    return folder / "export"


@pytest.fixture
def accounts(runs: Path, tmp_path: Path) -> Accounts:
    """These two accounts, and one that has not published anything."""
    shutil.copytree(runs, tmp_path / "export", symlinks=True)
    config = tmp_path / "agency.toml"
    tables = "".join(f'[accounts.{name}]\nlists = "people.csv"\n' for name in (*NAMES, "initech"))
    config.write_text(f'out = "{tmp_path}/export"\nkeep_runs = 2\nformats = ["parquet", "csv"]\n{tables}')
    return load_accounts(config, Wanted({}), credentials(*NAMES, "initech"))


def published(sandbox: RunningSandbox, folder: Path, name: str, people: Path, run_id: str, *options: str) -> int:
    """Publish a run of an account."""
    out = folder / "export" / f"account={name}"
    env = {key.replace(f"_{name.upper()}", ""): value for key, value in credentials(name).items()}
    return lead_export("run", people, *target(sandbox, out), "--run-id", run_id, "-q", *options, **env).code


def test_the_same_tables_with_the_account_first(accounts: Accounts) -> None:
    """All rows of all accounts in the order of the file; types, codes and counts fit, as `verify` finds."""
    record = combine(accounts, {"acme": "first", "globex": "first"}, "night", "any")
    assert (record.run_id, record.code, record.sentence) == ("night", 0, None)
    combined = accounts.out / "combined" / "latest"
    for table in TABLES:
        parts = {name: pq.read_table(accounts.folders[name] / "latest" / f"{table.name}.parquet") for name in NAMES}
        expected = pa.concat_tables(
            part.add_column(0, "account", pa.array([name] * len(part), pa.string())) for name, part in parts.items()
        )
        found = pq.read_table(combined / f"{table.name}.parquet")
        assert found.column_names == ["account", *table.names]
        assert found.replace_schema_metadata() == expected.replace_schema_metadata()
        assert len(pd.read_csv(combined / f"{table.name}.csv")) == len(found)
    leads = pd.read_parquet(combined / "leads.parquet")
    assert not leads.duplicated(["account", "id"]).any()
    manifest = manifest_of(accounts.out / "combined")
    assert manifest["rows"]["read"] == 20
    assert {name: one["state"] for name, one in manifest["accounts"].items()} == {
        "acme": "fresh",
        "globex": "fresh",
        "initech": "missing",
    }
    assert manifest["accounts"]["acme"]["run_id"] == "first"
    assert "replies" not in manifest["tables"]
    verified = lead_export("verify", combined)
    assert verified.code == 0, verified.err
    assert all(path.stat().st_mode & 0o077 == 0 for path in combined.iterdir())


def test_which_run_of_each_account(sandbox: RunningSandbox, accounts: Accounts, tmp_path: Path) -> None:
    """The new one if there is one, else the newest, which is stale; old combined runs go as `keep_runs` says."""
    people = write_list(tmp_path / "people.csv", people_of("acme", 5))
    assert published(sandbox, tmp_path, "acme", people, "second") == 0
    records = [combine(accounts, {"acme": "second"}, "night", "any") for _ in range(3)]
    assert [record.run_id for record in records] == ["night", "night-2", "night-3"]
    assert {name: (one.state, one.run_id) for name, one in records[0].accounts.items()} == {
        "acme": ("fresh", "second"),
        "globex": ("stale", "first"),
        "initech": ("missing", None),
    }
    assert sorted(path.name for path in (accounts.out / "combined").glob("run=*")) == ["run=night-2", "run=night-3"]
    assert manifest_of(accounts.out / "combined")["rows"]["read"] == 15


def test_all_are_required(accounts: Accounts) -> None:
    """Nothing is published, and the sentence names those that had no new run; nor is there without any new run."""
    fresh = {"acme": "first", "globex": "first"}
    record = combine(accounts, fresh, "night", "all")
    assert (record.run_id, record.code, "initech had no new run" in str(record.sentence)) == (None, 0, True)
    assert combine(accounts, {}, "night", "any").run_id is None
    assert not (accounts.out / "combined").exists()
    two = dataclasses.replace(accounts, folders={name: accounts.folders[name] for name in NAMES})
    assert combine(two, fresh, "night", "all").run_id == "night"


def test_a_damaged_run_is_left_out(accounts: Accounts) -> None:
    """Exit 6 and the name of the file, and the others are combined all the same."""
    (accounts.folders["globex"] / "run=first" / "tags.parquet").write_bytes(b"PAR1")
    record = combine(accounts, {"acme": "first", "globex": "first"}, "night", "any")
    assert (record.run_id, record.code) == ("night", ExitCode.STORAGE)
    assert "account=globex/run=first/tags.parquet" in str(record.sentence)
    assert (record.accounts["globex"].state, record.accounts["acme"].state) == ("missing", "fresh")


def replace_table(run: Path, name: str, table: pa.Table) -> None:
    """Let a run have published this table."""
    path = run / f"{name}.parquet"
    pq.write_table(table, path)
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["tables"][name]["files"] = [
        {"name": path.name, "rows": len(table), "bytes": path.stat().st_size, "sha256": durable.sha256(path)}
    ]
    (run / "manifest.json").write_text(json.dumps(manifest))


def test_runs_of_other_versions(accounts: Accounts) -> None:
    """A column that an older version did not have is null; one of another type keeps the run out, with a reason."""
    older, other = (accounts.folders[name] / "run=first" for name in NAMES)
    leads = pq.read_table(older / "leads.parquet")
    replace_table(older, "leads", leads.drop_columns(["company", "facebook"]))
    leads = pq.read_table(other / "leads.parquet")
    dates = leads.column("date_joined").cast(pa.timestamp("ms", "UTC"))
    replace_table(other, "leads", leads.set_column(leads.column_names.index("date_joined"), "date_joined", dates))
    record = combine(accounts, {"acme": "first", "globex": "first"}, "night", "any")
    assert (record.run_id, record.code, record.accounts["globex"].state) == ("night", 0, "missing")
    assert "date_joined" in str(record.accounts["globex"].reason)
    found = pd.read_parquet(accounts.out / "combined" / "latest" / "leads.parquet")
    assert list(found.columns) == ["account", *LEADS.names]
    assert (len(found), int(found["company"].count())) == (8, 0)


def test_what_an_interrupted_round_takes_as_done(accounts: Accounts, sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A published run of the same list and App, even if its process could not say so; and nothing else."""
    people = write_list(tmp_path / "people.csv", [*people_of("acme", 7), *ODD])
    acme = accounts.lanes[0]
    settings = acme.settings.model_copy(update={"api_url": sandbox.url})
    lane = dataclasses.replace(acme, lists=(people,), settings=settings)
    killed = LaneRecord(out=str(lane.out), code=137, run_id="first")
    record = done(lane, killed)
    assert record is not None
    assert (record.code, record.published, record.rows["read"]) == (0, True, 10)
    refused = LaneRecord(out=str(lane.out), code=4, published=True, run_id="first")
    assert done(lane, refused) == refused
    assert done(dataclasses.replace(lane, settings=acme.settings), killed) is None
    assert done(lane, LaneRecord(out="elsewhere", run_id="first")) is None
    assert done(lane, LaneRecord(out=str(lane.out), run_id="second")) is None
    assert done(lane, LaneRecord(out=str(lane.out))) is None
    journal = lane.out / ".lead-export" / "first.journal"
    journal.touch()
    assert (done(lane, killed), unfinished_name(lane, killed)) == (None, "first")
    journal.unlink()
    write_list(people, people_of("acme", 8))
    assert done(lane, killed) is None
    people.unlink()
    assert (done(lane, killed), unfinished_name(lane, killed)) == (None, None)


def test_without_room_for_a_combined_folder(accounts: Accounts) -> None:
    """What is in the way is named; it has the exit code of a run there."""
    (accounts.out / "combined").write_text("a file")
    record = combine(accounts, {"acme": "first"}, "night", "any")
    assert (record.run_id, record.code, "combined" in str(record.sentence)) == (None, ExitCode.USAGE, True)

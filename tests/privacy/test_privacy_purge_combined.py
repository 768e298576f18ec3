"""Erasing people from the tables of several accounts together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from agency import people_of
from cli_command import lead_export, manifest_of
from purge_people import purge, traces

from pipeline.privacy.filtering import RowFilter, filter_file
from pipeline.privacy.identity import people_of as those
from pipeline.privacy.reading import RunFiles
from pipeline.privacy.run_search import hits_in, their_leads

if TYPE_CHECKING:
    from pathlib import Path

    from agency import Agency


def rows_of(agency: Agency, table: str) -> pd.DataFrame:
    """A table of all accounts."""
    return pd.read_parquet(agency.out / "combined" / "latest" / f"{table}.parquet")


def test_people_are_erased_from_combined_tables(agency: Agency) -> None:
    """In every format; rows of others stay, those of hers in `outcomes` as erased, with their account."""
    agency.has("acme", "globex", people=3, common='formats = ["parquet", "csv"]')
    assert agency.run().code == 0
    who, combined = people_of("acme", 1)[0], agency.out / "combined"
    before, counted = rows_of(agency, "leads"), lead_export("purge", who, "--out", combined, "--dry-run")
    assert (counted.code, "leads.parquet: 1 row" in counted.err) == (0, True), counted.err
    done = purge(who, "--out", combined)
    assert done.code == 0, done.err
    assert traces(combined, who) == []
    kept = before[before["email"] != who].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows_of(agency, "leads"), kept)
    outcomes = rows_of(agency, "outcomes")
    assert outcomes[outcomes["outcome"] == "erased"][["account", "row"]].to_numpy().tolist() == [["acme", 1]]
    cells = pd.read_csv(combined / "latest" / "outcomes.csv")
    assert cells[cells["outcome"] == "erased"][["account", "row"]].to_numpy().tolist() == [["acme", 1]]
    assert manifest_of(combined)["rows"]["erased"] == 1
    assert lead_export("verify", combined / "latest").code == 0


def test_the_same_id_in_another_account_is_a_stranger(tmp_path: Path) -> None:
    """A lead is hers under another address, too, but not one of another account that has the same id."""
    columns = {
        "account": ["acme", "globex", "acme", "globex"],
        "id": ["7", "7", "7", "8"],
        "email": ["ada@example.com", "bob@example.com", "countess@example.com", "eve@example.com"],
    }
    pq.write_table(pa.table(columns), tmp_path / "leads.parquet")
    run = RunFiles(tmp_path, {"settings": {}}, {"leads": ["leads.parquet"]}, {}, {}, "")
    people = those(["ada@example.com"])
    people.lead_ids[run.account] |= their_leads(run, people)
    assert hits_in(run, people).tables == {"leads": 2}
    target = tmp_path / "filtered.parquet"
    filter_file(tmp_path / "leads.parquet", target, RowFilter("leads", people, run.account))
    assert pq.read_table(target).column("account").to_pylist() == ["globex", "globex"]


def test_purging_an_account_names_what_the_combined_tables_hold(agency: Agency) -> None:
    """Exit 3 until these are purged, too; a dry run counts them."""
    agency.has("acme", "globex", people=2)
    assert agency.run().code == 0
    who, acme = people_of("acme", 1)[0], agency.folder_of("acme")
    counted = lead_export("purge", who, "--out", acme, "--dry-run")
    assert (counted.code, "../combined/run=" in counted.err) == (0, True)
    done = purge(who, "--out", acme)
    assert (done.code, "Left: ../combined/run=" in done.err, traces(acme, who)) == (3, True, [])
    assert purge(who, "--out", agency.out / "combined").code == 0
    again = purge(who, "--out", acme)
    assert (again.code, "Nothing is held" in again.err) == (0, True)

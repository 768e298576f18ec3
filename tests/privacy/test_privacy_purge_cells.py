"""Purging somebody whose address stands in the cell of somebody else: as a name before the address that is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pytest
from cli_command import lead_export, manifest_of, write_list
from purge_people import ADA, BOB, EVE, FORMATS, KEY, LEADS, STOP, api, purge, traces

from pipeline.privacy.identity import people_of

if TYPE_CHECKING:
    from pathlib import Path

NAMED = f'"{ADA}" <{BOB}>'
CELLS = [EVE, NAMED, f"{ADA} {BOB}", BOB]
"""Bob under her address as his name, a cell that is no address but has hers in it, and Bob once more."""


def write_cells(path: Path, *more: str) -> Path:
    """A list of such cells."""
    return write_list(path, ['"' + cell.replace('"', '""') + '"' for cell in (*CELLS, *more)])


def rows_in(path: Path) -> pd.DataFrame:
    """The outcomes in a file of any format."""
    if path.suffix == ".parquet":
        return pd.read_parquet(path)
    return pd.read_excel(path) if path.suffix == ".xlsx" else pd.read_csv(path, sep="\t" if "tsv" in path.name else ",")


@pytest.mark.parametrize("replies", ["--keep-replies", "--no-keep-replies"])
def test_the_row_and_the_answer_of_the_other_one_stay(tmp_path: Path, replies: str) -> None:
    """Her address goes out of his cell in every format; his lead is still there, and the run is intact."""
    people, out = write_cells(tmp_path / "people.csv"), tmp_path / "out"
    with api(LEADS) as env:
        assert lead_export("run", people, "--out", out, "--run-id", "a", "-q", *FORMATS, replies, **env).code == 0
    assert traces(out, ADA) != []
    done = purge(ADA, "--out", out)
    assert (done.code, traces(out, ADA)) == (0, []), done.err
    for name in ("parquet", "csv", "tsv", "xlsx"):
        rows = rows_in(out / "latest" / f"outcomes.{name}")
        assert rows["outcome"].tolist() == ["found", "found", "erased", "duplicate"]
        assert rows["given"].fillna("").tolist() == [EVE, f'"[erased]" <{BOB}>', "", BOB]
        assert pd.to_numeric(rows["lead_id"]).fillna(0).astype(int).tolist() == [5, 2, 0, 2]
    assert pd.read_parquet(out / "latest" / "leads.parquet")["id"].tolist() == ["5", "2"]
    assert lead_export("verify", out / "latest").code == 0


def test_a_run_that_has_her_in_such_a_cell_only(tmp_path: Path) -> None:
    """It is purged although no row of it is hers."""
    people, out = write_list(tmp_path / "people.csv", ['"' + NAMED.replace('"', '""') + '"']), tmp_path / "out"
    with api(LEADS) as env:
        assert lead_export("run", people, "--out", out, "-q", **env).code == 0
    assert purge(ADA, "--out", out, **KEY).code == 0
    assert traces(out, ADA) == []
    manifest = manifest_of(out)
    assert (manifest["rows"]["found"], manifest["generation"]) == (1, 1)
    assert lead_export("verify", out / "latest").code == 0


def test_an_unfinished_run(tmp_path: Path) -> None:
    """His row stays with his answer in the journal, without her address, and the run goes on to its end."""
    people, out = write_cells(tmp_path / "people.csv", STOP), tmp_path / "out"
    with api(LEADS) as env:
        command = ("run", people, "--out", out, "-q", "--concurrency", 1)
        assert lead_export(*command, **env).code == 4
        assert purge(ADA, "--out", out).code == 0
        assert traces(out, ADA) == []
    with api({**LEADS, STOP: {"id": "9", "email": STOP}}) as env:
        assert lead_export(*command, **env).code == 0
    rows = pd.read_parquet(out / "latest" / "outcomes.parquet")
    assert rows["given"].fillna("").tolist()[:4] == [EVE, f'"[erased]" <{BOB}>', "", BOB]
    assert rows["email"].tolist()[1::2] == [BOB, BOB]
    assert lead_export("verify", out / "latest").code == 0


def test_whose_row_it_is() -> None:
    """A cell says so only where the row has no address of its own."""
    people = people_of([ADA])
    table = pa.table({"given": [ADA, NAMED, f"{ADA} {BOB}", BOB], "email": [ADA, BOB, None, BOB]})
    assert people.rows_of("outcomes", table, "").to_pylist() == [True, False, True, False]
    assert people.cells_of(table).to_pylist() == [False, True, False, False]

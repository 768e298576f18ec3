"""Purging runs that left out whatever says whose rows they are: what cannot be told is named, or goes as a whole."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
from cli_command import lead_export
from purge_people import ADA, BOB, KEY, LEADS, NEW_ADA, lead, publish, purge, traces

if TYPE_CHECKING:
    from pathlib import Path

CHANGED = {**LEADS, ADA: lead("1", ADA, phone="557"), BOB: lead("2", BOB, phone="556")}
NAMELESS = {
    **KEY,
    "LEAD_EXPORT_DROP_COLUMNS": "leads.email,leads.id",
    "LEAD_EXPORT_KEEP_COLUMNS": "*.extra,leads.notes,leads.lead_picture,custom_fields.value,outcomes.message",
}


def two_runs(tmp_path: Path, replies: str) -> Path:
    """Two runs without addresses and ids, the second with changes of Ada and of Bob."""
    for run_id, leads in (("a", LEADS), ("b", CHANGED)):
        assert (
            publish(tmp_path, tmp_path / "out", leads, "--run-id", run_id, LEAD_EXPORT_REPLIES=replies, **NAMELESS).code
            == 3
        )
    return tmp_path / "out"


def test_changes_that_do_not_say_whose_they_are(tmp_path: Path) -> None:
    """With private replies everything else is made again, and the changes go as a whole; the run is intact."""
    out = two_runs(tmp_path, "private")
    before = pd.read_parquet(out / "run=b" / "changes.parquet")
    assert len(before)
    assert before[["requested_email", "lead_id"]].isna().to_numpy().all()
    done = purge(ADA, "--out", out, **KEY)
    assert (done.code, traces(out, ADA, NEW_ADA)) == (0, []), done.err
    assert "557" not in pd.read_parquet(out / "run=b" / "leads.parquet")["phone"].dropna().tolist()
    manifest = json.loads((out / "run=b" / "manifest.json").read_bytes())
    assert ("changes" in manifest, "changes" in manifest["tables"]) == (False, False)
    assert not (out / "run=b" / "changes.parquet").exists()
    assert lead_export("verify", out / "run=b", **KEY).code == 0
    assert purge(BOB, "--out", out, **KEY).code == 0


def test_tables_that_do_not_say_whose_they_are(tmp_path: Path) -> None:
    """Without replies nothing says that she is there: each such file is named as left, and the exit code is 3."""
    out = two_runs(tmp_path, "none")
    done = purge(ADA, "--out", out, "--json", **KEY)
    assert done.code == 3
    said = "  Left: run=b/leads.parquet (no column says whose rows these are): rows of theirs may be in it."
    assert said in purge(ADA, "--out", out, **KEY).err
    untold = {one["path"] for one in done.json["remains"] if one["where"] == "no column says whose rows these are"}
    assert {"run=a/leads.parquet", "run=b/leads.parquet", "run=b/tags.parquet"} <= untold
    assert "557" in pd.read_parquet(out / "run=b" / "leads.parquet")["phone"].dropna().tolist()


def test_nothing_is_named_where_an_address_says_it(tmp_path: Path) -> None:
    """Other columns may be left out, and addresses hashed: then she is found, and nothing is left."""
    more = {**NAMELESS, "LEAD_EXPORT_DROP_COLUMNS": "leads.phone", "LEAD_EXPORT_HASH_COLUMNS": "leads.email,leads.id"}
    assert publish(tmp_path, tmp_path / "out", LEADS, "--run-id", "a", LEAD_EXPORT_REPLIES="none", **more).code == 3
    done = purge(ADA, "--out", tmp_path / "out", "--json", **KEY)
    assert (done.code, done.json["remains"]) == (0, [])
    assert len(pd.read_parquet(tmp_path / "out/run=a/leads.parquet")) == 3

"""`lead-export purge`: people are erased from published runs in every format, and nothing else changes."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_command import lead_export, manifest_of
from purge_people import (
    ADA,
    BOB,
    CAROL,
    DAVE,
    FORMATS,
    KEY,
    LEADS,
    MENTIONING,
    NEW_ADA,
    NOBODY,
    ROWS,
    copied,
    publish,
    purge,
    traces,
)

if TYPE_CHECKING:
    from pathlib import Path

    from cli_command import Result

THEIRS = [0, 2, 4, 5, 8]
"""The rows that are Ada's, also under another address, or that hold her lead or her address."""
WITH_HER_LEAD = 5
"""The row of somebody else whose raw reply was her lead, if replies are kept."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An output folder with a run of every format and its report, and one of each that kept no replies."""
    made = tmp_path_factory.mktemp("runs")
    out = made / "out"
    assert publish(made, out, LEADS, "--run-id", "a-bare", *FORMATS[:6], "--no-keep-replies").code == 3
    assert publish(made, out, LEADS, "--run-id", "b-csv", "--format", "csv").code == 3
    assert publish(made, out, LEADS, "--run-id", "c-all", *FORMATS, "--report").code == 3
    return out


@pytest.fixture
def out(folder: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return copied(folder, tmp_path / "out")


@pytest.fixture(scope="module")
def purged(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A copy from which Ada was purged, and what the command printed; it is only looked at."""
    out = copied(folder, tmp_path_factory.mktemp("purged") / "out")
    for run in ("a-bare", "b-csv"):
        (out / f"run={run}").chmod(0o750)
        (out / f"run={run}" / "leads.csv").chmod(0o640)
        (out / f"run={run}" / "README.txt").write_text("read me")
    return out, purge(ADA, "--out", out, **KEY)


def report_of(out: Path) -> dict[str, Any]:
    """The report of the only purge."""
    (path,) = (out / ".lead-export" / "purges").iterdir()
    value: dict[str, Any] = json.loads(path.read_bytes())
    return value


def test_she_is_nowhere_and_the_rest_is_there(purged: tuple[Path, Result], folder: Path) -> None:
    """No spelling of her addresses is in any file, decoded or not; the rows of others are as they were."""
    out, done = purged
    assert len(traces(folder, ADA)) > 20
    assert (done.code, done.out) == (0, "")
    assert traces(out, ADA, NEW_ADA) == []
    for run in ("a-bare", "b-csv", "c-all"):
        before, after = (pd.read_csv(one / f"run={run}/leads.csv", dtype=str) for one in (folder, out))
        others = before[~before["id"].isin(["1"])].reset_index(drop=True)
        pd.testing.assert_frame_equal(after.reset_index(drop=True), others)
        rows = pd.read_csv(out / f"run={run}/outcomes.csv", dtype=str)
        theirs = [row for row in THEIRS if row != WITH_HER_LEAD or run != "a-bare"]
        assert rows.index[rows["outcome"] == "erased"].tolist() == theirs
        blank = rows.loc[theirs].drop(columns=["input", "row", "outcome", "attempts"])
        assert blank.isna().all(axis=None)
        assert rows["row"].tolist() == [str(number) for number in range(1, len(ROWS) + 1)]


@pytest.mark.parametrize("run", ["a-bare", "b-csv", "c-all"])
def test_verify_and_rebuild_agree_with_it(purged: tuple[Path, Result], tmp_path: Path, run: str) -> None:
    """A purged run is intact, and what rebuild makes of it is the same byte for byte."""
    folder = purged[0] / f"run={run}"
    done = lead_export("verify", folder, "--json")
    assert (done.code, done.json["differences"], done.json["rows"]) == (0, [], len(ROWS))
    assert done.json["rebuilt"] is (run != "a-bare")
    if run == "b-csv":
        again = tmp_path / "again"
        assert lead_export("rebuild", folder, "--out", again, "-q").code == 0
        names = sorted(path.name for path in folder.iterdir() if path.name != "README.txt")
        assert names == sorted(path.name for path in (again / f"run={run}").iterdir())
        assert [
            name for name in names if (folder / name).read_bytes() != (again / f"run={run}" / name).read_bytes()
        ] == []


def test_the_manifest_says_that_there_was_a_purge(purged: tuple[Path, Result], folder: Path) -> None:
    """Counts, codes and checksums are those of the new files; a note has no address; `latest` stays."""
    out = purged[0]
    before, manifest = manifest_of(folder), manifest_of(out)
    assert (before["rows"]["found"], before["rows"]["failed"]) == (5, 1)
    rows = {
        "read": 10,
        "found": 3,
        "not_found": 1,
        "deleted": 0,
        "failed": 0,
        "invalid": 1,
        "duplicate": 0,
        "erased": 5,
    }
    assert manifest["rows"] == rows
    assert (manifest["status"], manifest["generation"], "first_failed" in manifest) == ("complete", 1, False)
    assert manifest["codes"] == {"invalid": {"no_at": 1}, "not_found": {"234": 1}}
    (note,) = manifest["purged"]
    assert (note["people"], note["rows"], note["how"], len(note["key_id"])) == (1, 5, "made again", 16)
    kept = ("run_id", "started_at", "finished_at", "input", "calls", "settings", "account")
    assert [manifest[key] for key in kept] == [before[key] for key in kept]
    assert (out / "latest").readlink() == (folder / "latest").readlink()
    assert "report" in manifest


@pytest.mark.parametrize("name", ["a-bare", "b-csv"])
def test_others_may_still_read_what_they_could(purged: tuple[Path, Result], name: str) -> None:
    """Modes of files and folders are taken over, and so is what somebody has put beside the tables."""
    run = purged[0] / f"run={name}"
    assert (run.stat().st_mode & 0o777, (run / "leads.csv").stat().st_mode & 0o777) == (0o750, 0o640)
    assert (run / "README.txt").read_text() == "read me"


def test_filtered_parquet_keeps_its_form(purged: tuple[Path, Result], folder: Path) -> None:
    """Compression, dictionaries, row groups and the description of the columns are as they were."""
    before, after = (pq.ParquetFile(one / "run=a-bare" / "leads.parquet") for one in (folder, purged[0]))
    assert before.schema_arrow.metadata == after.schema_arrow.metadata
    assert before.num_row_groups == after.num_row_groups

    def forms(file: Any) -> list[tuple[str, bool]]:
        group = file.metadata.row_group(0)
        columns = [group.column(number) for number in range(group.num_columns)]
        return [(column.compression, column.has_dictionary_page) for column in columns]

    assert forms(before) == forms(after)


def test_a_second_purge_finds_nothing(purged: tuple[Path, Result]) -> None:
    """Exit 0, nothing is written; the same for an address that was never held."""
    out = purged[0]
    before = {path: path.stat().st_mtime_ns for path in out.rglob("run=*/*")}
    for address in (ADA, "stranger@example.com"):
        done = purge(address, "--out", out, "--json")
        assert (done.code, done.json["purge_id"], done.json["files"]) == (0, None, [])
        assert "Nothing is held of 1 person." in done.err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("run=*/*")} == before
    assert len(list((out / ".lead-export" / "purges").iterdir())) == 1


def test_people_of_every_kind_go_in_one_pass(out: Path, tmp_path: Path) -> None:
    """Soft-deleted, unknown, and the one whose row held somebody else's lead; from standard input and from lists."""
    people = tmp_path / "erase.txt"
    people.write_text(f"<{CAROL.upper()}>\n{NOBODY}\n")
    done = lead_export("purge", "-", "--list", people, "--out", out, "--no-suppress", "--json", stdin=f"{DAVE}\n")
    assert (done.code, done.json["people"]) == (0, 3)
    assert traces(out, CAROL, NOBODY, DAVE) == []
    assert traces(out, BOB) != []
    assert manifest_of(out)["rows"]["erased"] == 3
    (path,) = (out / ".lead-export" / "purges").iterdir()
    assert json.loads(path.read_bytes())["people"] is None  # there is no key


def test_a_dry_run_counts_and_changes_nothing(out: Path) -> None:
    """Rows by file, never a value."""
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    done = purge(ADA, "--out", out, "--dry-run", "--json")
    held = {one["path"]: (one["rows"], one["mentions"]) for one in done.json["held"]}
    assert (done.code, held["run=c-all/leads.xlsx"], held["run=b-csv/replies.parquet"]) == (0, (2, 0), (3, 0))
    assert held["run=a-bare/outcomes.csv"] == (4, 0)
    assert "run=c-all/leads.parquet: 2 rows" in done.err.splitlines()
    assert "@" not in done.out + done.err
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*")} == before


def test_the_report_of_a_purge(purged: tuple[Path, Result]) -> None:
    """Keyed hashes, counts and checksums before and after, what was searched, and what is out of reach; no address."""
    out = purged[0]
    report = report_of(out)
    assert [len(one) for one in report["people"]] == [32]
    leads = next(file for file in report["files"] if file["path"] == "run=c-all/leads.parquet")
    assert (leads["how"], leads["rows_before"], leads["rows_after"]) == ("made again", 5, 3)
    (described,) = (one for one in manifest_of(out)["tables"]["leads"]["files"] if one["name"] == "leads.parquet")
    assert leads["new_sha256"] == described["sha256"] != leads["old_sha256"]
    assert (report["proof"]["files"] > 60, len(report["proof"]["encodings"]) > 10, report["remains"]) == (
        True,
        True,
        [],
    )
    assert any("backup" in sentence for sentence in report["out_of_reach"])
    assert "@" not in json.dumps(report)


# Mentions in the data of others.


@pytest.fixture(scope="module")
def mentioning(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in whose runs others mention Ada."""
    made = tmp_path_factory.mktemp("mentions")
    for run, options in (("a-bare", [*FORMATS[2:], "--no-keep-replies"]), ("b-kept", FORMATS[:4])):
        assert publish(made, made / "out", MENTIONING, "--run-id", run, *options).code == 3
    return made / "out"


def test_mentions_are_named_but_left(mentioning: Path, tmp_path: Path) -> None:
    """Exit 3: each place is named, with a count and no value; her own rows are gone all the same."""
    out = copied(mentioning, tmp_path / "out")
    done = purge(ADA, "--out", out, "--json")
    assert done.code == 3
    left = {(one["path"], one["where"]): one["values"] for one in done.json["remains"]}
    assert left["run=b-kept/leads.parquet", "notes"] == 1
    assert left["run=b-kept/leads.csv", "extra"] == 1
    assert left["run=b-kept/replies.parquet", "body"] == 2
    assert left["run=a-bare/tags.tsv", "tag_name"] == 1
    assert {path for path, _ in left} == set(traces(out, ADA))
    assert "@" not in done.out + done.err
    assert report_of(out)["remains"] == done.json["remains"]
    assert "  Left: run=b-kept/leads.parquet (notes): mentioned in 1 value." in done.err.splitlines()
    assert purge(ADA, "--out", out).code == 3


def test_mentions_can_be_replaced_everywhere(mentioning: Path, tmp_path: Path) -> None:
    """In tables and in the raw replies, so that rebuild does not bring them back; what is around them stays."""
    out = copied(mentioning, tmp_path / "out")
    assert purge(ADA, "--out", out).code == 3
    assert purge(ADA, "--out", out, "--mentions", "redact").code == 0
    assert traces(out, ADA, NEW_ADA) == []
    for run in ("a-bare", "b-kept"):
        assert lead_export("verify", out / f"run={run}", "-q").code == 0
        leads = pd.read_csv(out / f"run={run}/leads.csv", dtype=str).set_index("email")
        assert leads.loc[BOB, "notes"] == "asked by [erased]\nand by [erased]"
        assert leads.loc[BOB, "extra"] == '{"referred_by":"[erased]"}'
        assert leads.loc["eve@example.com", "company"] == "[erased]"
    assert lead_export("rebuild", out / "run=b-kept", "--out", tmp_path / "again", "-q").code == 0
    assert traces(tmp_path / "again", ADA) == []


# What is not made of replies.


def test_the_feed_of_changes(out: Path) -> None:
    """Her rows are left out of it, in every format, and what others have is kept; the manifest counts what is left."""
    run = out / "run=b-csv"
    columns = ("requested_email", "lead_id", "table_name", "change", "old_value")
    rows = [(ADA, "1", "leads", "changed", "x"), (BOB, "2", "tags", "added", ""), (NEW_ADA, "1", "tags", "added", "")]
    table = pa.table({name: [row[number] for row in rows] for number, name in enumerate(columns)})
    pq.write_table(table, run / "changes.parquet", compression="zstd")
    pd.DataFrame(rows, columns=columns).to_csv(run / "changes.csv", index=False)
    manifest = json.loads((run / "manifest.json").read_bytes())
    manifest["tables"]["changes"] = {"files": [described(run / f"changes.{name}", 3) for name in ("parquet", "csv")]}
    counts = {"leads": {"changed": 1}, "tags": {"added": 2}}
    manifest["changes"] = {"baseline": False, "since_run": "a-bare", "rows": 3, "tables": counts}
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert purge(ADA, "--out", out).code == 0
    assert traces(out, ADA, NEW_ADA) == []
    assert pd.read_parquet(run / "changes.parquet")["requested_email"].tolist() == [BOB]
    assert pd.read_csv(run / "changes.csv")["requested_email"].tolist() == [BOB]
    after = json.loads((run / "manifest.json").read_bytes())
    assert (after["changes"]["rows"], after["changes"]["tables"]) == (1, {"tags": {"added": 1}})
    assert [file["rows"] for file in after["tables"]["changes"]["files"]] == [1, 1]


def described(path: Path, rows: int) -> dict[str, Any]:
    """What a manifest says about a file."""
    content = path.read_bytes()
    return {"name": path.name, "rows": rows, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


# Columns that are hashed or left out, and replies that are not published.


def test_hashed_columns_and_private_replies(tmp_path: Path) -> None:
    """She is found by her hash as well, and what is not published is purged with the rest; the key is needed."""
    out = tmp_path / "out"
    hashed = {"LEAD_EXPORT_HASH_COLUMNS": "leads.email,leads.id", "LEAD_EXPORT_KEEP_COLUMNS": "*", **KEY}
    for run, replies in (("a-none", "none"), ("b-private", "private")):
        env = {**hashed, "LEAD_EXPORT_REPLIES": replies}
        assert publish(tmp_path, out, LEADS, "--run-id", run, *FORMATS[:4], **env).code == 3
    before = pd.read_parquet(out / "run=b-private" / "leads.parquet")
    refused = purge(ADA, "--out", out)
    assert (refused.code, "its columns were hashed with the key" in refused.err) == (2, True)
    assert purge(ADA, "--out", out, **KEY).code == 0
    assert traces(out, ADA, NEW_ADA) == []
    for run in ("a-none", "b-private"):
        after = pd.read_parquet(out / f"run={run}" / "leads.parquet")
        assert len(after) == 3
        assert set(after["email"]) < set(before["email"])
        assert lead_export("verify", out / f"run={run}", "-q", **KEY).code == 0
    assert len(pd.read_parquet(out / ".lead-export" / "private" / "b-private" / "replies.parquet")) == 4
    assert not list((out / ".lead-export").glob("*.purging"))


def test_a_relative_folder_is_as_good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A purge and its dry run find private replies beside the runs; `verify` does through the link, too."""
    private = ("--run-id", "a", "--format", "csv")
    assert publish(tmp_path, tmp_path / "out", LEADS, *private, LEAD_EXPORT_REPLIES="private").code == 3
    monkeypatch.chdir(tmp_path)
    counted = lead_export("purge", ADA, "--out", "out", "--dry-run", "--no-suppress")
    assert (counted.code, "private/a/replies.parquet: " in counted.err) == (0, True)
    assert purge(ADA, "--out", "out").code == 0
    assert traces(tmp_path / "out", ADA, NEW_ADA) == []
    for name in ("out/run=a", "out/latest", "out/../out/run=a"):
        assert lead_export("verify", name, "--json").json["rebuilt"] is True

"""What changed: in the summary of a run, between two runs, of one person, and when too many leads are gone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pytest
from cli_command import CREDENTIALS, lead_export, manifest_of, run, write_list

from pipeline.errors import ExitCode
from pipeline.schema import CHANGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli_command import Result

    from pipeline.sandbox.process import RunningSandbox

PLANS = ("changes-1", "joins-1", "leaves-1", "gets-deleted-1", "merges-1", "ordinary")
EMAILS = [f"{plan}@example.com" for plan in PLANS]


@pytest.fixture
def nights(sandbox: RunningSandbox, tmp_path: Path) -> Iterator[Path]:
    """An output folder with three runs, before and after people changed, and once more."""
    people, out = write_list(tmp_path / "list.csv", EMAILS), tmp_path / "out"
    for epoch, name in enumerate(("a", "b", "c")):
        sandbox.control(epoch=min(epoch, 1))
        assert run(people, sandbox, out, "--run-id", name, "--format", "csv").code == 0
    yield out
    sandbox.control(epoch=0)


def file(path: Path) -> pd.DataFrame:
    """A feed in a file."""
    return pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path, dtype="string")


def test_the_summary_says_what_changed(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Nothing about a first run; then how much there is in each table. The manifest has the numbers."""
    people, out = write_list(tmp_path / "list.csv", EMAILS), tmp_path / "out"
    assert "since run" not in run(people, sandbox, out, "--run-id", "a").err
    sandbox.control(epoch=1)
    told = run(people, sandbox, out, "--run-id", "b").err
    facts = manifest_of(out)["changes"]
    rows = [f"{sum(kinds.values()):,} in {table}" for table, kinds in facts["tables"].items()]
    assert f"  {facts['rows']:,} changes since run a: {', '.join(rows)}\n" in told
    assert facts["tables"]["outcomes"] == {"changed": 3}
    assert len(file(out / "latest" / "changes.parquet")) == facts["rows"]


def test_changes_between_any_two_runs(nights: Path, tmp_path: Path) -> None:
    """In the format of the ending; the net change from the first to the last is that of the second, then nothing."""
    feed = file(nights / "run=b" / "changes.parquet")
    for suffix in ("parquet", "csv", "tsv", "xlsx"):
        path = tmp_path / f"net.{suffix}"
        done = lead_export("changes", nights / "run=a", nights / "latest", "--out", path)
        assert (done.code, done.out) == (0, "")
        assert f"{len(feed)} changes since run a" in done.err
    kept = [name for name in CHANGES.names if name != "seen_at"]  # it was seen later
    assert file(tmp_path / "net.parquet")[kept].equals(feed[kept])
    none = ("changes", nights / "run=b", nights / "latest", "--out", tmp_path / "none.csv", "--json")
    told = json.loads(lead_export(*none).out)
    assert (told["run_id"], told["file"]["rows"], told["changes"]["since_run"]) == ("c", 0, "b")
    assert not list(tmp_path.glob(".*.csv"))


@pytest.mark.parametrize(
    ("name", "fault"),
    [("net.xyz", "unsupported"), ("-", "name a file"), ("missing/net.csv", "no folder"), ("there.csv", "--force")],
)
def test_a_file_that_cannot_be_written_is_refused(nights: Path, tmp_path: Path, name: str, fault: str) -> None:
    """Before anything is compared; a file that is there stays unless it may be replaced."""
    (tmp_path / "there.csv").write_text("mine")
    path = name if name == "-" else tmp_path / name
    assert fault in lead_export("changes", nights / "run=a", nights / "latest", "--out", path).sentence
    assert (tmp_path / "there.csv").read_text() == "mine"
    if name == "there.csv":
        assert lead_export("changes", nights / "run=a", nights / "latest", "--out", path, "--force").code == 0


def test_runs_that_cannot_be_compared(nights: Path, sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Without replies, or of two Apps: wrong usage. A damaged one is a matter of storage."""
    people, other, net = tmp_path / "list.csv", tmp_path / "other", tmp_path / "net.csv"
    run(people, sandbox, other, "--run-id", "bare", "--no-keep-replies")
    assert "no replies" in lead_export("changes", nights / "latest", other / "run=bare", "--out", net).sentence
    manifest = json.loads((nights / "run=a" / "manifest.json").read_text())
    manifest["account"]["app_hash"] = "another"
    (nights / "run=a" / "manifest.json").write_text(json.dumps(manifest))
    assert "two Apps" in lead_export("changes", nights / "run=a", nights / "latest", "--out", net).sentence
    (nights / "run=b" / "replies.parquet").write_bytes(b"damaged")
    assert lead_export("changes", nights / "run=b", nights / "latest", "--out", net).code == ExitCode.STORAGE
    assert not net.exists()


def test_timeline_shows_one_person(nights: Path) -> None:
    """Oldest first, in any spelling, as a table or as JSON; from standard input, too."""
    told = lead_export("timeline", "JOINS-1@example.com", "--out", nights)
    lines = told.out.splitlines()
    assert (told.code, told.err) == (0, f"{len(lines)} changes in 1 run\n")
    assert lines[0].split()[3:5] == ["leads", "added"]
    assert lines[-1].split()[3:] == ["outcomes", "changed", "outcome", "not_found", "→", "found"]
    events = json.loads(lead_export("timeline", "-", "--out", nights, "--json", stdin="joins-1@example.com\n").out)
    assert len(events) == len(lines)
    assert {(event["run"], event["requested_email"], event["since_run"]) for event in events} == {
        ("b", "joins-1@example.com", "a")
    }
    assert lead_export("timeline", "ordinary@example.com", "--out", nights).err == "0 changes in 0 runs\n"


def test_timeline_without_an_address_or_runs(nights: Path, tmp_path: Path) -> None:
    """Both are refused, and the address is not repeated; a damaged feed is a matter of storage."""
    assert lead_export("timeline", "nobody", "--out", nights).sentence == "ADDRESS: has no at sign."
    assert "no such folder" in lead_export("timeline", EMAILS[0], "--out", tmp_path / "none").sentence
    (nights / "run=b" / "changes.parquet").write_bytes(b"damaged")
    assert lead_export("timeline", EMAILS[0], "--out", nights).code == ExitCode.STORAGE


def test_changes_stay_when_tables_go(nights: Path, sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Then manifest and feed are left: of the newest runs as many as keep_changes says, and no others."""
    people = tmp_path / "list.csv"
    keep = ("--keep-runs", "1", "--keep-changes", "2")
    dry = lead_export("expire", "--out", nights, *keep, "--dry-run", "--json")
    assert json.loads(dry.out) == {"runs": [], "replies": [], "unfinished": [], "tables": ["b", "a"]}
    assert run(people, sandbox, nights, "--run-id", "d", *keep).code == 0
    assert sorted(path.name for path in nights.glob("run=*")) == ["run=b", "run=c", "run=d"]
    left = {path.name for path in (nights / "run=b").iterdir()}
    assert left == {"manifest.json", "changes.parquet", "changes.csv"}
    told = lead_export("status", nights).out
    assert "b: complete, only its changes are kept" in told
    assert "d: complete, latest" in told
    assert lead_export("verify", nights / "run=b").code == 0
    assert "no replies" in lead_export("rebuild", nights / "run=b", "--out", tmp_path / "again").sentence
    assert lead_export("report", nights / "run=b", "--out", tmp_path / "report.html").code == 0
    assert lead_export("timeline", EMAILS[0], "--out", nights).code == 0
    assert lead_export("expire", "--out", nights, *keep).err == "Nothing is too old: nothing removed.\n"
    (nights / "run=c" / "leads.csv").touch()  # as if removing it had been interrupted
    assert "all but the changes of 1 run: c" in lead_export("expire", "--out", nights, *keep).err
    query = "SELECT count(*) FROM read_parquet(?, union_by_name = true)"
    with duckdb.connect() as db:
        rows = db.execute(query, [f"{nights}/run=*/changes.parquet"]).fetchone()
    assert rows == (len(file(nights / "run=b" / "changes.csv")),)


def test_rebuilt_and_verified_changes(nights: Path, tmp_path: Path) -> None:
    """`rebuild` takes the feed over, in another format, too; `verify` makes it again while it can, and sees damage."""
    formats = ("--format", "tsv", "--format", "parquet")
    assert lead_export("rebuild", nights / "run=b", "--out", tmp_path / "again", *formats).code == 0
    original, copy = nights / "run=b", tmp_path / "again" / "run=b"
    assert (copy / "changes.parquet").read_bytes() == (original / "changes.parquet").read_bytes()
    assert len((copy / "changes.tsv").read_text().splitlines()) == 1 + len(file(original / "changes.csv"))
    assert "was not made again" in lead_export("verify", copy).err
    verified = lead_export("verify", original, "--json")
    assert {"changes.parquet", "changes.csv"} <= set(json.loads(verified.out)["identical"])
    feed = file(original / "changes.parquet")
    frame = feed.assign(new_value=feed["new_value"].where(feed["column_name"] != "score", "1000000"))
    frame.to_parquet(original / "changes.parquet")
    assert _with_new_checksum(original, "changes.parquet").code == ExitCode.STORAGE
    assert lead_export("rebuild", nights / "run=c", "--out", tmp_path / "third").code == 0
    (nights / "run=c" / "changes.parquet").write_bytes(b"damaged")
    assert lead_export("rebuild", nights / "run=c", "--out", tmp_path / "fourth").code == ExitCode.STORAGE


def test_changes_in_another_time_zone_are_left_out(nights: Path, tmp_path: Path) -> None:
    """The feed has the times of the run, not of the rebuilt tables: it is not taken over, as a warning says."""
    zone = ("--timezone", "America/New_York")
    for name in "ab":
        done = lead_export("rebuild", nights / f"run={name}", "--out", tmp_path / "again", *zone)
        assert (done.code, "its table of changes is left out" in done.err) == (0, True)
    for name in "ab":
        assert lead_export("verify", tmp_path / "again" / f"run={name}").code == 0
    assert [*(tmp_path / "again").glob("run=*/changes.*")] == []
    assert "changes" not in manifest_of(tmp_path / "again")


def _with_new_checksum(folder: Path, name: str) -> Result:
    """Verify a run after its manifest was made to agree with a file that somebody has changed."""
    manifest = json.loads((folder / "manifest.json").read_text())
    content = (folder / name).read_bytes()
    for entry in manifest["tables"]["changes"]["files"]:
        if entry["name"] == name:
            entry.update(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return lead_export("verify", folder)


def test_a_run_in_which_too_many_leads_are_gone(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Exit 9 publishes nothing and keeps the answers; the same again stops again; --accept-gone makes no call."""
    emails = [f"leaves-1.{number}@example.com" for number in range(25)]
    people, out = write_list(tmp_path / "list.csv", [*emails, "always-500@example.com"]), tmp_path / "out"
    options = ("--monitor", "--no-progress")
    env = {"LEAD_EXPORT_MAX_ATTEMPTS": "1"}
    assert run(people, sandbox, out, "--run-id", "a", *options, **env).code == ExitCode.ROWS_FAILED
    sandbox.control(epoch=1, reset_stats=True)
    stopped = run(people, sandbox, out, "--run-id", "b", "--json", *options, **env)
    assert stopped.code == ExitCode.LEADS_GONE
    assert "25 of 25 leads that were asked for again are gone since the run a (100%" in stopped.err
    assert "Run b ended with exit code 9, 26 of 26 rows done; its answers are kept." in stopped.err
    assert json.loads(stopped.out)["status"] == "stopped"
    assert (out / "latest").readlink() == Path("run=a")
    attempt = json.loads((out / ".lead-export" / "last-attempt.json").read_text())
    assert attempt["exit_code"] == ExitCode.LEADS_GONE
    assert "gone since the run a" in lead_export("status", out).out
    assert run(people, sandbox, out, "--run-id", "b", *options, **env).code == ExitCode.LEADS_GONE
    calls = sandbox.stats()["calls"]
    done = run(people, sandbox, out, "--run-id", "b", "--accept-gone", *options, **env)
    assert done.code == ExitCode.ROWS_FAILED
    assert sandbox.stats()["calls"] == calls
    assert manifest_of(out)["changes"]["gone"] == 25
    sandbox.control(epoch=0)
    assert CREDENTIALS["KARTRA_APP_ID"] not in done.err

"""`lead-export run` from end to end: a list with addresses of every kind, and everything that is published."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import stat
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
from cli_command import (
    CREDENTIALS,
    NO_DELAYS,
    REPORTS,
    SECRETS,
    Result,
    lead_export,
    manifest_of,
    own_process,
    run,
    target,
    write_list,
)

from pipeline.schema import LEAD_TABLES, OUTCOMES, REPLIES, TABLES

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

ATTEMPTS = 2
SHAPES = (
    *("soft-deleted", "native-numbers", "details-as-text", "keyed-objects", "empty-collections-text", "minimal", "bom"),
    *("null-collections", "false-collections", "absent-collections", "bare-tags", "aliases", "zero-dates", "nulls"),
    *("absent-keys", "new-keys", "wrong-types", "upper-status", "bad-utf8"),
)


class Row(NamedTuple):
    """A row of the list: the cell, and the expected outcome."""

    given: str
    outcome: str
    code: str | None = None
    asked: str | None = None  # the address, if the cell contains more than that
    calls: int = 1

    @property
    def email(self) -> str:
        """The address that is looked up."""
        return self.asked or self.given


def _rows() -> list[Row]:
    """Addresses of all kinds, with failing and rejected ones scattered among ordinary ones."""
    special = [
        *(Row(f"not-found.{n}@example.com", "not_found", "234") for n in range(12)),
        Row("not-found-243@example.com", "not_found", "243"),
        Row("not-found-message@example.com", "not_found"),
        Row("numeric-type@example.com", "not_found", "234"),
        *(Row(f"deleted.{n}@example.com", "deleted", "245") for n in range(5)),
        *(Row(f"{shape}@example.com", "found") for shape in SHAPES),
        Row("other-lead@example.com", "failed", "email_mismatch", calls=ATTEMPTS),
        Row("fails-1@example.com", "found", calls=2),
        Row("fails-2.a@example.com", "failed", "cut_off", calls=ATTEMPTS),
        Row("always-500@example.com", "failed", "http_500", calls=ATTEMPTS),
        Row("cut-off@example.com", "failed", "cut_off", calls=ATTEMPTS),
        Row("empty-body@example.com", "failed", "empty_body", calls=ATTEMPTS),
        Row("html-403@example.com", "failed", "http_403", calls=ATTEMPTS),
        Row("oversize@example.com", "failed", "too_large"),
        Row("unknown-error@example.com", "failed", "987"),
        Row("error-206@example.com", "failed", "206"),
        Row("joe+tag@example.com", "found"),
        Row("läufer@bücher.example.com", "found"),
        Row("\"O'Brien, Jo\" <jo.o'brien@example.com>", "found", asked="jo.o'brien@example.com"),
        Row("mailto:mail.to@example.com", "found", asked="mail.to@example.com"),
        Row("  blanks@example.com ", "found", asked="blanks@example.com"),
        Row("", "invalid", "empty"),
        Row("nobody", "invalid", "no_at"),
        Row("two@at@example.com", "invalid", "many_at"),
        Row("half@", "invalid", "half"),
        Row("in side@example.com", "invalid", "blank_inside"),
        Row("x" * 250 + "@example.com", "invalid", "too_long"),
        Row("JOE+TAG@example.com", "duplicate", asked="joe+tag@example.com"),
        Row("<not-found.3@example.com>", "duplicate", asked="not-found.3@example.com"),
        Row("cut-off@EXAMPLE.com", "duplicate", asked="cut-off@example.com"),
        Row("joe+tag@example.com", "duplicate"),
    ]
    rows = []
    for number, row in enumerate(special):
        rows += [Row(f"ordinary.{number}@example.com", "found"), row]
    return [*rows, *(Row(f"last.{n}@example.com", "found") for n in range(12))]


HEAD = (
    *("manifest_version", "run_id", "status", "tool", "started_at", "finished_at", "duration_s"),
    *("input", "rows", "codes", "calls", "rate", "speed", "account", "settings"),
)
"""The keys of every manifest, in order."""
NESTED = {
    "tool": ["name", "version"],
    "account": ["api_url", "app_hash"],
    "rows": ["read", "found", "not_found", "deleted", "failed", "invalid", "duplicate"],
    "calls": ["sent", "answered", "retried", "throttled", "probes", "resumed"],
    "rate": ["limit_per_s", "achieved_per_s"],
    "speed": ["bound_by", "time_shares"],
    "drift": ["unknown_keys", "unreadable_values"],
    "odd_rows": ["suspicious", "first_suspicious", "first_invalid"],
}
"""Keys within them."""
ROWS = _rows()
CLASSES = Counter(row.outcome for row in ROWS)


class Job(NamedTuple):
    """A finished run: what it printed, where it published, how often it looked up each address."""

    result: Result
    out: Path
    asked: dict[str, int]

    @property
    def latest(self) -> Path:
        """The published run."""
        return self.out / "latest"

    def table(self, name: str) -> pd.DataFrame:
        """One table as pandas reads it."""
        return pd.read_parquet(self.latest / f"{name}.parquet", dtype_backend="pyarrow")


@pytest.fixture(scope="module")
def big_list(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rows as people have them: among other columns, quoted where needed."""
    path = tmp_path_factory.mktemp("lists") / "people.csv"
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["No.", "E-mail", "Remark"])
        writer.writerows([number, row.given, "a, b\nc"] for number, row in enumerate(ROWS, 1))
    return path


def _job(sandbox: RunningSandbox, big_list: Path, out: Path, *options: str) -> Job:
    sandbox.control(reset_stats=True)
    words = ["run", big_list, *target(sandbox, out), "-vv", "--json", "--no-formula-guard", *options]
    result = lead_export(*words, **CREDENTIALS, **NO_DELAYS, LEAD_EXPORT_MAX_ATTEMPTS=str(ATTEMPTS))
    return Job(result, out, sandbox.stats(addresses=True)["addresses"])


@pytest.fixture(scope="module")
def job(server: RunningSandbox, big_list: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """The run that most tests look at."""
    return _job(server, big_list, tmp_path_factory.mktemp("first") / "export", "--format", "parquet", "--format", "csv")


def as_text(frame: pd.DataFrame) -> list[list[str]]:
    """A frame's cells as a CSV file must spell them."""
    return [[_spelt(cell) for cell in row] for row in frame.astype(object).to_numpy().tolist()]


def _spelt(cell: Any) -> str:
    if isinstance(cell, datetime) and cell.tzinfo and not pd.isna(cell):
        return cell.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return "" if pd.isna(cell) else str(cell)


def cells(path: Path) -> list[list[str]]:
    """A CSV file's cells, its header first."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


# What the command prints.


def test_run_with_failures_exits_3(job: Job) -> None:
    """Published, but some rows failed."""
    assert job.result.code == 3
    assert manifest_of(job.out)["status"] == "complete_with_failures"


def test_json_is_the_manifest_and_the_only_thing_on_standard_output(job: Job) -> None:
    """One object, the same as in the file, in the documented order."""
    assert job.result.json == manifest_of(job.out)
    manifest = manifest_of(job.out)
    further = ["freshness", "tables", "changes", "drift", "odd_rows", "first_failed"]
    assert list(job.result.json) == list(manifest) == [*HEAD, *further]
    assert {key: list(value) for key, value in manifest.items() if key in NESTED} == NESTED
    assert list(manifest["input"][0]) == ["name", "rows", "sha256"]
    assert list(manifest["tables"]["leads"]["files"][0]) == ["name", "rows", "bytes", "sha256"]


def test_summary_adds_up(job: Job) -> None:
    """The rows of each outcome, and where the failed ones are."""
    expected = [f"{len(ROWS)} rows read", *(f"{count} {name.replace('_', ' ')}" for name, count in CLASSES.items())]
    lines = [line.strip() for line in job.result.err.splitlines()]
    assert set(expected) <= set(lines)
    failures = job.out / f"run={job.result.json['run_id']}" / "failures.csv"
    assert str(failures) in job.result.err


def test_no_address_and_no_credential_is_ever_printed(job: Job) -> None:
    """Also with -vv, neither log nor summary nor manifest holds an address or a credential, only row numbers."""
    printed = job.result.out + job.result.err + (job.latest / "manifest.json").read_text(encoding="utf-8")
    assert [secret for secret in ("@", *SECRETS) if secret in printed] == []
    number = next(n for n, row in enumerate(ROWS, 1) if row.code == "987")
    line = next(line for line in job.result.err.splitlines() if "987" in line)
    assert [fact for fact in ("INFO", "people.csv", f"row {number}:") if fact not in line] == []


# Every row is accounted for.


def test_six_classes_add_up_to_the_rows_read(job: Job) -> None:
    """The manifest counts the rows of each outcome, and they add up to the rows of the list."""
    assert manifest_of(job.out)["rows"] == {"read": len(ROWS), **CLASSES}
    assert len(CLASSES) == 6
    assert CLASSES.total() == len(ROWS)


def test_outcomes_are_the_rows_of_the_list_in_their_order(job: Job) -> None:
    """Each row with its cell, the address in it, the outcome and the reason."""
    outcomes = job.table("outcomes")
    actual = outcomes[["input", "row", "given", "email", "outcome", "code"]].astype(object)
    expected = [
        ["people.csv", number, row.given, None if row.outcome == "invalid" else row.email, row.outcome, row.code]
        for number, row in enumerate(ROWS, 1)
    ]
    assert actual.where(actual.notna(), None).to_numpy().tolist() == expected


def test_outcomes_say_how_often_each_address_was_asked(job: Job) -> None:
    """The first row of an address carries its calls, duplicates and invalid rows carry none."""
    expected = [0 if row.outcome in ("invalid", "duplicate") else row.calls for row in ROWS]
    assert job.table("outcomes")["attempts"].tolist() == expected


def test_duplicate_rows_point_to_the_first_and_to_its_lead(job: Job) -> None:
    """A duplicate names the line of the row that asked for it, each of two lines, and has the lead found there."""
    outcomes = job.table("outcomes")
    first = next(n for n, row in enumerate(ROWS) if row.given == "joe+tag@example.com")
    copies = outcomes[outcomes["email"].eq("joe+tag@example.com") & outcomes["outcome"].eq("duplicate")]
    assert copies["message"].tolist() == [f"the same address as line {2 * (first + 1)} of people.csv"] * 2
    assert copies["lead_id"].tolist() == [outcomes["lead_id"][first]] * 2


def test_no_call_is_repeated_without_need(job: Job) -> None:
    """The API was called for each distinct address exactly as often as needed, and for nothing else."""
    expected = {row.email.casefold(): row.calls for row in ROWS if row.outcome not in ("invalid", "duplicate")}
    assert job.asked == expected
    calls = manifest_of(job.out)["calls"]
    assert calls == {
        "sent": sum(expected.values()),
        "answered": CLASSES["found"] + CLASSES["not_found"] + CLASSES["deleted"],
        "retried": sum(expected.values()) - len(expected),
        "throttled": 0,
        "probes": 0,
        "resumed": 0,
    }


# The tables.


def test_leads_are_in_the_order_of_the_list(job: Job) -> None:
    """One row for each found address, in the order of the first appearance."""
    leads = job.table("leads")
    assert leads["requested_email"].tolist() == [row.email for row in ROWS if row.outcome == "found"]
    assert leads["id"].notna().all()


def test_children_point_to_leads(job: Job) -> None:
    """Every row of the other lead tables belongs to a lead, is in the order of the leads, and counts from 0."""
    order = {lead_id: place for place, lead_id in enumerate(job.table("leads")["id"])}
    for table in LEAD_TABLES[1:]:
        child = job.table(table.name)
        places = [order[lead_id] for lead_id in child["lead_id"]]
        assert places == sorted(places)
        assert child["position"].tolist() == [n for count in Counter(places).values() for n in range(count)]
        assert len(child) > len(order) / 4


def test_plain_pandas_reads_every_table(job: Job) -> None:
    """`pandas.read_parquet` without any option gives the declared columns, strings as strings."""
    for table in TABLES:
        assert tuple(pd.read_parquet(job.latest / f"{table.name}.parquet").columns) == table.names
    phones = pd.read_parquet(job.latest / "leads.parquet")["zip"].dropna()
    assert phones.str.startswith("0").any()


def test_duckdb_reads_all_runs_as_one_table(job: Job) -> None:
    """The folders are partitions: each row knows its run."""
    leads = duckdb.read_parquet(f"{job.out}/run=*/leads.parquet", hive_partitioning=True)
    assert leads.aggregate("run, count(*)").fetchall() == [(job.result.json["run_id"], CLASSES["found"])]


def test_csv_and_parquet_hold_the_same_rows(job: Job) -> None:
    """Cell by cell, in every table that comes in both formats."""
    for table in (*LEAD_TABLES, OUTCOMES):
        header, *rows = cells(job.latest / f"{table.name}.csv")
        assert header == list(table.names)
        assert rows == as_text(job.table(table.name))
    assert not (job.latest / f"{REPLIES.name}.csv").exists()


def test_manifest_names_every_file_with_its_size_and_checksum(job: Job) -> None:
    """Names, rows, bytes and SHA-256 are those of the files; nothing else lies there."""
    tables = manifest_of(job.out)["tables"]
    infos = [info for table in tables.values() for info in table["files"]]
    for info in infos:
        content = (job.latest / info["name"]).read_bytes()
        assert (info["bytes"], info["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert {path.name for path in job.latest.iterdir()} == {"manifest.json", *(info["name"] for info in infos)}
    for table in TABLES:
        assert {info["rows"] for info in tables[table.name]["files"]} == {len(job.table(table.name))}


def test_manifest_tells_the_list_by_its_checksum(job: Job, big_list: Path) -> None:
    """Name, rows and SHA-256 of the input."""
    checksum = hashlib.sha256(big_list.read_bytes()).hexdigest()
    assert manifest_of(job.out)["input"] == [{"name": "people.csv", "rows": len(ROWS), "sha256": checksum}]


def test_everything_is_for_the_owner_only(job: Job) -> None:
    """Folders 0700, files 0600, whatever the umask was."""
    modes = {stat.S_IMODE(path.stat().st_mode) for path in job.out.rglob("*") if path.is_file()}
    assert modes == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in job.out.rglob("*") if path.is_dir()} == {0o700}


def test_nothing_unfinished_is_left(job: Job) -> None:
    """Journal and staging folder are gone; the lock file stays."""
    assert {path.name for path in (job.out / ".lead-export").iterdir()} - REPORTS == {"lock"}


def test_drift_is_counted_and_named(job: Job) -> None:
    """Undocumented keys and unreadable values are in the manifest, and the summary hints at them."""
    drift = manifest_of(job.out)["drift"]
    assert drift["unknown_keys"]
    assert drift["unreadable_values"]
    assert next(iter(drift["unknown_keys"])) in job.result.err


# Second runs.


def test_second_run_gives_the_same_tables_but_for_times(
    job: Job, sandbox: RunningSandbox, big_list: Path, tmp_path: Path
) -> None:
    """The same list and the same replies give equal tables."""
    second = _job(sandbox, big_list, tmp_path / "export")
    assert second.result.code == 3
    for table in TABLES:
        frame = job.table(table.name)
        times = [name for name in ("fetched_at", "answered_at") if name in frame]
        pd.testing.assert_frame_equal(second.table(table.name).drop(columns=times), frame.drop(columns=times))


def test_failures_are_a_list_to_run_again(job: Job, sandbox: RunningSandbox, tmp_path: Path) -> None:
    """failures.csv can be run as it is: every failed address, once, nothing else."""
    failed = [row for row in ROWS if row.outcome == "failed"]
    header, *rows = cells(job.latest / "failures.csv")
    assert header == ["email", "code", "message", "attempts", "input", "row"]
    assert [row[0] for row in rows] == [row.email for row in failed]
    sandbox.control(reset_stats=True)
    again = run(job.latest / "failures.csv", sandbox, tmp_path / "export", "-q", "--json")
    # With the usual five attempts one of them comes through.
    assert (again.code, [line for line in again.err.splitlines() if "differ from" not in line][1:]) == (3, [])
    assert "8 of 9 rows failed" in again.err.splitlines()[0]
    assert again.json["rows"] | {"found": 1, "failed": len(failed) - 1, "read": len(failed)} == again.json["rows"]


def test_tables_without_rows_have_all_columns(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """If no address is found, every table is there, empty, with the usual columns and types, and no failures.csv."""
    out = tmp_path / "export"
    people = write_list(tmp_path / "people.csv", [f"not-found.{n}@example.com" for n in range(3)])
    assert run(people, sandbox, out, "--format", "parquet", "--format", "csv").code == 0
    for table in LEAD_TABLES:
        assert cells(out / "latest" / f"{table.name}.csv") == [list(table.names)]
        frame = pd.read_parquet(out / "latest" / f"{table.name}.parquet", dtype_backend="pyarrow")
        types = {
            name: str(kind).removesuffix("[pyarrow]").replace(", tz=", ", ") for name, kind in frame.dtypes.items()
        }
        declared = {column.name: column.type.replace("[s]", "[ms]") for column in table.columns}  # as Parquet has them
        assert (len(frame), types) == (0, declared)
    assert not (out / "latest" / "failures.csv").exists()


def test_quiet_run_without_replies(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """With -q a run tells only what must not be overlooked; with --no-keep-replies no raw reply is published."""
    out = tmp_path / "export"
    people = write_list(tmp_path / "people.txt", ["quiet@example.com"])
    assert run(people, sandbox, out, "-q", "--no-keep-replies", "--run-id", "lean").is_quiet
    assert not (out / "run=lean" / "replies.parquet").exists()
    assert set(manifest_of(out)["tables"]) == {table.name for table in TABLES} - {REPLIES.name}
    sandbox.control(reset_stats=True)
    assert str(out) in run(people, sandbox, out, "--run-id", "lean").sentence
    assert sandbox.stats()["calls"] == 0


def test_kept_replies_are_what_the_api_sent(job: Job) -> None:
    """One row for each address that was looked up, with the reply byte for byte if a whole one arrived."""
    replies = job.table("replies").set_index("email")
    assert list(replies.index) == [row.email for row in ROWS if row.outcome not in ("invalid", "duplicate")]
    assert json.loads(replies["body"]["not-found.0@example.com"])["type"] == "234"
    assert json.loads(replies["body"]["joe+tag@example.com"])["lead_details"]["email"] == "joe+tag@example.com"
    assert pd.isna(replies["body"]["oversize@example.com"])


def test_lists_come_from_files_and_standard_input_together(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Several lists, one of them `-`: one run, rows in the order of the lists, duplicates across them."""
    out = tmp_path / "export"
    people = write_list(tmp_path / "people.csv", ["pipe.1@example.com", "pipe.2@example.com"])
    arguments: list[object] = ["run", people, "-", "--out", out, "--api-url", sandbox.url, "--rate", 0, "--json", "-q"]
    result = own_process(*arguments, stdin="PIPE.2@example.com\npipe.3@example.com\n", **CREDENTIALS)
    assert (result.code, "Traceback" in result.err) == (0, False)
    assert [(entry["name"], entry["rows"]) for entry in result.json["input"]] == [
        ("people.csv", 2),
        ("standard input", 2),
    ]
    outcomes = pd.read_parquet(out / "latest" / "outcomes.parquet")
    assert outcomes[["input", "row", "outcome"]].to_numpy().tolist() == [
        ["people.csv", 1, "found"],
        ["people.csv", 2, "found"],
        ["standard input", 1, "duplicate"],
        ["standard input", 2, "found"],
    ]


def test_the_sandbox_needs_no_account(tmp_path: Path) -> None:
    """--sandbox starts a simulated API for the duration of the job; real credentials are never sent to it."""
    people = write_list(tmp_path / "people.csv", ["sandbox@example.com"])
    real = dict.fromkeys(CREDENTIALS, "real-and-secret")
    arguments: list[Any] = ["run", people, "--out", tmp_path / "export", "--sandbox", "--json", "--log-format", "json"]
    result = lead_export(*arguments, "-v", **real)
    assert result.code == 0
    assert result.json["rows"]["found"] == 1
    assert result.json["settings"]["api_url"].startswith("http://127.0.0.1:")
    logged = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    assert {"time", "level", "logger", "message"} == set(logged[0])
    assert {line["level"] for line in logged} == {"info"}
    assert len(logged) == len(result.err.splitlines())
    assert "people.csv" in logged[0]["message"]


def test_each_sheet_is_named_after_its_table(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Workbooks that are opened side by side, or joined, can be told apart."""
    people = write_list(tmp_path / "people.csv", ["ann@example.com", "always-500@example.com"])
    done = run(people, sandbox, tmp_path / "out", "--format", "xlsx", LEAD_EXPORT_MAX_ATTEMPTS="1")
    assert (done.code, "line 3 (http_500)" in done.err) == (3, True)
    sheets = {path.stem: openpyxl.load_workbook(path).sheetnames for path in (tmp_path / "out/latest").glob("*.xlsx")}
    assert len(sheets) > 5
    assert sheets == {name: [name] for name in sheets}


@pytest.mark.parametrize("zone", [None, "EST"])
def test_files_hold_the_types_that_the_schema_prints(
    sandbox: RunningSandbox, people: Path, tmp_path: Path, zone: str | None
) -> None:
    """Every column of every table, as Parquet, with and without a time zone; in CSV, dates look as the schema says."""
    options = ("--timezone", zone) if zone else ()
    assert run(people, sandbox, tmp_path / "out", "--format", "parquet", "--format", "csv", *options).code == 0
    declared = lead_export("schema", "--json").json
    key = "type_with_timezone" if zone else "type"
    dates = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ" if zone else r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
    for name, columns in declared.items():
        fields = pq.read_schema(tmp_path / "out" / "latest" / f"{name}.parquet")
        assert {field.name: str(field.type) for field in fields} == {c["name"]: c[key] for c in columns}
    with (tmp_path / "out" / "latest" / "transactions.csv").open(newline="", encoding="utf-8") as file:
        cells = [row["transaction_date"] for row in csv.DictReader(file)]
    assert cells
    assert [cell for cell in cells if cell and not re.fullmatch(dates, cell)] == []

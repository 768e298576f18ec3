"""`lead-export enrich`: a file is written again with lead columns added."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import signal
import subprocess
import time
from datetime import datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, Result, command, environment, lead_export

from pipeline.tables.wide import column_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.sandbox.process import RunningSandbox

FIELDS = "first_name,score,tags,custom.*"


def enrich(sandbox: RunningSandbox, path: Path | str, out: Path, *options: object, **env: str) -> Result:
    """Run the job against a sandbox, without a rate limit."""
    words = ["enrich", path, "--out", out, "--api-url", sandbox.url, "--rate", 0, *options]
    return lead_export(*words, **{**CREDENTIALS, **NO_DELAYS, **env})


def rows_of(path: Path, encoding: str = "utf-8", delimiter: str = ",") -> list[list[str]]:
    """The rows of a text file as the standard library reads it."""
    return list(csv.reader(io.StringIO(path.read_bytes().decode(encoding), newline=""), delimiter=delimiter))


def write(path: Path, rows: Sequence[Sequence[str]], encoding: str = "utf-8", **dialect: Any) -> Path:
    """A text file as the standard library writes it."""
    text = io.StringIO(newline="")
    csv.writer(text, **dialect).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


ODD = [
    ["id", "E-Mail", "Straße", "id", "", " padded "],
    ["007", "ann@example.com", "Größe; 7", "1,50", "two\nlines", "  x "],
    ["0008", "bob@example.com", 'a "quoted" word', "-3", "=1+1", "\t"],
    ["9", "ANN@example.com", "", "", "", ""],
    ["", "", "'", '"', "\r\n", "é"],
    ["10", "not-found@example.com", "@home", "+49 30", "a\rb", "0"],
    ["11", "nobody", "x", "y", "z", ""],
]


def test_every_input_cell_comes_back(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A semicolon-separated cp1252 file with everything spreadsheets do: every cell unchanged, first, in UTF-8."""
    path = write(tmp_path / "odd.csv", ODD, "cp1252", delimiter=";", lineterminator="\r\n")
    result = enrich(sandbox, path, tmp_path / "out.csv", "--fields", FIELDS)
    assert (result.code, result.out) == (0, "")
    facts = ("6 rows", "2 found", "1 duplicate", f"{tmp_path}/out.csv")
    assert [fact for fact in facts if fact not in result.err] == []
    rows = rows_of(tmp_path / "out.csv", "utf-8-sig", delimiter=";")
    assert [row[:6] for row in rows] == ODD
    assert rows[0][6:11] == ["lead_outcome", "lead_reason", "lead_id", "lead_first_name", "lead_score"]
    assert all(name.startswith("custom.") for name in rows[0][12:])
    assert [row[6] for row in rows[1:]] == ["found", "found", "found", "invalid", "not_found", "invalid"]
    assert rows[1][7:] == rows[3][7:]
    assert rows[1][8] != ""
    assert set(rows[5][7:]) == {""}
    assert [row[7].partition(":")[0] for row in rows[1:]] == ["", "", "", "empty", "", "no_at"]
    assert (sandbox.stats()["calls"], sandbox.stats()["answered_twice_or_more"]) == (3, 0)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["odd.csv", "out.csv"]


def test_what_is_added_is_what_run_publishes(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Scalar fields are the cells of `leads.csv`."""
    emails = ["custom@example.com", "new-keys@example.com", "nulls@example.com", "tags@example.com"]
    path = write(tmp_path / "p.csv", [["email"], *([email] for email in emails)])
    words = ["run", path, "--out", tmp_path / "run", "--api-url", sandbox.url, "--rate", 0, "--format", "csv"]
    assert lead_export(*words, **CREDENTIALS).code == 0
    assert enrich(sandbox, path, tmp_path / "out.csv").code == 0
    published = pd.read_csv(tmp_path / "run" / "latest" / "leads.csv", dtype=str)
    added = pd.read_csv(tmp_path / "out.csv", dtype=str)
    names = [name for name in published if name not in ("id", "requested_email", "extra", "fetched_at")]
    assert added["lead_id"].tolist() == published["id"].tolist()
    columns = [column_name(str(name), "lead_") for name in names]
    pd.testing.assert_frame_equal(added[columns].set_axis(names, axis=1), published[names], check_dtype=False)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".xlsx"])
def test_every_format_says_the_same(sandbox: RunningSandbox, tmp_path: Path, suffix: str) -> None:
    """Strings, numbers and nulls; columns of the same name are renamed if the format requires it."""
    path = write(tmp_path / "odd.csv", ODD)
    out = tmp_path / f"out{suffix}"
    assert enrich(sandbox, path, out, "--fields", "first_name,score,date_joined").code == 0
    if suffix == ".parquet":
        table = pq.read_table(out)
        assert table.column_names[:6] == ["id", "E-Mail", "Straße", "id.1", "", " padded "]
        assert table.column("lead_score").type == pa.int64()
        rows = [list(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]
    elif suffix == ".xlsx":
        sheet = openpyxl.load_workbook(out).worksheets[0]
        rows = [list(row) for row in sheet.iter_rows(min_row=2, values_only=True)]
        assert [cell.value for cell in sheet[1]][:6] == [cell or None for cell in ODD[0]]
        assert sheet["E3"].data_type == "s"
    else:
        rows = [[*row] for row in rows_of(out, delimiter="\t" if suffix == ".tsv" else ",")[1:]]
    assert len(rows) == len(ODD) - 1
    assert [str(row[0] or "") for row in rows] == [row[0] for row in ODD[1:]]
    assert [row[6] for row in rows] == ["found", "found", "found", "invalid", "not_found", "invalid"]
    assert str(rows[0][10]) == str(rows[2][10])


def test_parquet_keeps_its_types(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Columns of a Parquet file come back unchanged, types included."""
    table = pa.table(
        {"n": [1, 2, None], "email": ["a@example.com", None, "b@example.com"], "when": pa.nulls(3, pa.date32())}
    )
    pq.write_table(table, tmp_path / "in.parquet")
    assert enrich(sandbox, tmp_path / "in.parquet", tmp_path / "out.parquet", "--fields", "score").code == 0
    back = pq.read_table(tmp_path / "out.parquet")
    assert back.select([0, 1, 2]).equals(table)
    assert back.column("lead_outcome").to_pylist() == ["found", "invalid", "found"]


def test_ragged_rows_lose_nothing_and_are_named_by_line(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Short rows are padded, long ones keep every cell; a warning gives their lines."""
    (tmp_path / "r.csv").write_text("email,a\nann@example.com\nbob@example.com,1,2,3\ncat@example.com,1\n")
    result = enrich(sandbox, tmp_path / "r.csv", tmp_path / "out.csv", "--fields", "email")
    assert result.code == 0
    warning = next(line for line in result.err.splitlines() if "WARNING" in line)
    assert [fact for fact in ("r.csv", "2 rows", "2, 3") if fact not in warning] == []
    assert [row[:4] for row in rows_of(tmp_path / "out.csv")] == [
        ["email", "a", "", ""],
        ["ann@example.com", "", "", ""],
        ["bob@example.com", "1", "2", "3"],
        ["cat@example.com", "1", "", ""],
    ]


def test_options_shape_what_is_added(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Another prefix and separator, found rows only, a stated encoding for both sides, and the formula guard."""
    path = write(tmp_path / "in.csv", [["email", "x"], ["tags@example.com", "=é"], ["nobody", "ü"]], "cp1252")
    options = [
        "--prefix",
        "k_",
        "--list-separator",
        ";",
        "--only-found",
        "--fields",
        "tags,lists",
        "--encoding",
        "cp1252",
    ]
    assert enrich(sandbox, path, tmp_path / "out.csv", *options).code == 0
    rows = rows_of(tmp_path / "out.csv", "cp1252")
    assert rows[0] == ["email", "x", "k_outcome", "k_reason", "k_id", "k_tags", "k_lists"]
    assert [row[:3] for row in rows[1:]] == [["tags@example.com", "=é", "found"]]
    manifest = enrich(sandbox, path, tmp_path / "out2.csv", "--json", "-q", "--no-formula-guard").json
    assert (manifest["output"]["rows"], manifest["rows"]["read"], manifest["status"]) == (2, 2, "complete")
    assert manifest["output"]["columns"][:3] == ["email", "x", "lead_outcome"]


def test_characters_that_an_encoding_has_not_are_counted(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """They become question marks, and a warning counts them."""
    path = write(tmp_path / "in.csv", [["email"], ["p1@example.com"]], "cp1252")
    found = rows_of(tmp_path / "in.csv")
    assert enrich(sandbox, path, tmp_path / "utf8.csv", "--fields", "first_name,last_name").code == 0
    strange = [c for c in "".join(rows_of(tmp_path / "utf8.csv")[1][4:]) if not c.encode("cp1252", "ignore")]
    result = enrich(sandbox, path, tmp_path / "out.csv", "--fields", "first_name,last_name", "--encoding", "cp1252")
    assert (result.code, len(found)) == (0, 2)
    assert strange
    assert f"{len(strange)} characters" in result.err
    assert rows_of(tmp_path / "out.csv", "cp1252")[1][4].count("?") > 0


def test_rows_that_fail_are_exit_3(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """The file is written anyway, and the summary counts them."""
    path = write(tmp_path / "in.csv", [["email"], ["ann@example.com"], ["always-500@example.com"]])
    result = enrich(sandbox, path, tmp_path / "out.csv", "--fields", "score", LEAD_EXPORT_MAX_ATTEMPTS="1")
    assert result.code == 3
    assert "1 failed" in result.err
    assert [row[1] for row in rows_of(tmp_path / "out.csv")] == ["lead_outcome", "found", "failed"]


def test_what_cannot_be_done_is_refused_before_any_call(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """An output that exists, is the list, has no known format, or would have a column twice; an unknown field."""
    path = write(tmp_path / "in.csv", [["email", "lead_id"], ["ann@example.com", "7"]])
    (tmp_path / "there.csv").write_text("mine")
    for out, options, fact in (
        ("there.csv", [], "--force"),
        ("in.csv", ["--force"], "in.csv"),
        ("out.doc", [], "csv, parquet, tsv, xlsx"),
        (".", [], "csv, parquet, tsv, xlsx"),
        ("out.csv", [], "'lead_id'"),
        ("out.csv", ["--fields", "scor"], "'score'"),
        ("none.csv/x/out.csv", ["--email-column", "nope"], "'nope'"),
    ):
        assert fact in enrich(sandbox, path, tmp_path / out, *options).sentence
    bare = write(tmp_path / "bare.csv", [["email", "x"]])
    assert "bare.csv" in enrich(sandbox, bare, tmp_path / "out.csv").sentence
    assert sandbox.stats()["calls"] == 0
    assert (tmp_path / "there.csv").read_text() == "mine"
    assert enrich(sandbox, path, tmp_path / "there.csv", "--force", "--prefix", "x_").code == 0
    assert rows_of(tmp_path / "there.csv")[1][:3] == ["ann@example.com", "7", "found"]


def test_a_list_that_is_replaced_meanwhile_is_noticed(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """If the list changes, its rows could get the answers of other people: exit 2, and nothing is written."""
    path, out = tmp_path / "in.parquet", tmp_path / "out.csv"
    emails = [f"person.{n}@example.com" for n in range(40)]
    pq.write_table(pa.table({"email": emails}), path)
    sandbox.control(latency_ms=20)
    words = command("enrich", path, "--out", out, "--api-url", sandbox.url, "--rate", 0, "--concurrency", 2)
    with subprocess.Popen(
        words, env=environment({**CREDENTIALS, **NO_DELAYS}), stderr=subprocess.PIPE, text=True
    ) as child:
        while sandbox.stats()["answered"] < 5:
            assert child.poll() is None
        pq.write_table(pa.table({"email": emails[::-1]}), path)
        printed = child.communicate()[1]
    assert (child.returncode, out.exists()) == (2, False)
    assert "in.parquet" in printed.splitlines()[-1]


def test_a_file_that_appears_meanwhile_stays(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Without --force nothing is replaced, however late it appeared; with --force the same command resumes."""
    path, out = (
        write(tmp_path / "in.csv", [["email"], *([f"p{n}@example.com"] for n in range(40))]),
        tmp_path / "out.csv",
    )
    sandbox.control(latency_ms=20)
    words = command("enrich", path, "--out", out, "--api-url", sandbox.url, "--rate", 0, "--concurrency", 2, "-q")
    with subprocess.Popen(words, env=environment(CREDENTIALS), stderr=subprocess.PIPE, text=True) as child:
        while sandbox.stats()["answered"] < 5:
            assert child.poll() is None
        out.write_text("mine")
        printed = child.communicate()[1]
    assert (child.returncode, out.read_text()) == (6, "mine")
    assert "--force" in printed
    assert enrich(sandbox, path, out, "--force").code == 0
    assert sandbox.stats()["calls"] == 40


def test_times_finer_than_a_worksheet_knows(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Nanoseconds, as pandas writes them, are truncated in a workbook."""
    odd = 1_553_600_131_250_000_001
    table = pa.table(
        {
            "email": ["a@example.com", "b@example.com"],
            "when": pa.array([odd, None], pa.timestamp("ns")),
            "zone": pa.array([odd, None], pa.timestamp("ns", "Europe/Berlin")),
            "took": pa.array([90_000_000_001, None], pa.duration("ns")),
            "at": pa.array([3_600_000_000_001, None], pa.time64("ns")),
        }
    )
    pq.write_table(table, tmp_path / "in.parquet")
    assert enrich(sandbox, tmp_path / "in.parquet", tmp_path / "out.xlsx", "--fields", "score").code == 0
    rows = list(openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0].iter_rows(min_row=2, values_only=True))
    moment = datetime.fromisoformat("2019-03-26 11:35:31.250")
    assert rows[0][1:5] == (moment, moment + timedelta(hours=1), timedelta(seconds=90), clock_time(1))
    assert rows[1][1:5] == (None,) * 4


@pytest.mark.parametrize("suffix", [".csv", ".xlsx", ".tsv"])
def test_columns_that_a_format_cannot_hold_are_refused(sandbox: RunningSandbox, tmp_path: Path, suffix: str) -> None:
    """Lists, objects and bytes of a Parquet file: refused before any call; .parquet takes them, and pandas reads it."""
    kind = pa.array(["k"]).dictionary_encode()
    table = pa.table({"email": ["a@example.com"], "tags": [["x", "y"]], "raw": [b"x"]}).append_column("kind", kind)
    pq.write_table(table, tmp_path / "in.parquet")
    result = enrich(sandbox, tmp_path / "in.parquet", tmp_path / f"out{suffix}")
    assert (result.code, sandbox.stats()["calls"]) == (2, 0)
    assert "'tags'" in result.sentence
    assert enrich(sandbox, tmp_path / "in.parquet", tmp_path / "out.parquet").code == 0
    assert pd.read_parquet(tmp_path / "out.parquet")["kind"].tolist() == ["k"]


def test_a_custom_field_that_nobody_has_is_an_empty_column(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Its name is in the header as it was given."""
    path = write(tmp_path / "in.csv", [["email"], ["ann@example.com"], ["not-found@example.com"]])
    assert enrich(sandbox, path, tmp_path / "out.csv", "--fields", "custom.nope").code == 0
    rows = rows_of(tmp_path / "out.csv")
    assert (rows[0][-1], [row[-1] for row in rows[1:]]) == ("custom.nope", ["", ""])


@pytest.mark.parametrize("separator", ["", "\\"])
def test_a_separator_that_separates_nothing_is_refused(sandbox: RunningSandbox, tmp_path: Path, separator: str) -> None:
    """Before any call."""
    path = write(tmp_path / "in.csv", [["email"], ["ann@example.com"]])
    assert "--list-separator" in enrich(sandbox, path, tmp_path / "out.csv", "--list-separator", separator).sentence
    assert sandbox.stats()["calls"] == 0


def test_names_that_are_not_utf8_work(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A list and an output with names that are arbitrary bytes."""
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/b\xff.csv")
    path = write(Path(odd), [["email"], ["ann@example.com"]])
    assert enrich(sandbox, path, Path(os.fsdecode(os.fsencode(tmp_path) + b"/c\xff.csv"))).code == 0
    words = ["run", path, "--out", tmp_path / "out", "--api-url", sandbox.url, "--rate", 0, "-q"]
    assert lead_export(*words, **CREDENTIALS).code == 0


def test_a_file_has_one_byte_order_mark(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """--csv-bom adds none if the encoding writes its own; suffixes are case-insensitive."""
    path = write(tmp_path / "in.csv", [["email", "x"], ["ann@example.com", "1"]], "utf-16", delimiter=";")
    options = ["--fields", "score", "--csv-bom"]
    assert enrich(sandbox, path, tmp_path / "a.CSV", *options, "--encoding", "utf-16").code == 0
    assert (tmp_path / "a.CSV").read_bytes().decode("utf-16").startswith("email;x;lead_outcome;")
    assert enrich(sandbox, path, tmp_path / "b.csv", *options).code == 0
    assert (tmp_path / "b.csv").read_bytes().startswith(b"\xef\xbb\xbfemail;x;")


@pytest.mark.parametrize(
    ("content", "start"),
    [
        ("Email;X\nann@example.com;ü\n".encode("cp1252"), b"\xef\xbb\xbfEmail;X;lead_"),
        ("Email;X\nann@example.com;ü\n".encode("utf-16"), b"\xef\xbb\xbfEmail;X;lead_"),
        (b"\xef\xbb\xbfEmail,X\nann@example.com,1\n", b"\xef\xbb\xbfEmail,X,lead_"),
        ("Email,X\nann@example.com,ü\n".encode(), b"Email,X,lead_"),
        (b"sep=;\r\nEmail;X\r\nann@example.com;1\r\n", b"sep=;\r\nEmail;X;lead_"),
        (b'\xef\xbb\xbf"sep=,"\nEmail,X\nann@example.com,1\n', b"\xef\xbb\xbfsep=,\nEmail,X,lead_"),
    ],
    ids=["cp1252", "utf-16", "mark", "utf-8", "sep", "mark and sep"],
)
def test_what_spreadsheets_need_is_kept(sandbox: RunningSandbox, tmp_path: Path, content: bytes, start: bytes) -> None:
    """A mark where the list had one or was not UTF-8, and the line that announces the delimiter; not in a TSV file."""
    path = tmp_path / "in.csv"
    path.write_bytes(content)
    assert enrich(sandbox, path, tmp_path / "out.csv", "--fields", "score").code == 0
    assert (tmp_path / "out.csv").read_bytes().startswith(start)
    assert enrich(sandbox, path, tmp_path / "out.tsv", "--fields", "score", "--no-csv-bom").code == 0
    assert (tmp_path / "out.tsv").read_bytes().startswith(b"Email\tX\tlead_")


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CR LF"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_line_ends_are_those_of_the_list(sandbox: RunningSandbox, tmp_path: Path, suffix: str, end: str) -> None:
    """Every line has the end that the first of the list has; another format has LF."""
    path = tmp_path / f"in.{suffix}"
    path.write_text("email\tX\nann@example.com\t\nbob@example.com\t1\n", newline=end)
    out = tmp_path / f"out.{suffix}"
    assert enrich(sandbox, path, out, "--fields", "score", "--delimiter", "tab").code == 0
    lines = out.read_bytes().decode().splitlines(keepends=True)
    assert [line[len(line.rstrip("\r\n")) :] for line in lines] == [end] * 3
    other = tmp_path / ("out.tsv" if suffix == "csv" else "out.csv")
    assert enrich(sandbox, path, other, "--fields", "score", "--delimiter", "tab").code == 0
    assert b"\r" not in other.read_bytes()


def test_quiet_enrich_does_not_repeat_what_the_api_sends(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Nothing notes what was told of undocumented keys, so with --quiet they are in the manifest only."""
    path = write(tmp_path / "in.csv", [["email"], *([f"person.{number}@example.com"] for number in range(20))])
    told = enrich(sandbox, path, tmp_path / "a.csv", "--json")
    assert "documentation" in told.err
    assert enrich(sandbox, path, tmp_path / "b.csv", "-q") == Result(0, "", "")


def test_a_replaced_file_stays_where_and_what_it_was(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """--force keeps link, mode and owner; a link to nothing gives a private file there; a loop of links is exit 6."""
    path = write(tmp_path / "in.csv", [["email"], ["ann@example.com"]])
    (tmp_path / "shared").mkdir()
    real, link = tmp_path / "shared" / "real.csv", tmp_path / "link.csv"
    real.write_text("old")
    real.chmod(0o664)
    link.symlink_to(Path("shared", "real.csv"))
    assert "--force" in enrich(sandbox, path, link, "--fields", "score").sentence
    assert enrich(sandbox, path, link, "--fields", "score", "--force").code == 0
    assert (link.is_symlink(), rows_of(real)[0][0], real.stat().st_mode & 0o777) == (True, "email", 0o664)
    real.unlink()
    assert enrich(sandbox, path, link, "--fields", "score").code == 0
    assert (link.is_symlink(), real.stat().st_mode & 0o777) == (True, 0o600)
    assert [item.name for item in real.parent.iterdir()] == ["real.csv"]
    loop = tmp_path / "loop.csv"
    loop.symlink_to(loop)
    refused = enrich(sandbox, path, loop)
    assert (refused.code, "loop.csv" in refused.err, "Traceback" in refused.err) == (6, True, False)


def test_presets_and_names_of_columns_pick_fields(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """`basic` is a dozen, a name with the prefix is understood, and no column is called lead_lead_picture."""
    path = write(tmp_path / "in.csv", [["email"], ["ann@example.com"]])
    assert enrich(sandbox, path, tmp_path / "a.csv", "--fields", "basic,lead_lead_picture,lead_id").code == 2
    assert enrich(sandbox, path, tmp_path / "a.csv", "--fields", "basic,lead_picture,lead_website,lead_id").code == 0
    header = rows_of(tmp_path / "a.csv")[0]
    assert header[:4] == ["email", "lead_outcome", "lead_reason", "lead_id"]
    assert (header[4], header[-4:-2]) == ("lead_first_name", ["lead_transaction_count", "lead_last_transaction_date"])
    assert header[-2:] == ["lead_picture", "lead_website"]
    assert enrich(sandbox, path, tmp_path / "b.csv").code == 0
    assert enrich(sandbox, path, tmp_path / "c.csv", "--fields", "all").code == 0
    everything = rows_of(tmp_path / "b.csv")[0]
    assert everything == rows_of(tmp_path / "c.csv")[0]
    assert [name for name in everything if name.startswith("lead_lead_") or everything.count(name) > 1] == []


def test_a_list_that_is_enriched_already_is_said_to_be(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Enriching the result by mistake is refused with the reason; so is the prefix of custom fields."""
    path = write(tmp_path / "in.csv", [["email"], ["ann@example.com"]])
    assert enrich(sandbox, path, tmp_path / "out.csv", "--fields", "score").code == 0
    assert "enriched already" in enrich(sandbox, tmp_path / "out.csv", tmp_path / "twice.csv").sentence
    assert enrich(sandbox, tmp_path / "out.csv", tmp_path / "twice.csv", "--prefix", "new_").code == 0
    assert "--prefix" in enrich(sandbox, path, tmp_path / "x.csv", "--prefix", "custom.").sentence


def test_standard_input_is_enriched(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """A pipe can be read only once; its rows come back anyway, and no copy of them is left."""
    words = ["enrich", "-", "--out", tmp_path / "out.csv", "--api-url", sandbox.url, "--rate", 0, "--fields", "score"]
    result = lead_export(*words, stdin="email;x\nann@example.com;ü\n", **CREDENTIALS)
    assert result.code == 0
    assert rows_of(tmp_path / "out.csv", delimiter=";")[1][:3] == ["ann@example.com", "ü", "found"]
    assert [item.name for item in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_job_that_was_stopped_is_resumed(sandbox: RunningSandbox, tmp_path: Path, number: signal.Signals) -> None:
    """Nothing is written, the answers are kept, and the same command looks up only the rest."""
    emails = [f"person.{n}@example.com" for n in range(60)]
    path = write(tmp_path / "in.csv", [["email"], *([email] for email in emails)])
    out = tmp_path / "out.csv"
    sandbox.control(latency_ms=20)
    words = command("enrich", path, "--out", out, "--api-url", sandbox.url, "--rate", 0, "--concurrency", 2)
    with subprocess.Popen(
        words, env=environment({**CREDENTIALS, **NO_DELAYS}), stderr=subprocess.PIPE, text=True
    ) as child:
        while sandbox.stats()["answered"] < 20:
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(number)
        printed = child.communicate()[1]
    assert not out.exists()
    shown = lead_export("status", tmp_path, "--json").json["unfinished"][0]
    assert shown["file"] == "out.csv"
    assert shown["command"].startswith(shlex.join(command("enrich", path, "--out", out)))
    if number == signal.SIGTERM:
        assert child.returncode == 143
        assert shown["command"] in printed
    resumed = enrich(sandbox, path, out, "--json")
    assert resumed.code == 0
    assert resumed.json["calls"]["resumed"] >= 10
    assert sandbox.stats()["answered_twice_or_more"] <= (0 if number == signal.SIGTERM else 30)
    undisturbed = enrich(sandbox, path, tmp_path / "again.csv")
    assert undisturbed.code == 0
    kept = [name for name in rows_of(out)[0] if name != "lead_fetched_at"]
    again = [pd.read_csv(one, dtype=str)[kept] for one in (out, tmp_path / "again.csv")]
    pd.testing.assert_frame_equal(again[0], again[1])


def test_the_manifest_is_json(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Nothing else is on standard output, and it describes the file that was written, in the documented order."""
    path = write(tmp_path / "in.csv", [["email"], ["ann@example.com"]])
    manifest = json.loads(enrich(sandbox, path, tmp_path / "out.csv", "--json").out)
    written = (tmp_path / "out.csv").stat()
    assert list(manifest)[-3:] == ["settings", "output", "drift"]
    assert list(manifest["output"]) == ["name", "rows", "bytes", "sha256", "columns", "filled"]
    assert (manifest["output"]["name"], manifest["output"]["bytes"]) == ("out.csv", written.st_size)
    assert written.st_mode & 0o777 == 0o600

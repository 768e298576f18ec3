from __future__ import annotations

import itertools
import logging
from typing import TYPE_CHECKING

import pytest
from emails_lists import ANN, JIM, JOE, PACKERS, as_csv, as_jsonl, as_parquet, as_workbook, listed, refusal, write

from pipeline.emails.reader import EmailList, Reading
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

CELLS = [f"person.{n}@example.com" if n % 50 else f"jürgen.{n}@example.com" for n in range(500)]
TABLE = [["id", "Name", "E-Mail"], *([f"{n:04}", "Günther; Å", cell] for n, cell in enumerate(CELLS))]
OBJECTS = as_jsonl({"id": n, "Name": None, "E-Mail": cell} for n, cell in enumerate(CELLS))
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
TEXTS = {
    "comma.csv": as_csv(TABLE),
    "semicolon.csv": as_csv(TABLE, ";", "\r\n"),
    "tab.csv": as_csv(TABLE, "\t"),
    "pipe.csv": as_csv(TABLE, "|", "\r"),
    "bare.csv": "".join(f"{cell}\n" for cell in CELLS),
    "list.tsv": as_csv(TABLE, "\t"),
    "list.txt": "".join(f"{cell}\r\n" for cell in CELLS),
    "objects.jsonl": OBJECTS,
    "texts.ndjson": as_jsonl(CELLS),
}
BINARIES = {
    "list.parquet": as_parquet({"id": range(500), "Name": ["Å"] * 500, "E-Mail": CELLS}),
    "LIST.XLSX": as_workbook(TABLE),
}


@pytest.mark.parametrize("packing", PACKERS)
@pytest.mark.parametrize("name", TEXTS)
def test_the_same_addresses_come_out_of_every_text_form(tmp_path: Path, name: str, packing: str) -> None:
    """Whatever the form, the packing, the encoding and the delimiter: 500 addresses, in order, unchanged."""
    for encoding in ENCODINGS:
        emails = listed(tmp_path, PACKERS[packing](TEXTS[name].encode(encoding)), name + packing)
        emails.check()
        assert list(emails.cells()) == CELLS, encoding
        assert emails.rows == 500


@pytest.mark.parametrize("name", BINARIES)
def test_the_same_addresses_come_out_of_binary_forms(tmp_path: Path, name: str) -> None:
    """The same for Parquet files and workbooks."""
    emails = listed(tmp_path, BINARIES[name], name)
    emails.check()
    assert list(emails.cells()) == CELLS
    assert (emails.rows, len(emails.sha256)) == (500, 64)


@pytest.mark.parametrize(
    ("name", "content", "stated", "line", "guessed"),
    [
        (
            "a.csv",
            "id;x;E-Mail\n1;Größe;joe@example.com\n".encode("cp1252"),
            {},
            "csv, cp1252, semicolon, column 'E-Mail' (3 of 3)",
            ("encoding", "delimiter", "header", "email_column"),
        ),
        (
            "a.csv",
            f"id,a,b\n1,{JOE},{JIM}\n",
            {"email_column": "b", "encoding": "utf-8", "delimiter": "comma"},
            "csv, utf-8, comma, column 'b' (3 of 3)",
            ("header",),
        ),
        (
            "a.csv.gz",
            PACKERS[".gz"](f"1~{JOE}\n".encode()),
            {"delimiter": "~"},
            "csv.gz, utf-8, '~', no header, column 'column 2' (2 of 2)",
            ("encoding", "header", "email_column"),
        ),
        ("a.tsv", f"{JOE}\n", {}, "tsv, utf-8, tab, no header, column 'column 1' (1 of 1)", None),
        ("a.txt.zst", PACKERS[".zst"](JOE.encode()), {}, "txt.zst, utf-8, no header, column 'column 1' (1 of 1)", None),
        ("a.jsonl", as_jsonl([{"a": 1, "mail": JOE}]), {}, "jsonl, utf-8, column 'mail' (2 of 2)", None),
        ("a.parquet", as_parquet({"n": [1], "mail": [JOE]}), {}, "parquet, column 'mail' (2 of 2)", None),
        ("a.xlsx", as_workbook([["n", "mail"], [1, JOE]]), {}, "xlsx, column 'mail' (2 of 2)", None),
    ],
    ids=["csv", "stated", "csv.gz", "tsv", "txt.zst", "jsonl", "parquet", "xlsx"],
)
def test_how_a_list_is_read_is_said_in_one_line(
    tmp_path: Path,
    name: str,
    content: str | bytes,
    stated: dict[str, str],
    line: str,
    guessed: tuple[str, ...] | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For a person, and in the log once a list; what was a guess and what was stated is told apart."""
    caplog.set_level(logging.INFO)
    emails = listed(tmp_path, content, name, **stated)
    assert str(emails.detected()) == line
    assert guessed in (None, emails.detected().guessed)
    list(emails.cells())
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.INFO] == [
        f"{name}: read as {line}"
    ]


@pytest.mark.parametrize("word", [";", "semicolon", "Semicolon"])
def test_a_stated_delimiter_counts(tmp_path: Path, word: str) -> None:
    """As a mark or as a word, against what the lines look like."""
    assert list(listed(tmp_path, f"a,b;email\n1,2;{JOE}\n3,4;{JIM}\n", delimiter=word).cells()) == [JOE, JIM]
    assert list(listed(tmp_path, f"id\temail\n1\t{JOE}\n", delimiter="\\t").cells()) == [JOE]


def test_the_delimiter_that_a_spreadsheet_announces_counts(tmp_path: Path) -> None:
    """A first line `sep=;` is no row; lines are still counted from the file's first."""
    emails = listed(tmp_path, f"sep=;\r\nemail;sum\r\n{JOE};1,5\r\n{JIM}\r\n")
    assert list(emails.cells()) == [JOE, JIM]
    assert emails.shape().ragged_lines == (4,)


def test_decimal_commas_are_no_delimiter(tmp_path: Path) -> None:
    """Where two marks stand in every line, addresses decide which is between the cells."""
    assert list(listed(tmp_path, f"1,5;{JOE}\n2,5;{JIM}\n").cells()) == [JOE, JIM]
    assert list(listed(tmp_path, f'id;"sum, net";email\n1;1,5;{JOE}\n2;2,5;{JIM}\n').cells()) == [JOE, JIM]


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        (
            {"encoding": "klingon"},
            "There is no encoding 'klingon'; use a name such as utf-8, utf-16, cp1252 or shift_jis.",
        ),
        ({"encoding": "hex"}, "There is no encoding 'hex'; use a name such as utf-8, utf-16, cp1252 or shift_jis."),
        ({"encoding": "idna"}, "There is no encoding 'idna'; use a name such as utf-8, utf-16, cp1252 or shift_jis."),
        (
            {"encoding": "a\0b"},
            "There is no encoding 'a\\x00b'; use a name such as utf-8, utf-16, cp1252 or shift_jis.",
        ),
        ({"delimiter": ";;"}, "The delimiter ';;' is not one character; use comma, semicolon, tab, pipe or a mark."),
        ({"delimiter": '"'}, "The delimiter '\"' is not one character; use comma, semicolon, tab, pipe or a mark."),
    ],
)
def test_what_cannot_be_stated_is_refused_at_once(tmp_path: Path, stated: dict[str, str], message: str) -> None:
    """Before a list is opened, and in place of reading it."""
    emails = listed(tmp_path, f"{JOE}\n", **stated)
    assert refusal(emails) == message
    with pytest.raises(UsageError, match=r"There is no encoding|The delimiter"):
        emails.check()


def test_a_name_decides_the_form(tmp_path: Path) -> None:
    """Of the last suffix, and the one before it if that is a packing; case does not matter."""
    for suffix, packing in itertools.product([".csv", ".TSV", ".txt", ".jsonl", ".NDJSON"], ["", ".gz", ".ZST"]):
        EmailList(write(tmp_path, "", f"a.b{suffix}{packing}")).check()


def test_a_list_is_not_read_while_it_changes(tmp_path: Path) -> None:
    """Its checksum is that of the rows that were read, or it is refused."""
    emails = listed(tmp_path, f"{JOE}\n")
    emails.fingerprint(tmp_path / "spool")
    write(tmp_path, f"{JOE}\n{ANN}\n")
    assert refusal(emails) == "list.csv: the list was changed while it was read; try again."


def test_a_reading_stated_as_detected_is_the_same_reading(tmp_path: Path) -> None:
    """What `detected` says can be stated."""
    for name, encoding in itertools.product(["comma.csv", "semicolon.csv", "pipe.csv", "objects.jsonl"], ENCODINGS):
        emails = listed(tmp_path, TEXTS[name].encode(encoding), name)
        found = emails.detected()
        again = EmailList(emails.path, Reading(found.email_column, found.encoding, found.delimiter))
        assert list(again.cells()) == CELLS, encoding

"""The sentences about lists that users see most."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any

import pytest

from pipeline.emails.lists import EmailList, ReadOptions
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

ADVICE = (
    "correct it, or pass --quoting none if quotes are part of the text"
    r", or --quoting backslash if a quote in quotes is written as \"."
)
TYPES = (
    ".csv, .jsonl, .ndjson, .tsv, .txt (each also compressed as .gz or .zst), .parquet, .xlsx, or - for standard input"
)


@pytest.mark.parametrize(
    ("name", "content", "stated", "sentence"),
    [
        ("a.csv", b"", {}, "a.csv: the list is empty; pass --allow-empty if it may be."),
        (
            "a.csv",
            b"x\nb\xff\n" + "é\né\n".encode(),
            {},
            "a.csv: line 2 is not valid UTF-8; fix the file or pass --encoding.",
        ),
        (
            "a.csv",
            "x\nЮлия Жюль\n".encode("cp1251"),
            {},
            "a.csv: line 2 has an encoding that could not be detected; pass --encoding, such as cp1251 or shift_jis.",
        ),
        (
            "a.txt",
            b"x\n\xff\n",
            {"encoding": "utf-8"},
            "a.txt: line 2 is not valid utf-8; fix the file or pass --encoding.",
        ),
        ("a.txt", b"nobody\n\0\n", {}, "a.txt: line 2 contains binary data; this is not a text list."),
        ("a.csv", b"PAR1", {}, "a.csv: this is a Parquet file; rename it to .parquet or export the list as CSV."),
        (
            "a.csv",
            b"\n<!DOCTYPE html>\n<html>\n",
            {},
            "a.csv: this is a web page, perhaps one to log in; log in and download the list again.",
        ),
        (
            "a.csv.gz",
            gzip.compress(gzip.compress(b"x", mtime=0), mtime=0),
            {},
            "a.csv.gz: this file is compressed twice; decompress it once.",
        ),
        (
            "a.jsonl",
            b'{"email": "a@example.com", "score": NaN}\n',
            {},
            (
                "a.jsonl: line 1 begins like an object, but is not valid JSON"
                " (one object a line, all quotes and brackets closed, no NaN)."
            ),
        ),
        ("a.csv", gzip.compress(b"x", mtime=0), {}, "a.csv: this is a gzip file; add .gz to its name."),
        (
            "a.csv.gz",
            gzip.compress(b"x", mtime=0)[:-4],
            {},
            "a.csv.gz: the gzip file is damaged or cut off; download or compress it again.",
        ),
        (
            "a.csv",
            b'email\n"x\n',
            {},
            "a.csv: line 2 is not valid CSV (a quote is never closed); " + ADVICE,
        ),
        (
            "a.csv",
            b"id,name\n",
            {},
            "a.csv: no column holds addresses; pass --email-column. Columns: 'id', 'name'.",
        ),
        (
            "a.csv",
            b"from,to\na@example.com,b@example.com\n",
            {},
            "a.csv: several columns could hold the addresses; pass --email-column. Columns: 'from', 'to'.",
        ),
        (
            "a.csv",
            b"id,Contact\n1,a@example.com\n",
            {"email_column": "Contakt"},
            "a.csv: there is no column 'Contakt'. Did you mean 'Contact'? Columns: 'id', 'Contact'.",
        ),
        (
            "a.jsonl",
            b"[]\n",
            {},
            "a.jsonl: line 1 is not a JSON object; every line must hold one object, or every line one string.",
        ),
        (
            "a.jsonl",
            b'{"properties": {"email": "a@example.com"}}\n',
            {},
            "a.jsonl: the addresses are within objects; pass --email-column with their path: properties.email.",
        ),
        (
            "a.txt",
            b"Ann,a@example.com\n",
            {},
            "a.txt: most lines hold several cells, the first of them line 1; rename it to .csv.",
        ),
        (
            "a.csv",
            b"a@example.com\nemail\nb@example.com\n",
            {},
            "a.csv: line 2 looks like a header, but rows come before it; remove them, or pass --email-column.",
        ),
        (
            "a.csv",
            b"id,email\n1,a@example.com\nemail,id\nb@example.com,2\n",
            {},
            "a.csv: line 3 is a header with its columns in another order; pass the files that were joined one by one.",
        ),
        ("a.csv", b"x", {"quoting": "both"}, "Unknown quoting 'both'; use standard, backslash, none."),
        ("a.parquet", b"x", {}, "a.parquet: not a Parquet file, or it is damaged."),
        ("a.xlsx", b"x", {}, "a.xlsx: not a workbook (.xlsx), or it is damaged or encrypted."),
        (
            "a.csv",
            b"x",
            {"encoding": "klingon"},
            "Unknown encoding 'klingon'; use a name such as utf-8, utf-16, cp1252 or shift_jis.",
        ),
        (
            "a.csv",
            b"x",
            {"delimiter": ";;"},
            "Invalid delimiter ';;'; use comma, semicolon, tab, pipe or any other single character.",
        ),
    ],
)
def test_sentences_about_lists(
    tmp_path: Path, name: str, content: bytes, stated: dict[str, Any], sentence: str
) -> None:
    """What is wrong, where, and what to do."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UsageError) as error:
        list(EmailList(path, ReadOptions(**stated)).cells())
    assert str(error.value) == sentence


def test_sentences_about_files(tmp_path: Path) -> None:
    """The check before anything is read names the path."""
    path = tmp_path / "a.doc"
    for content, sentence in (
        (None, f"{path}: cannot be read (No such file or directory)."),
        ("", f"{path}: unsupported file type; use {TYPES}."),
    ):
        if content is not None:
            path.write_text(content)
        with pytest.raises(UsageError) as error:
            EmailList(path).check()
        assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (
            b"customer\na@example.com\n",
            "a.csv: the first row is taken for a header, although no column in it is called email.",
        ),
        (
            b"n/a\na@example.com\nb@example.com\n",
            "a.csv: the first row has no address and is not taken for a header; if it is one, pass --email-column.",
        ),
        (b"Report\n\nid,email\n1,a@example.com\n", "a.csv: the header is in line 3; what is above it is left out."),
        (
            b"email\na@example.com\nemail\nb@example.com\n",
            "a.csv: the header is repeated and left out in line 3.",
        ),
        (
            b'email,name\na@example.com,"Ann \\"AJ\\" Lee"\n',
            r"a.csv: quotes are read as escaped by backslashes (\"), a guess; check the cells, or pass --quoting.",
        ),
        (
            b"email\nJos\xe9\n",
            "a.csv: line 2 is not UTF-8 and is read as cp1252, a guess; check the accents, or pass --encoding.",
        ),
    ],
)
def test_warnings_about_guesses(
    tmp_path: Path, content: bytes, sentence: str, caplog: pytest.LogCaptureFixture
) -> None:
    """An uncertain guess is logged."""
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    list(EmailList(path).cells())
    assert [record.getMessage() for record in caplog.records] == [sentence]

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest
from emails_lists import JOE, listed, refusal

if TYPE_CHECKING:
    from pathlib import Path

WESTERN = {
    "de": "Jürgen Groß, Käthe Weiß, Günther Köhler",
    "fr": "François Lefèvre, Hélène Bérard, Noël Créée",
    "es": "José Núñez, María Peña, Íñigo López",
    "pt": "João Gonçalves, Conceição Araújo",
    "nordic": "Åse Bjørn, Søren Kjær, Päivi Mäkinen",
    "marks": "“Ann” Müller \N{EN DASH} 5 €",
}
OTHER = {
    "cp1251": "Иван Петров, Мария Иванова",
    "koi8-r": "Сергей Кузнецов",
    "cp1253": "Γιώργος Παπαδόπουλος",
    "cp932": "山田太郎, 佐藤花子",
    "gb18030": "王小明, 张伟",
    "big5": "陳大文, 林美玲",
    "cp949": "김민수, 이지은",
    "cp1255": "דוד כהן",
}


def table(names: str) -> str:
    """A list with these names, one a row."""
    return "name;email\n" + "".join(f"{name.strip()};{JOE}\n" for name in names.split(","))


@pytest.mark.parametrize("language", WESTERN)
def test_western_european_names_are_read_and_the_guess_is_said(
    tmp_path: Path, language: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Windows-1252 is what such lists are in, if not UTF-8; names come out right, and a warning says it was a guess."""
    text = table(WESTERN[language])
    emails = listed(tmp_path, text.encode("cp1252"))
    (batch,) = emails.batches()
    assert batch.column(0).to_pylist() == [line.partition(";")[0] for line in text.splitlines()[1:]]
    assert emails.detected().encoding == "cp1252"
    assert "encoding" in emails.detected().guessed
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage() == (
        "list.csv: line 2 is not UTF-8 and is read as cp1252, a guess; look at the accents in the result, or state"
        " --encoding."
    )


def test_a_byte_that_windows_does_not_know_makes_it_latin_1(tmp_path: Path) -> None:
    """No byte is lost, whatever it was meant to be."""
    emails = listed(tmp_path, b"name;email\nJos\xe9 \x81;joe@example.com\n")
    assert [str(emails.detected()), list(emails.cells())] == [
        "csv, iso8859-1, semicolon, column 'email' (2 of 2)",
        [JOE],
    ]


@pytest.mark.parametrize("encoding", OTHER)
def test_other_scripts_are_read_only_as_stated(tmp_path: Path, encoding: str) -> None:
    """They cannot be told from each other, and wrong names would be seen by nobody: so it is an error to guess."""
    content = table(OTHER[encoding]).encode(encoding)
    assert refusal(listed(tmp_path, content)) == (
        "list.csv: line 2 is in an encoding that cannot be told; state --encoding, such as cp1251, shift_jis or"
        " gb18030."
    )
    (batch,) = listed(tmp_path, content, encoding=encoding).batches()
    assert batch.column(0).to_pylist() == [name.strip() for name in OTHER[encoding].split(",")]


def test_a_late_byte_that_is_not_utf_8_decides_before_the_first_row(tmp_path: Path) -> None:
    """All bytes are looked at first: reading does not break halfway, and accents before that byte are right."""
    content = "email,name\n" + f"{JOE},x\n" * 200_000 + f"{JOE},Müller\n"
    emails = listed(tmp_path, content.encode("cp1252"))
    assert sum(1 for _ in emails.cells()) == 200_001
    assert emails.detected().encoding == "cp1252"


def test_damaged_utf_8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    """One broken byte does not turn every other accent into two odd characters."""
    content = table("Jürgen, Käthe, Günther").encode() + b"Bj\xf6rn;bj@example.com\n"
    assert refusal(listed(tmp_path, content)) == (
        "list.csv: line 5 is damaged UTF-8; mend it, or state --encoding to read it as something else."
    )
    assert len(list(listed(tmp_path, content, encoding="cp1252").cells())) == 4


def test_two_encodings_in_one_list_are_refused(tmp_path: Path) -> None:
    """As of two lists put behind each other: read as either, the names of the other would be wrong."""
    names = WESTERN["de"]
    content = table(f"{names}, {names}").encode("cp1252") + table(names).encode()
    assert refusal(listed(tmp_path, content)).startswith("list.csv: line 2 is damaged UTF-8; mend it,")


def test_accents_that_are_utf_8_by_chance_do_no_harm(tmp_path: Path) -> None:
    """Two odd letters beside each other may be."""
    content = table(", ".join([WESTERN["fr"]] * 9) + ", RÃ\N{COPYRIGHT SIGN}").encode("cp1252")
    assert listed(tmp_path, content).detected().encoding == "cp1252"


def test_bytes_that_are_no_text_in_the_stated_encoding_are_refused(tmp_path: Path) -> None:
    """With the line, near enough to find it."""
    content = ("email\n" + f"{JOE}\n" * 40_000).encode() + b"\xe9\n"
    assert refusal(listed(tmp_path, content, encoding="UTF8")) == (
        "list.csv: line 40002 is no utf-8 text; mend it, or state --encoding."
    )
    assert refusal(listed(tmp_path, content, encoding="ascii")).startswith("list.csv: line 40002 is no ascii text")


def test_a_byte_order_mark_counts_more_than_what_was_stated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One --encoding for several lists does no harm to one that says itself what it is; a warning says so."""
    for encoding in ("utf-8-sig", "utf-16"):
        emails = listed(tmp_path, "email\njürgen@example.com\n".encode(encoding), encoding="cp1252")
        assert list(emails.cells()) == ["jürgen@example.com"]
    assert [record.getMessage() for record in caplog.records] == [
        "list.csv: a byte order mark says utf-8, which is taken in place of cp1252.",
        "list.csv: a byte order mark says utf-16, which is taken in place of cp1252.",
    ]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_known_by_its_zeros(tmp_path: Path, encoding: str) -> None:
    """Also without a mark, and with names in between that have none."""
    emails = listed(tmp_path, table("王小明, 张伟, Ann").encode(encoding))
    assert (list(emails.cells()), emails.detected().encoding) == ([JOE] * 3, encoding)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe",
            "line 1 is not UTF-8, and there is binary data; this is not a text list.",
        ),
        (b"email\nx\xe9\x01\n", "line 2 is not UTF-8, and there is binary data; this is not a text list."),
        (b"email\nx\0\n", "binary data in line 2; this is not a text list."),
        (b"PK\x03\x04x", "this is a workbook or a ZIP file; name a workbook .xlsx, or export it as CSV."),
        (b"\xd0\xcf\x11\xe0x", "this is a workbook of an old kind; export it as CSV."),
        (b"\x1f\x8bx", "this is a gzip file; name it .csv.gz, .txt.gz or .jsonl.gz."),
        (b"\x28\xb5\x2f\xfdx", "this is a Zstandard file; name it .csv.zst, .txt.zst or .jsonl.zst."),
        (b"PAR1", "this is a Parquet file; name it .parquet."),
        (b"%PDF-1.7", "this is a PDF file; export the list as CSV."),
    ],
)
def test_what_is_no_text_says_what_it_is(tmp_path: Path, content: bytes, message: str) -> None:
    """In every text form."""
    for name in ("list.csv", "list.tsv", "list.txt", "list.jsonl"):
        assert refusal(listed(tmp_path, content, name)) == f"{name}: {message}"

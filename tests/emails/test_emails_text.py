from __future__ import annotations

import io
import logging
from pathlib import Path

import pytest
from emails_lists import JIM, JOE, listed, refusal

from pipeline.emails.formats import format_of
from pipeline.emails.text import read_lines
from pipeline.errors import UsageError

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
def test_western_european_names_are_read_and_the_guess_is_logged(
    tmp_path: Path, language: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If they are not UTF-8, they are nearly always Windows-1252; a warning says that it was a guess."""
    text = table(WESTERN[language])
    emails = listed(tmp_path, text.encode("cp1252"))
    (batch,) = emails.batches()
    assert batch.column(0).to_pylist() == [line.partition(";")[0] for line in text.splitlines()[1:]]
    assert emails.detected().encoding == "cp1252"
    assert "encoding" in emails.detected().guessed
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    for fact in ("list.csv", "line 2", "cp1252", "--encoding"):
        assert fact in record.getMessage()


def test_a_byte_that_windows_does_not_know_makes_it_latin_1(tmp_path: Path) -> None:
    """No byte is lost, whatever it was meant to be."""
    emails = listed(tmp_path, b"name;email\nJos\xe9 \x81;joe@example.com\n")
    assert [str(emails.detected()), list(emails.cells())] == [
        "csv, iso8859-1, semicolon, column 'email' (2 of 2)",
        [JOE],
    ]


@pytest.mark.parametrize("encoding", OTHER)
def test_other_scripts_are_read_only_as_stated(tmp_path: Path, encoding: str) -> None:
    """They cannot be told from each other, and nobody would notice wrong names: so it is an error."""
    content = table(OTHER[encoding]).encode(encoding)
    refusal(listed(tmp_path, content), "line 2", "--encoding")
    (batch,) = listed(tmp_path, content, encoding=encoding).batches()
    assert batch.column(0).to_pylist() == [name.strip() for name in OTHER[encoding].split(",")]


def test_a_late_byte_that_is_not_utf_8_decides_before_the_first_row(tmp_path: Path) -> None:
    """All bytes are read first: reading does not break halfway, and accents before that byte are right."""
    content = "email,name\n" + f"{JOE},x\n" * 150_000 + f"{JOE},Müller\n"
    emails = listed(tmp_path, content.encode("cp1252"))
    assert sum(1 for _ in emails.cells()) == 150_001
    assert emails.detected().encoding == "cp1252"


def test_damaged_utf_8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    """One broken byte does not turn every other accent into two odd characters."""
    content = table("Jürgen, Käthe, Günther").encode() + b"Bj\xf6rn;bj@example.com\n"
    refusal(listed(tmp_path, content), "line 5", "UTF-8", "--encoding")
    assert len(list(listed(tmp_path, content, encoding="cp1252").cells())) == 4


def test_two_encodings_in_one_list_are_refused(tmp_path: Path) -> None:
    """As in two concatenated lists: read as either, the names of the other would be wrong."""
    names = WESTERN["de"]
    content = table(f"{names}, {names}").encode("cp1252") + table(names).encode()
    refusal(listed(tmp_path, content), "line 2", "UTF-8", "--encoding")


def test_accents_that_are_utf_8_by_chance_do_no_harm(tmp_path: Path) -> None:
    """Two odd letters next to each other may be valid UTF-8."""
    content = table(", ".join([WESTERN["fr"]] * 9) + ", RÃ\N{COPYRIGHT SIGN}").encode("cp1252")
    assert listed(tmp_path, content).detected().encoding == "cp1252"


def test_bytes_that_are_invalid_in_the_stated_encoding_are_refused(tmp_path: Path) -> None:
    """With the line, near enough to find it."""
    content = ("email\n" + f"{JOE}\n" * 40_000).encode() + b"\xe9\n"
    for encoding, shown in (("UTF8", "utf-8"), ("ascii", "ascii")):
        refusal(listed(tmp_path, content, encoding=encoding), "line 40002", shown, "--encoding")


def test_a_byte_order_mark_takes_precedence_over_the_stated_encoding(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One --encoding for several lists does no harm to one that states its own; a warning says so."""
    for encoding in ("utf-8-sig", "utf-16"):
        emails = listed(tmp_path, "email\njürgen@example.com\n".encode(encoding), encoding="cp1252")
        assert list(emails.cells()) == ["jürgen@example.com"]
    for record, encoding in zip(caplog.records, ("utf-8", "utf-16"), strict=True):
        assert f"mark of {encoding}" in record.getMessage()
        assert "cp1252" in record.getMessage()


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_is_recognised_by_its_zeros(tmp_path: Path, encoding: str) -> None:
    """Also without a mark, and with names that contain none."""
    emails = listed(tmp_path, table("王小明, 张伟, Ann").encode(encoding))
    assert (list(emails.cells()), emails.detected().encoding) == ([JOE] * 3, encoding)


@pytest.mark.parametrize(
    ("content", "facts"),
    [
        (" \r\n\n\t\n", ["empty"]),
        ("\ufeff", ["empty"]),
        (b"\xff\xfe", ["empty"]),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff\xfe", ["line 1", "binary"]),
        (b"email\nx\xe9\x01\n", ["line 2", "binary"]),
        (b"email\nx\0\n", ["line 2", "binary"]),
        (b"\0" * 500_000, ["line 1", "binary"]),
        (b"\xff\xfee\0m\0a", ["line 1", "utf-16", "--encoding"]),
        (b"PK\x03\x04x", ["Excel", ".xlsx"]),
        (b"\xd0\xcf\x11\xe0x", ["Excel", ".xls"]),
        (b"\x1f\x8bx", ["gzip", ".gz"]),
        (b"\x28\xb5\x2f\xfdx", ["Zstandard", ".zst"]),
        (b"PAR1", ["Parquet", ".parquet"]),
        (b"%PDF-1.7", ["PDF"]),
    ],
)
def test_a_file_that_is_not_text_is_refused(tmp_path: Path, content: str | bytes, facts: list[str]) -> None:
    """Empty, binary or in another encoding: the message says which, in every text format."""
    for name in ("list.csv", "list.txt", "list.jsonl"):
        refusal(listed(tmp_path, content, name), *facts)


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le"])
def test_a_line_is_bounded(codec: str) -> None:
    """A file without line ends does not fill the memory: the message says where, and how long lines may be."""
    content = f"email\n{'x' * 999}\n{'x' * 1_000}\n".encode(codec)
    with pytest.raises(UsageError, match=r"^list\.csv: line 3.* 1,000 characters"):
        list(read_lines("list.csv", io.BytesIO(content), codec, max_length=1_000))  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "longest"), [("a.txt", 1 << 18), ("a.csv", 1 << 24), ("a.jsonl", 1 << 24)])
def test_lines_are_as_long_as_what_they_hold(tmp_path: Path, name: str, longest: int) -> None:
    """Cells may hold documents, lines of nothing but an address may not."""
    text_format = format_of(Path(name))
    assert text_format is not None
    assert text_format.max_line == longest
    if longest < 1 << 20:
        refusal(listed(tmp_path, "x" * (longest + 1), name), "line 1", f"{longest:,} characters")


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [(1 << 17) - 1, 1 << 17, (1 << 17) + 1])
def test_line_ends_at_the_border_of_two_pieces_are_one_line_end(tmp_path: Path, size: int, line_end: str) -> None:
    """A text is decoded in pieces of 128 KiB; no line is lost or cut, and line numbers stay right."""
    emails = listed(tmp_path, ("x" * (size - 1) + line_end + JOE + line_end + JIM).encode(), "list.txt")
    assert list(emails.cells())[1:] == [JOE, JIM]
    assert emails.line_numbers({2, 3}) == {2: 2, 3: 3}

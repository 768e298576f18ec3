from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from emails_lists import (
    ANN,
    COMPRESS,
    JIM,
    JOE,
    as_csv,
    as_jsonl,
    as_parquet,
    as_workbook,
    compress,
    listed,
    refusal,
    write,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import pipeline
from pipeline.emails.formats import formats, supported
from pipeline.emails.lists import EmailList, ReadOptions
from pipeline.errors import UsageError

CELLS = [f"person.{n}@example.com" if n % 50 else f"jürgen.{n}@example.com" for n in range(100)]
TABLE = [["id", "Name", "E-Mail"], *([f"{n:04}", "Günther; Å", cell] for n, cell in enumerate(CELLS))]
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
TEXTS = {
    "comma.csv": as_csv(TABLE),
    "semicolon.CSV": as_csv(TABLE, ";", "\r\n"),
    "tab.csv": as_csv(TABLE, "\t"),
    "pipe.csv": as_csv(TABLE, "|", "\r"),
    "bare.csv": "".join(f"{cell}\n" for cell in CELLS),
    "list.tsv": as_csv(TABLE, "\t"),
    "list.txt": "".join(f"{cell}\r\n" for cell in CELLS),
    "objects.jsonl": as_jsonl({"id": n, "Name": None, "E-Mail": cell} for n, cell in enumerate(CELLS)),
    "strings.ndjson": as_jsonl(CELLS),
}
BINARIES = {
    "list.parquet": as_parquet({"id": range(100), "E-Mail": CELLS, "x": [[n] for n in range(100)]}, compression="none"),
    "LIST.XLSX": as_workbook(TABLE),
}
FILES = {
    **{name: text.encode("utf-16" if ".tsv" in name else "utf-8") for name, text in TEXTS.items()},
    "list.csv.gz": compress(TEXTS["comma.csv"].encode(), "a.gz"),
    "list.csv.zst": compress(TEXTS["comma.csv"].encode(), "a.zst"),
    **BINARIES,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("any")


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("name", TEXTS)
def test_the_same_addresses_are_read_from_every_text_format(tmp_path: Path, name: str, suffix: str) -> None:
    """Whatever the format, compression, encoding and delimiter; what `detected` reports can be stated as options."""
    for encoding in ENCODINGS:
        emails = listed(tmp_path, COMPRESS[suffix](TEXTS[name].encode(encoding)), name + suffix.upper())
        emails.check()
        assert (list(emails.cells()), emails.rows) == (CELLS, 100), encoding
        found = emails.detected()
        options = ReadOptions(found.email_column, found.encoding, found.delimiter)
        assert list(EmailList(emails.path, options).cells()) == CELLS, encoding


@pytest.mark.parametrize("name", BINARIES)
def test_the_same_addresses_are_read_from_binary_formats(tmp_path: Path, name: str) -> None:
    """The same for Parquet files and workbooks."""
    emails = listed(tmp_path, BINARIES[name], name)
    emails.check()
    assert (list(emails.cells()), emails.rows) == (CELLS, 100)


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
            f"1~{JOE}\n",
            {"delimiter": "~"},
            "csv.gz, utf-8, '~', no header, column 'column 2' (2 of 2)",
            ("encoding", "header", "email_column"),
        ),
        (
            "a.tsv",
            f"{JOE}\n",
            {},
            "tsv, utf-8, tab, no header, column 'column 1' (1 of 1)",
            ("encoding", "header", "email_column"),
        ),
        ("a.txt.zst", JOE, {}, "txt.zst, utf-8, no header, column 'column 1' (1 of 1)", ("encoding",)),
        (
            "a.jsonl",
            as_jsonl([{"a": 1, "mail": JOE}]),
            {},
            "jsonl, utf-8, column 'mail' (2 of 2)",
            ("encoding", "email_column"),
        ),
        (
            "a.parquet",
            as_parquet({"n": [1], "mail": [JOE]}),
            {},
            "parquet, column 'mail' (2 of 2)",
            ("email_column",),
        ),
        ("a.xlsx", as_workbook([["n", "mail"], [1, JOE]]), {"email_column": "2"}, "xlsx, column 'mail' (2 of 2)", None),
    ],
    ids=["csv", "stated", "csv.gz", "tsv", "txt.zst", "jsonl", "parquet", "xlsx"],
)
def test_how_a_list_is_read_is_reported_in_one_line(
    tmp_path: Path,
    name: str,
    content: str | bytes,
    stated: dict[str, str],
    line: str,
    guessed: tuple[str, ...] | None,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """For people, and in the log once for each list; what was detected and what was stated is told apart."""
    caplog.set_level(logging.INFO)
    emails = listed(tmp_path, compress(content.encode() if isinstance(content, str) else content, name), name, **stated)
    assert str(emails.detected()) == line
    assert emails.detected().guessed == (guessed or ("header",))
    list(emails.cells())
    (record,) = [record for record in caplog.records if record.levelno == logging.INFO]
    assert line in record.getMessage()


@pytest.mark.parametrize(
    "stated",
    [{"encoding": name} for name in ("klingon", "hex", "idna", "a\0b")] + [{"delimiter": mark} for mark in (";;", '"')],
)
def test_unusable_options_are_refused_at_once(tmp_path: Path, stated: dict[str, str]) -> None:
    """Before a list is opened, and instead of reading it."""
    emails = listed(tmp_path, f"{JOE}\n", **stated)
    (value,) = stated.values()
    for use in (emails.check, lambda: list(emails.cells())):
        with pytest.raises(UsageError) as error:
            use()
        assert repr(value) in str(error.value)


def test_the_suffix_decides_the_format() -> None:
    """Messages and help texts name every suffix."""
    assert {suffix: each.name for suffix, each in formats().items()} == {
        ".csv": "csv",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".parquet": "parquet",
        ".tsv": "tsv",
        ".txt": "txt",
        ".xlsx": "xlsx",
    }
    assert [suffix for suffix in (*formats(), ".gz", ".zst") if suffix not in supported()] == []


VCF = '''
from pipeline.emails.table import TableFormat

class VCard(TableFormat):
    """Address books."""

    name = "vcf"
    suffixes = (".vcf",)
    is_text = True
    single_column = True

    def rows(self):
        for number, line in enumerate(self.lines(), 1):
            if line.upper().startswith("EMAIL"):
                yield number, [line.strip().partition(":")[2]]


class Cards(TableFormat):
    """A format whose library is not installed."""

    name = "cards"
    suffixes = (".cards",)
    signature = b"CARDS"
    title = "a card index"
    library = "cards_that_nobody_has"
    extra = "cards"

    def rows(self):
        import cards_that_nobody_has
'''


def test_a_format_is_added_with_a_single_file(tmp_path: Path) -> None:
    """One module in `formats`: lists, compressed lists, messages and hints know the new suffixes."""
    package = shutil.copytree(Path(pipeline.__file__).parent, tmp_path / "pipeline")
    (package / "emails" / "formats" / "vcf.py").write_text(VCF)
    card = f"BEGIN:VCARD\nEMAIL;TYPE=work:{JOE}\nEND:VCARD\nBEGIN:VCARD\nEMAIL:nobody\n"

    def plan(content: bytes, name: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "pipeline", "plan", str(write(tmp_path, content, name)), "--json"]
        done = subprocess.run(
            command, check=False, cwd=tmp_path, env={**os.environ, "PYTHONPATH": ""}, capture_output=True, text=True
        )
        return done.returncode, done.stdout or done.stderr

    code, output = plan(compress(card.encode("utf-16"), "a.gz"), "people.vcf.gz")
    assert code == 0, output
    (found,) = json.loads(output)["lists"]
    assert (found["form"], found["encoding"], found["rows"], found["first_invalid"]) == (
        "vcf",
        "utf-16",
        2,
        [{"input": "people.vcf.gz", "row": 2, "unit": "line", "line": 5, "code": "no_at"}],
    )
    for content, name, fact in (
        (b"", "people.doc", ".cards, .parquet"),
        (b"x", "people.cards", "lead-export[cards]"),
        (b"CARDS", "people.csv", "a card index"),
    ):
        code, output = plan(content, name)
        assert code == 2
        assert fact in output


READ_AND_LIST_LIBRARIES = """
import sys
from pathlib import Path
from pipeline.emails.lists import EmailList
emails = EmailList(Path(sys.argv[1]))
emails.check()
emails.fingerprint()
print(len(list(emails.cells())), emails.row_counts().rows)
print(sorted({"pyarrow", "openpyxl", "zstandard", "pandas", "msgspec"} & sys.modules.keys()))
"""


@pytest.mark.parametrize(
    ("name", "libraries"),
    [("a.csv", []), ("a.txt.gz", []), ("a.csv.zst", ["pyarrow"]), ("a.jsonl", ["msgspec"]), ("a.xlsx", ["openpyxl"])],
)
def test_a_list_loads_only_the_libraries_it_needs(tmp_path: Path, name: str, libraries: list[str]) -> None:
    """Text is read at once, without waiting for the libraries of other formats."""
    contents = {"a.jsonl": as_jsonl([{"email": ANN}]).encode(), "a.xlsx": as_workbook([[ANN]])}
    path = write(tmp_path, compress(contents.get(name, f"{ANN}\n".encode()), name), name)
    command = [sys.executable, "-c", READ_AND_LIST_LIBRARIES, str(path)]
    child = subprocess.run(command, capture_output=True, check=True, text=True)
    assert child.stdout.splitlines() == ["1 1", str(libraries)]


def read_or_refused(folder: Path, name: str, content: bytes, options: ReadOptions = ReadOptions()) -> bool:  # noqa: B008 - frozen
    """Whether a list was read, with its hash, and with the same number of rows by every way to read it."""
    emails = EmailList(write(folder, content, name), options)
    try:
        cells = list(emails.cells())
        assert (emails.rows, emails.sha256) == (len(cells), hashlib.sha256(content).hexdigest())
        counts = emails.row_counts()
        assert counts.rows == len(cells)
        assert sum(batch.num_rows for batch in emails.batches(counts.width)) == len(cells)
    except UsageError as error:
        assert str(error).startswith((f"{name}: ", "Unknown encoding")) and "\n" not in str(error)  # noqa: PT017, PT018
        return False
    return True


PREFIXES = [
    b"",
    b"PAR1",
    b"PK\x03\x04",
    b"\x1f\x8b\x08\0\0\0\0\0\0\x03",
    b"\x28\xb5\x2f\xfd",
    b"\xff\xfe",
    b'{"email":',
]


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40)
@given(prefix=st.sampled_from(PREFIXES), content=st.binary(max_size=200), suffix=st.sampled_from([b"", b"PAR1"]))
def test_any_bytes_are_read_or_refused(folder: Path, name: str, prefix: bytes, content: bytes, suffix: bytes) -> None:
    """Whatever is in the file, and however it begins, it is read or refused with one sentence."""
    read_or_refused(folder, name, prefix + content + suffix)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=40)
@given(seed=st.integers(0, 1 << 32), changes=st.integers(0, 8))
def test_any_damage_is_read_or_refused(folder: Path, name: str, seed: int, changes: int) -> None:
    """A good list with some bytes changed, removed or inserted, or cut off."""
    content, chance = bytearray(FILES[name]), random.Random(seed)
    for _ in range(changes):
        place, size = chance.randrange(len(content)), chance.choice([0, 1, 1, 1, 2, 9])
        content[place : place + size] = chance.randbytes(chance.choice([size, size, 0, 3]))
        content = content or bytearray(b"x")
    if chance.random() < 0.2:
        del content[chance.randrange(len(content)) :]
    assert read_or_refused(folder, name, bytes(content)) or bytes(content) != FILES[name]


@given(
    content=st.binary(max_size=60) | st.text(" ,;\t|\"'\r\nab@.\ufeff", max_size=60).map(str.encode),
    encoding=st.sampled_from(
        [None, "ascii", "shift_jis", "gb18030", "utf-16", "utf-32", "hz", "iso2022_jp", "cp037", "big5hkscs", "no"]
    ),
    delimiter=st.sampled_from([None, ";", "x", " ", "é"]),
)
def test_any_bytes_are_read_or_refused_as_stated(
    folder: Path, content: bytes, encoding: str | None, delimiter: str | None
) -> None:
    """The same with options, sensible or not."""
    read_or_refused(folder, "any.csv", content, ReadOptions(None, encoding, delimiter))
    read_or_refused(folder, "any.txt", content, ReadOptions("1", encoding, delimiter))


def test_binary_files_without_a_byte_are_empty_lists(tmp_path: Path) -> None:
    """Rather than damaged files."""
    for name in ("list.parquet", "list.xlsx", "list.csv", "list.jsonl", "list.txt"):
        refusal(listed(tmp_path, b"", name), "empty")


def test_names_of_formats_and_compressions_can_be_combined(tmp_path: Path) -> None:
    """The last suffix may be a compression; case does not matter."""
    for suffix, compression in itertools.product([".csv", ".TSV", ".txt", ".jsonl", ".NDJSON"], ["", ".gz", ".ZST"]):
        EmailList(write(tmp_path, "", f"a.b{suffix}{compression}")).check()

import csv
import gzip
import hashlib
import io
import json
import os
import random
import subprocess
import sys
import tracemalloc
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipeline.emails.reader import STDIN, EmailList, Reading
from pipeline.errors import UsageError

JOE, JIM, ANN = "joe@example.com", "jim@example.com", "ann@example.com"
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CELLS = TEXTS | st.text(" ,;\t|\"'\r\nab@.\ufeff", max_size=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("lists")


KINDS = (
    "this kind of list is not read; use .csv, .tsv, .txt, .jsonl or .ndjson, each also packed as .gz or .zst, .parquet,"
    " .xlsx, or - for standard input."
)


def write(folder: Path, content: str | bytes, name: str = "list.csv") -> Path:
    """A list with exactly this content."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(folder: Path, content: str | bytes, name: str = "list.csv", column: str | None = None) -> list[str]:
    """The cells of a list with this content."""
    return list(EmailList(write(folder, content, name), Reading(email_column=column)).cells())


def refusal(folder: Path, content: str | bytes, name: str = "list.csv", column: str | None = None) -> str:
    """The message with which a list of this content is refused."""
    with pytest.raises(UsageError) as error:
        read(folder, content, name, column)
    return str(error.value)


def as_csv(rows: Iterable[Iterable[str]], delimiter: str = ",", line_end: str = "\n") -> str:
    """Rows as the standard library writes them."""
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(rows)
    return text.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        f"email\n{JOE}\n{JIM}\n",
        f"{JOE}\n{JIM}\n",
        f"{JOE}\n{JIM}",
        f"email\r\n{JOE}\r\n{JIM}\r\n",
        f"email\r{JOE}\r{JIM}\r",
        f"\n \n\r\nemail\n{JOE}\n\n{JIM}\n\n\n",
        f"id,email\n1,{JOE}\n2,{JIM}\n",
        f"id;email;name\n1;{JOE};Smith, J\n2;{JIM};Jones, J\n",
        f"id\temail\n1\t{JOE}\n2\t{JIM}\n",
        f"id|email\n1|{JOE}\n2|{JIM}\n",
        f'"id","email"\n"1","{JOE}"\n"2","{JIM}"\n',
        f'id,note,email\n1,"a ""b"", c\nd;e;f;g\n\nh",{JOE}\n2,,{JIM}\n',
        f'"note;;;",email\n,{JOE}\n,{JIM}\n',
        f"id,email,name\n1,{JOE}\n2,{JIM},Jim,more\n",
        f"1,{JOE}\n2,{JIM}\n",
    ],
)
def test_lists_of_every_dialect_read_the_same(tmp_path: Path, text: str) -> None:
    """Line ends, separators, quotes, blank lines, extra columns: the addresses are the same."""
    assert read(tmp_path, text) == [JOE, JIM]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["list.csv", "list.txt", "LIST.CSV", "list.Txt"])
def test_encodings_are_recognised(tmp_path: Path, encoding: str, name: str) -> None:
    """UTF-8 with and without byte order mark, and UTF-16 of either order with one."""
    mark = "\ufeff" if encoding[-3:] in ("-le", "-be") else ""
    assert read(tmp_path, f"{mark}jürgen@example.com\r\n用户@example.com\r\n".encode(encoding), name) == [
        "jürgen@example.com",
        "用户@example.com",
    ]


def test_a_text_list_has_one_address_a_line(tmp_path: Path) -> None:
    """Lines stay whole but for their end; blank ones are no rows; there is no header."""
    text = f'Email\n\n \t\n{JOE}\r\n"Smith, Joe" <{JIM}>; x\r  {ANN} \n\n'
    assert read(tmp_path, text, "list.txt") == ["Email", JOE, f'"Smith, Joe" <{JIM}>; x', f"  {ANN} "]


def test_rows_keep_what_stands_in_them(tmp_path: Path) -> None:
    """Cells come as they stood, and rows that are too short come as empty cells: each is accounted for."""
    text = f"id,email\n1, {JOE} \n2\n3,\n,\n5,n/a\n6,{JIM},{ANN}\n"
    assert read(tmp_path, text) == [f" {JOE} ", "", "", "", "n/a", JIM]


def test_a_damaged_address_in_the_first_row_is_no_header(tmp_path: Path) -> None:
    """A row is not lost because its address is no good."""
    assert read(tmp_path, f"joe@@example.com\n{JIM}\n{ANN}\n") == ["joe@@example.com", JIM, ANN]


@pytest.mark.parametrize("odd", ["jim|beam@example.com", "jim;beam@example.com"])
def test_a_rare_mark_is_no_separator(tmp_path: Path, odd: str) -> None:
    """In a list of one column, a mark inside one address does not cut it."""
    assert read(tmp_path, f"email\n{JOE}\n{odd}\n{ANN}\n") == [JOE, odd, ANN]


def test_a_header_alone_is_a_list_without_rows(tmp_path: Path) -> None:
    """Yesterday's query found nobody: no error."""
    emails = EmailList(write(tmp_path, "id,email\n"))
    assert (list(emails.cells()), emails.rows) == ([], 0)


def test_a_stated_column_is_read(tmp_path: Path) -> None:
    """The user's word counts, whatever stands in the column."""
    assert read(tmp_path, f"email,backup\n{JOE},x\n{JIM},{ANN}\n", column="Backup") == ["x", ANN]


def test_a_list_knows_its_rows_and_bytes(tmp_path: Path) -> None:
    """Row count and SHA-256 of the bytes are there once it has been read to its end."""
    content = f"\ufeffemail\r\n{JOE}\r\n\r\nn/a\r\n\r\n".encode()
    emails = EmailList(write(tmp_path, content))
    assert (emails.rows, emails.sha256) == (0, "")
    assert list(emails.cells()) == [JOE, "n/a"]
    assert (emails.rows, emails.sha256) == (2, hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the list is empty."),
        ("\ufeff", "the list is empty."),
        (" \r\n\n\t\n", "the list is empty."),
        (b"\xff\xfe", "the list is empty."),
        (f"email\n{JOE}\0\n", "binary data in line 2; this is not a text list."),
        (b"\0" * 5_000_000, "binary data in line 1; this is not a text list."),
        (b"\xff\xfee\0m\0a", "line 1 is no utf-16 text; mend it, or state --encoding."),
        ("x" * 5_000_000, "line 1 is longer than 262,144 characters; this is not a list of addresses."),
    ],
)
@pytest.mark.parametrize("name", ["list.csv", "list.txt"])
def test_what_is_no_text_is_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    """Empty, binary, in another encoding or without line ends: the message says which and what to do."""
    assert refusal(tmp_path, content, name) == f"{name}: {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            f'id,email\n1,{JOE}\n2,"{JIM}\n3,{ANN}\n',
            "line 3 is not CSV (unexpected end of data); is a quote left open?",
        ),
        (
            f'\n\nid,email\n"a\nb",{JOE}\n"2" x,{JIM}\n',
            "line 6 is not CSV (',' expected after '\"'); is a quote left open?",
        ),
        (
            f'email\n"{"x" * 200_000}"\n',
            "line 2 is not CSV (field larger than field limit (131072)); is a quote left open?",
        ),
        (
            "id,name\n1,Joe\n",
            "no column holds addresses; say which with --email-column. Columns: 'id', 'name'.",
        ),
        ("id,name\n", "no column holds addresses; say which with --email-column. Columns: 'id', 'name'."),
        (
            f"from,to\n{JOE},{JIM}\n",
            "several columns could hold the addresses; say which with --email-column. Columns: 'from', 'to'.",
        ),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Open quotes and doubtful columns: the message says where, with lines as an editor counts them."""
    assert refusal(tmp_path, text) == f"list.csv: {message}"


def test_damage_far_down_is_refused_when_it_is_reached(tmp_path: Path) -> None:
    """Cells are given as they are read; an error in line 1,002 comes after a thousand of them."""
    cells = EmailList(write(tmp_path, "email\n" + f"{JOE}\n" * 1_000 + '"')).cells()
    assert [next(cells) for _ in range(1_000)] == [JOE] * 1_000
    with pytest.raises(UsageError, match="line 1002 is not CSV"):
        next(cells)


def test_memory_does_not_grow_with_the_list(tmp_path: Path) -> None:
    """A list of many megabytes is read a piece at a time."""
    path = write(tmp_path, "email,note\n" + f"{JOE},{'x' * 1_000}\n" * 20_000)
    tracemalloc.start()
    try:
        rows = sum(1 for _ in EmailList(path).cells())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert rows == 20_000
    assert peak < path.stat().st_size / 3


def test_check_refuses_at_once_what_cannot_be_read(tmp_path: Path) -> None:
    """Before anything is asked: no file, a folder, a kind that is not read, a name no file can have."""
    (tmp_path / "folder.csv").mkdir()
    packed = write(tmp_path, gzip.compress(b"email\n"), "list.xlsx.gz")
    long = tmp_path / f"{'x' * 300}.csv"
    expected = {
        tmp_path / "none.csv": "cannot be read (No such file or directory).",
        tmp_path / "folder.csv": "cannot be read (Is a directory).",
        packed: KINDS,
        tmp_path: KINDS,
        long: "cannot be read (File name too long).",
    }
    for path, message in expected.items():
        with pytest.raises(UsageError) as error:
            EmailList(path).check()
        assert str(error.value) == f"{path}: {message}"


def test_check_lets_good_lists_and_pipes_pass(tmp_path: Path) -> None:
    """A named pipe is not opened before its time: its only reader would be gone again."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/null"), Path(STDIN), write(tmp_path, "")):
        EmailList(path).check()


def test_a_name_that_is_not_utf8_can_be_shown(tmp_path: Path) -> None:
    """Linux allows any bytes in a file's name; tables and JSON do not."""
    path = tmp_path / os.fsdecode(b"caf\xe9.csv")
    path.write_text(f"{JOE}\n")
    emails = EmailList(path)
    assert (emails.name, list(emails.cells())) == ("caf\ufffd.csv", [JOE])


READ_STDIN = """
import json
from pathlib import Path
from pipeline.emails.reader import EmailList
from pipeline.errors import UsageError
emails = EmailList(Path("-"))
emails.check()
try:
    print(json.dumps([list(emails.cells()), emails.name, emails.rows, emails.sha256]))
except UsageError as error:
    print(json.dumps(str(error)))
"""


def read_stdin(content: bytes) -> object:
    """What a process of its own makes of this on its standard input."""
    child = subprocess.run([sys.executable, "-c", READ_STDIN], input=content, capture_output=True, check=True)
    return json.loads(child.stdout)


def test_standard_input_is_read_as_csv() -> None:
    """`-` takes what a query prints, in one pass."""
    content = f"\ufeffid,email\n1,{JOE}\n2,jürgen@example.com\n".encode()
    assert read_stdin(content) == [
        [JOE, "jürgen@example.com"],
        "standard input",
        2,
        hashlib.sha256(content).hexdigest(),
    ]


def test_standard_input_can_be_refused() -> None:
    """Nothing on standard input is an error, as an empty file is."""
    assert read_stdin(b"") == "standard input: the list is empty."


@pytest.mark.parametrize("name", ["any.csv", "any.txt"])
@settings(deadline=None)
@given(content=st.binary() | CELLS.map(str.encode) | st.lists(CELLS).map("\n".join).map(lambda s: s.encode("utf-16")))
@example(content=b'""')
@example(content=b"\x1d\x1f")
@example(content=b"\xff\xfe\x00\xd8")
@example(content=b'\r"\r"\r')
@example(content=b"\xef\xbb\xbf\xef\xbb\xbf")
def test_any_bytes_are_read_or_refused(folder: Path, name: str, content: bytes) -> None:
    """Whatever is in the file there is a reading of it, with its hash, or a message."""
    emails = EmailList(write(folder, content, name))
    try:
        cells = list(emails.cells())
    except UsageError as error:
        assert str(error).startswith(f"{name}: ")  # noqa: PT017 - either way is fine
    else:
        assert (emails.rows, emails.sha256) == (len(cells), hashlib.sha256(content).hexdigest())


@settings(deadline=None)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=8),
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
@example(rows=[("0@.", "0", "0@.")], delimiter=",", line_end="\n", encoding="utf-8")
@example(rows=[("", "0", "0@.")], delimiter=",", line_end="\n", encoding="utf-8")
def test_a_written_table_reads_back(
    folder: Path, rows: list[tuple[str, str, str]], delimiter: str, line_end: str, encoding: str
) -> None:
    """What the standard library writes comes back cell for cell, whatever stands in it.

    Where other columns hold addresses, and the one called email none, the column has to be stated.
    """
    table = as_csv([("id", "email", "note"), *rows], delimiter, line_end)
    stated = "email" if any("@" in number + note for number, _, note in rows) else None
    assert read(folder, table.encode(encoding), column=stated) == [email for _, email, _ in rows]


def test_a_shuffled_list_reads_in_its_order(tmp_path: Path) -> None:
    """Order and duplicates are the list's."""
    cells = [f"p{random.Random(n).randrange(50)}@example.com" for n in range(500)]
    assert read(tmp_path, as_csv([["email"], *([cell] for cell in cells)])) == cells

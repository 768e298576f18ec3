"""Delimited text in the dialects of spreadsheets and databases."""

from __future__ import annotations

import csv
import io
import threading
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from emails_lists import ANN, JIM, JOE, as_csv, columns_of, listed, refusal
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.emails.delimited import Dialect, Row, RowError, read_rows
from pipeline.files.formats.csv import CsvWriter
from pipeline.files.output_format import WriteOptions
from pipeline.tables.frames import make_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.emails.delimited import Quoting

QUOTINGS: tuple[Quoting, ...] = ("standard", "backslash", "none")
TEXT = st.text(" ,;\t|\"'\\\r\nabN1.ü€", max_size=30)
CELLS = st.text(" ,;\t|\"'\\\r\nabN1.ü€", max_size=6)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("dialects")


def lines_of(text: str) -> Iterator[str]:
    """The lines of a text, with whatever ends them."""
    return iter(io.StringIO(text, newline=""))


def rows_of(text: str, delimiter: str = ",", quoting: Quoting = "standard") -> list[Row]:
    """The rows of a text."""
    return [row for _, row in read_rows(lines_of(text), Dialect(delimiter, quoting))]


@given(TEXT, st.sampled_from(",;\t|ü"))
@example('"a",b\n"c"', ",")
@example('"a","b\n', ",")
@example('a"b,"c""d"\n\n"e\r\nf",', ",")
def test_standard_quotes_are_read_as_the_standard_library_reads_them(text: str, delimiter: str) -> None:
    """The same cells, or an error where it has one; but blanks around quotes are no part of a cell."""
    if ' "' in text or '" ' in text:
        return
    try:
        expected = [row for row in csv.reader(lines_of(text), delimiter=delimiter, strict=True) if row]
    except csv.Error:
        with pytest.raises(RowError):
            rows_of(text, delimiter)
    else:
        assert rows_of(text, delimiter) == expected


@given(TEXT, st.sampled_from(",;\t| x"), st.sampled_from(QUOTINGS))
def test_any_text_is_rows_or_an_error_with_its_line(text: str, delimiter: str, quoting: Quoting) -> None:
    """Whatever the dialect; lines are numbered upwards, and nothing is read twice."""
    count = text.count("\n") + text.count("\r") + 1
    try:
        numbers = [number for number, _ in read_rows(lines_of(text), Dialect(delimiter, quoting))]
    except RowError as error:
        numbers = [error.line] if quoting != "none" else [0]
    assert numbers == sorted(set(numbers))
    assert not numbers or 1 <= numbers[0] <= numbers[-1] <= count


@given(
    st.lists(st.lists(CELLS | st.none(), min_size=2, max_size=2), min_size=1, max_size=4),
    st.sampled_from(",;\t|"),
    st.sampled_from(QUOTINGS),
)
def test_what_is_written_is_read_back_cell_for_cell(
    folder: Path, rows: list[Row], delimiter: str, quoting: Quoting
) -> None:
    """The file that `enrich` writes parses in the dialect of the list; only `none` has no way to write a delimiter."""
    if quoting == "none":
        breaks = str.maketrans(dict.fromkeys(f"{delimiter}\r\n", " "))
        rows = [[(cell or "x").translate(breaks) for cell in row] for row in rows]
    elif quoting == "standard":
        rows = [[cell or "" for cell in row] for row in rows]
    path = folder / "written.csv"
    path.unlink(missing_ok=True)
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    frame = make_frame(["a", "b"], columns)
    options = WriteOptions(delimiter=delimiter, quoting=quoting, unguarded=2)
    with CsvWriter(path, frame[:0], options) as file:
        file.write(frame)
    assert file.losses() == []
    assert rows_of(path.read_bytes().decode(), delimiter, quoting) == [["a", "b"], *rows]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        (r'1,"Joe \"JJ\" Smith",x', ["1", 'Joe "JJ" Smith', "x"]),
        (r'"C:\\","a\,b",c\,d', ["C:\\", "a,b", "c,d"]),
        (r'\N,"\N",\Nx,C:\temp', [None, r"\N", r"\Nx", r"C:\temp"]),
        ('a\\\nb,"c\\\r\nd",e', ["a\nb", "c\r\nd", "e"]),
        (r'"doubled "" too",\"x\"', ['doubled " too', '"x"']),
        ("end\\", ["end\\"]),
    ],
)
def test_backslashes_escape(line: str, cells: Row) -> None:
    r"""As MySQL and phpMyAdmin write them; `\N` outside quotes is null, and other backslashes stand for themselves."""
    assert rows_of(line, quoting="backslash") == [cells]


def test_without_quoting_a_line_is_a_row() -> None:
    """Quotes and backslashes are characters like all others, as psql and MySQL's batch mode write them."""
    assert rows_of('1\tJoe "JJ\n\n2\t"Jim" \\N\r\n', "\t", "none") == [["1", 'Joe "JJ'], ["2", '"Jim" \\N']]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ('1, "Smith, Joe" , x', ["1", "Smith, Joe", " x"]),
        (' "a" ,"b" ', ["a", "b"]),
        (' "a" b, "c', [' "a" b', ' "c']),
        ('say "hi", "so"', ['say "hi"', "so"]),
    ],
)
def test_blanks_around_quotes_are_no_part_of_a_cell(line: str, cells: Row) -> None:
    """So that the comma in a name does not shift the address; quotes within a text stay."""
    assert rows_of(line) == [cells]


LONG = "x" * 300_000


@pytest.mark.parametrize("cell", [LONG, f'"{LONG}"', f'"{LONG}""{LONG}"', '"' + "x\n" * 150_000 + '"'])
@pytest.mark.parametrize("limit", [100, 131_072])
def test_long_cells_are_read_and_the_hosts_limit_stays(tmp_path: Path, cell: str, limit: int) -> None:
    """A note or a picture in a cell is no error, whatever limit the host process has set for `csv`; it keeps that."""
    before = csv.field_size_limit(limit)
    try:
        emails = listed(tmp_path, f"email,note\n{JOE},{cell}\n{JIM},x\n")
        assert list(emails.cells()) == [JOE, JIM]
        assert len(columns_of(emails)[1][0][1]) >= 300_000  # type: ignore[arg-type]
        assert csv.field_size_limit() == limit
    finally:
        csv.field_size_limit(before)


def test_other_threads_never_see_another_limit(tmp_path: Path) -> None:
    """A list is read without touching the limit even for a moment."""
    emails = listed(tmp_path, "email,note\n" + f'{JOE},"a ""b"" {LONG}"\n' * 40)
    seen, done = set(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add(csv.field_size_limit())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        assert len(list(emails.cells())) == 40
    finally:
        done.set()
        watcher.join()
    assert seen == {csv.field_size_limit()}


@pytest.mark.parametrize("quoting", ["standard", "backslash"])
def test_a_row_is_bounded(quoting: Quoting) -> None:
    """A quote that is never closed does not fill the memory with the rest of the list; what fits is read."""
    lines = iter([f"1,{JOE}\n", '2,"open\n', *["x" * 99 + "\n"] * 1_000])
    with pytest.raises(RowError, match="1,000") as refused:
        list(read_rows(lines, Dialect(",", quoting), passed=1, max_row=1_000))
    assert refused.value.line == 3
    assert len(list(lines)) == 1_000 - 10
    whole = ['1,"open\n', *["x" * 99 + "\n"] * 9, '"\n']
    ((_, row),) = read_rows(iter(whole), Dialect(",", quoting), max_row=1_000)
    assert row == ["1", "".join(["open\n", *whole[1:-1]])]


ESCAPED = f'id,name,email\n1,"Joe \\"JJ\\" Smith",{JOE}\n2,\\N,{JIM}\n'


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("stated", [None, "backslash"])
def test_escaped_quotes_are_detected(
    tmp_path: Path, encoding: str, stated: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """If only that way every row of the list is valid; a warning says that it was a guess."""
    emails = listed(tmp_path, ESCAPED.encode(encoding), quoting=stated)
    assert columns_of(emails) == (["id", "name", "email"], [["1", 'Joe "JJ" Smith', JOE], ["2", None, JIM]])
    assert emails.detected().quoting == "backslash"
    assert ("quoting" in emails.detected().guessed) is (stated is None)
    assert len(caplog.records) == (stated is None)


@pytest.mark.parametrize(
    "text",
    [
        f'id,path,email\n1,"C:\\",{JOE}\n2,"D:\\","{JIM}"\n',
        f'id,path,email\n1,C:\\"x",{JOE}\n2,D:,{JIM}\n',
        f"id,path,email\n1,\\N,{JOE}\n2,D:\\\\,{JIM}\n",
    ],
)
def test_backslashes_that_escape_nothing_stay(tmp_path: Path, text: str) -> None:
    """What is valid by the standard is read by it."""
    emails = listed(tmp_path, text)
    assert (list(emails.cells()), emails.detected().quoting) == ([JOE, JIM], "standard")
    assert "\\" in str(columns_of(emails)[1][0][1])


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        (f'id,name,email\n1,"JJ" Smith,{JOE}\n', None),
        (f'id,name,email\n1,"Joe \\"JJ\\" Smith",{JOE}\n2,"open,{JIM}\n', None),
        (ESCAPED, "standard"),
        (f'id,name,email\n1,"JJ" Smith,{JOE}\n', "backslash"),
    ],
)
def test_other_quotes_are_refused_with_the_option(tmp_path: Path, text: str, stated: str | None) -> None:
    """The message names the line and the setting that reads them."""
    refusal(listed(tmp_path, text, quoting=stated), "line 2", "--quoting none", "--quoting backslash")


@pytest.mark.parametrize("name", ["list.csv", "list.tsv"])
def test_lists_without_quoting_are_read_as_stated(tmp_path: Path, name: str) -> None:
    """MySQL's and psql's exports: a lone quote is a character."""
    text = f'id\tname\temail\n1\t5" disk\t{JOE}\n2\t"Jim" Jones\t{JIM}\n3\t"\t{ANN}\n'
    emails = listed(tmp_path, text, name, quoting="none")
    assert list(emails.cells()) == [JOE, JIM, ANN]
    assert str(emails.detected()).endswith("tab, no quoting, column 'email' (3 of 3)")


def test_tables_in_quotes_are_read_either_way(tmp_path: Path) -> None:
    """All cells in quotes, the quick way, and some of them."""
    rows = [["id", "email", "note"], ["1", JOE, "a,b"], ["2", JIM, 'c "d"'], ["3", ANN, ""]]
    assert columns_of(listed(tmp_path, as_csv(rows))) == (rows[0], rows[1:])

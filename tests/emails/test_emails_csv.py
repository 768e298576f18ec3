from __future__ import annotations

import csv
import io
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
from emails_lists import ANN, JIM, JOE, columns_of, listed, refusal, write
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emails.address import clean
from pipeline.emails.lists import EmailList, ReadOptions, RowCounts
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    Rows = list[list[str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("tables")


def test_batches_keep_cells_as_they_are(tmp_path: Path) -> None:
    """Leading zeros, whitespace, line breaks in quotes, decimal commas, doubled quotes: nothing is interpreted."""
    text = f'zip;note;email\r\n01234;" a\r\nb;""c"" ";{JOE}\r\n;1,50 ;{JIM}\r\n'
    emails = listed(tmp_path, text)
    assert columns_of(emails) == (
        ["zip", "note", "email"],
        [["01234", ' a\r\nb;"c" ', JOE], ["", "1,50 ", JIM]],
    )
    assert emails.rows == 2


def test_names_are_kept_twice_the_same_or_empty(tmp_path: Path) -> None:
    """Columns come in the order and with the names of the header."""
    assert columns_of(listed(tmp_path, f",a,a,email\n1,2,3,{JOE}\n")) == (
        ["", "a", "a", "email"],
        [["1", "2", "3", JOE]],
    )


def test_columns_without_a_header_are_numbered(tmp_path: Path) -> None:
    """As messages and --email-column count them."""
    assert columns_of(listed(tmp_path, f"1,{JOE}\n2,{JIM},x\n")) == (
        ["column 1", "column 2", "column 3"],
        [["1", JOE, ""], ["2", JIM, "x"]],
    )


def test_ragged_rows_lose_nothing(tmp_path: Path) -> None:
    """Short rows are filled up, longer ones widen the table, and where they are is known."""
    emails = listed(tmp_path, f'\nid,email\n"1\n",{JOE},x,y\n2\n\n3,{ANN}\n4,{JIM},z\n')
    assert emails.row_counts() == RowCounts(rows=4, width=4, ragged=3, ragged_lines=(3, 5, 8))
    names, rows = columns_of(emails, emails.row_counts().width)
    assert names == ["id", "email", "", ""]
    assert rows == [["1\n", JOE, "x", "y"], ["2", "", "", ""], ["3", ANN, "", ""], ["4", JIM, "z", ""]]
    assert columns_of(emails) == (names, rows)
    with pytest.raises(UsageError, match=r"^list.csv: line 3 .* 4 .* 3"):
        columns_of(emails, 3)


def test_the_first_ten_ragged_lines_are_named(tmp_path: Path) -> None:
    """A message need not list a million of them."""
    shape = listed(tmp_path, "email,x\n" + f"{JOE}\n" * 50).row_counts()
    assert shape == RowCounts(rows=50, width=2, ragged=50, ragged_lines=tuple(range(2, 12)))


def test_lines_of_a_text_list_are_a_table_of_one_column(tmp_path: Path) -> None:
    """Also if the job widens all tables."""
    emails = listed(tmp_path, f"{JOE}\n\n{JIM}\r\n", "list.txt")
    assert columns_of(emails) == (["column 1"], [[JOE], [JIM]])
    assert columns_of(emails, 2) == (["column 1", "column 2"], [[JOE, ""], [JIM, ""]])
    assert emails.row_counts() == RowCounts(rows=2, width=1, ragged=0, ragged_lines=())


def test_a_header_alone_is_a_table_without_rows(tmp_path: Path) -> None:
    """One empty batch says how its columns are called."""
    emails = listed(tmp_path, "id,email\n")
    assert columns_of(emails) == (["id", "email"], [])
    assert emails.row_counts() == RowCounts(rows=0, width=2, ragged=0, ragged_lines=())


def test_batches_are_bounded_in_rows_and_bytes(tmp_path: Path) -> None:
    """About 5,000 short rows, fewer long ones; memory does not grow with the list."""
    short = listed(tmp_path, "email\n" + f"{JOE}\n" * 12_000)
    assert [batch.num_rows for batch in short.batches()] == [5_000, 5_000, 2_000]
    long = listed(tmp_path, "email,note\n" + f"{JOE},{'x' * 100_000}\n" * 400, "long.csv")
    list(short.batches())
    tracemalloc.start()
    try:
        sizes = [batch.num_rows for batch in long.batches(2)]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sum(sizes) == 400
    assert max(sizes) < 200
    assert peak < long.path.stat().st_size * 0.9


NAMES = st.text("abcdefgh XYZüß_-", min_size=1, max_size=8)
CELLS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8) | st.text(" ,;\t|\"'\r\nab1.ü€", max_size=8)
LATIN = st.text(" ,;\t|\"'\r\nab1.üñß€", max_size=8)


@st.composite
def tables(draw: st.DrawFn, *, header: bool) -> tuple[Rows, dict[str, str], str, dict[str, Any]]:
    """Rows with addresses in one column, a dialect to write them in, an encoding, and what is stated when reading."""
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252", "cp1251", "shift_jis"]))
    wide = encoding.startswith("utf")
    cells = CELLS if wide else LATIN.filter(lambda cell: cell == cell.encode(encoding, "ignore").decode(encoding))
    width, place = draw(st.integers(1, 4)), draw(st.integers(0, 3))
    place = min(place, width - 1)
    rows = [
        [f"p{n}@example.com" if n == place else draw(cells) for n in range(width)]
        for _ in range(draw(st.integers(1, 6)))
    ]
    if header:
        names = [draw(NAMES if wide else st.text("abc XYZ", min_size=1, max_size=5)) for _ in range(width)]
        rows.insert(0, [*names[:place], "E-Mail", *names[place + 1 :]])
    mark = draw(st.sampled_from(",;\t|"))
    dialect = {"delimiter": mark, "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"]))}
    stated: dict[str, Any] = {"email_column": str(place + 1), "delimiter": mark}
    if header and draw(st.booleans()):
        stated = {"email_column": draw(st.sampled_from(["E-Mail", " e-mail"]))}
    return rows, dialect, encoding, stated | ({} if wide and encoding != "utf-16-le" else {"encoding": encoding})


def written(rows: Rows, dialect: dict[str, str], quoting: int) -> str:
    """Rows as the standard library writes them, which leaves a line end bare that is not its own one."""
    if quoting == csv.QUOTE_MINIMAL:
        dialect = dialect | {"lineterminator": "\r\n"}
    text = io.StringIO()
    csv.writer(text, quoting=quoting, **dialect).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


@given(tables(header=True), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_a_written_table_comes_back_cell_for_cell(
    folder: Path, table: tuple[Rows, dict[str, str], str, dict[str, Any]], quoting: int
) -> None:
    """Whatever the delimiter, the quotes, the line ends and the encoding, with names for the columns."""
    rows, dialect, encoding, stated = table
    emails = EmailList(write(folder, written(rows, dialect, quoting).encode(encoding)), ReadOptions(**stated))
    assert columns_of(emails) == (rows[0], rows[1:])
    assert emails.row_counts() == RowCounts(rows=len(rows) - 1, width=len(rows[0]), ragged=0, ragged_lines=())


@given(tables(header=False), st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]))
def test_a_written_table_without_names_comes_back_cell_for_cell(
    folder: Path, table: tuple[Rows, dict[str, str], str, dict[str, Any]], quoting: int
) -> None:
    """The first row is one as all others are."""
    rows, dialect, encoding, stated = table
    emails = EmailList(write(folder, written(rows, dialect, quoting).encode(encoding)), ReadOptions(**stated))
    assert columns_of(emails) == ([f"column {n + 1}" for n in range(len(rows[0]))], rows)


@pytest.mark.parametrize(
    "text",
    [
        f"email\n{JOE}\n{JIM}\n",
        f"{JOE}\n{JIM}",
        f"email\r\n{JOE}\r\n{JIM}\r\n",
        f"email\r{JOE}\r{JIM}\r",
        f"\n \n\r\nemail\n{JOE}\n\n{JIM}\n\n\n",
        f"id,email\n1,{JOE}\n2,{JIM}\n",
        f"id;email;name\n1;{JOE};Smith, J\n2;{JIM};Jones, J\n",
        f"id\temail\n1\t{JOE}\n2\t{JIM}\n",
        f"id|email\n1|{JOE}\n2|{JIM}\n",
        f'id,note,email\n1,"a ""b"", c\nd;e;f;g\n\nh",{JOE}\n2,,{JIM}\n',
        f'"note;;;",email\n,{JOE}\n,{JIM}\n',
        f"id,email,name\n1,{JOE}\n2,{JIM},Jim,more\n",
        f"1,{JOE}\n2,{JIM}\n",
        f"1,5;{JOE}\n2,5;{JIM}\n",
        f'id;"sum, net";email\n1;1,5;{JOE}\n2;2,5;{JIM}\n',
        f"id;sum, net;email\n1;1,5;Smith <{JOE}>\n2;2,5;{JIM}\n",
        f"Smith, Joe;{JOE}\nJones, Jim;{JIM}\n",
        f"tags;email\na,b,c;{JOE}\na,b;{JIM}\n",
        f"sep=;\r\nemail;sum\r\n{JOE};1,5\r\n{JIM}\r\n",
    ],
)
def test_lists_of_every_dialect_read_the_same(tmp_path: Path, text: str) -> None:
    """Line ends, delimiters, quotes, blank lines, extra columns, decimal commas: the addresses are the same."""
    assert [clean(cell) for cell in listed(tmp_path, text).cells()] == [JOE, JIM]


@pytest.mark.parametrize("odd", ["jim|beam@example.com", "jim;beam@example.com"])
def test_a_rare_character_is_not_the_delimiter(tmp_path: Path, odd: str) -> None:
    """In a list of one column, a delimiter inside one address does not split it."""
    assert list(listed(tmp_path, f"email\n{JOE}\n{odd}\n{ANN}\n").cells()) == [JOE, odd, ANN]


@pytest.mark.parametrize("word", [";", "semicolon", "Semicolon"])
def test_a_stated_delimiter_counts(tmp_path: Path, word: str) -> None:
    """As a character or a word, whatever the lines look like."""
    assert list(listed(tmp_path, f"a,b;email\n1,2;{JOE}\n3,4;{JIM}\n", delimiter=word).cells()) == [JOE, JIM]
    assert list(listed(tmp_path, f"id\temail\n1\t{JOE}\n", delimiter="\\t").cells()) == [JOE]


def test_cells_are_returned_as_they_are(tmp_path: Path) -> None:
    """Rows that are too short have empty cells, and repeated rows stay: each is accounted for."""
    text = f"id,email\n1, {JOE} \n2\n3,\n,\n5,n/a\n6,{JIM},{ANN}\n6,{JIM}\n"
    emails = listed(tmp_path, text)
    assert list(emails.cells()) == [f" {JOE} ", "", "", "", "n/a", JIM, JIM]
    assert (emails.rows, emails.line_numbers({2, 7})) == (7, {2: 3, 7: 8})


@pytest.mark.parametrize(
    ("first", "logged"), [("joe@@example.com", 1), ("n/a", 1), ("joe.example.com", 1), (JOE, 0), ("customer", 1)]
)
def test_an_uncertain_first_row_is_logged(
    tmp_path: Path, first: str, logged: int, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as a row unless all its cells could be names; either way a warning says so, without what is in it."""
    cells = list(listed(tmp_path, f"{first}\n{JIM}\n{ANN}\n").cells())
    assert cells == [*([first] * (first != "customer")), JIM, ANN]
    assert len(caplog.records) == logged
    assert [record for record in caplog.records if first in record.getMessage()] == []


def test_a_header_that_is_taken_for_a_row_can_be_stated(tmp_path: Path) -> None:
    """By the name of its email column."""
    text = f"Kontakt 1.0 (name@company),n\n{JOE},1\n{JIM},2\n"
    assert len(list(listed(tmp_path, text).cells())) == 3
    assert list(listed(tmp_path, text, email_column="kontakt 1.0 (name@company)").cells()) == [JOE, JIM]


def test_a_stated_column_is_read(tmp_path: Path) -> None:
    """Whatever it contains."""
    assert list(listed(tmp_path, f"email,backup\n{JOE},x\n{JIM},{ANN}\n", email_column="Backup").cells()) == ["x", ANN]


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (f'id,email\n1,{JOE}\n2,"{JIM}\n3,{ANN}\n', ["line 3", "quote"]),
        (f'\n\nid,email\n"a\nb",{JOE}\n"2" x,{JIM}\n', ["line 6", "quote"]),
        ("id,name\n1,Joe\n", ["--email-column", "'id', 'name'"]),
        (f"from,to\n{JOE},{JIM}\n", ["--email-column", "'from', 'to'"]),
    ],
)
def test_unusable_lists_are_refused(tmp_path: Path, text: str, facts: list[str]) -> None:
    """Open quotes and doubtful columns: the message says where, with lines as an editor counts them."""
    refusal(listed(tmp_path, text), *facts)


def test_an_error_far_down_is_raised_when_it_is_reached(tmp_path: Path) -> None:
    """Cells are returned as they are read; counting rows and making batches raises the same error."""
    emails = listed(tmp_path, "email\n" + f"{JOE}\n" * 1_000 + '"x\n')
    cells = emails.cells()
    assert [next(cells) for _ in range(1_000)] == [JOE] * 1_000
    for read in (lambda: next(cells), emails.row_counts, lambda: list(emails.batches(1))):
        with pytest.raises(UsageError, match="line 1002"):
            read()

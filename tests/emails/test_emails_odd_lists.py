"""Lists as other programs and people leave them: titles above the header, joined files, `sep=` lines, reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from emails_lists import ANN, JIM, JOE, columns_of, listed, refusal
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emails.address import clean
from pipeline.emails.lists import EmailList, ReadOptions
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

ROWS = f"1,{JOE}\n2,{JIM}\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("odd")


@pytest.mark.parametrize(
    ("above", "header"),
    [
        ("Report: customers\nGenerated 2026-11-23\n\n", "id,email"),
        ("Report: customers,\nGenerated,2026-11-23\n,\n", "id,email"),
        ("Export,Kunden\n", "id,email"),
        ("# exported 2026-11-23\n# questions to help@example.com\n", "id,E-Mail"),
        ("Table 1\n\n,\n", "id,Email Address"),
        ("Person,\n", "Name,Email"),
        ("Report\n\n", "id,Kontakt"),
        ("Sold by,shop@example.com,\n", None),
    ],
)
def test_what_is_above_the_header_is_left_out(
    tmp_path: Path, above: str, header: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A title or a date is no header and no row; a warning names the line of the header. In doubt it is refused."""
    if header is None:
        refusal(listed(tmp_path, f"{above}id,email\n{ROWS}"), "line 2", "--email-column")
        header, stated = "id,email", "email"
    else:
        stated = None
    emails = listed(tmp_path, f"{above}{header}\n{ROWS}", email_column=stated)
    assert columns_of(emails) == (header.split(","), [["1", JOE], ["2", JIM]])
    assert emails.line_numbers({1}) == {1: above.count("\n") + 2}
    place = f"line {above.count(chr(10)) + 1}"
    assert any(place in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "text",
    [
        f"type,contact\nemail,\nemail,{JOE}\nemail,{JIM}\n",
        f"id,email\n1,\n2,\n3,{JOE}\n4,{JIM}\n",
        f"id,email\nint,string\n1,{JOE}\n2,{JIM}\n",
        f"Kunde,Kontakt\nA,\nB,{JOE}\nC,{JIM}\n",
        f"x\n{JOE}\n{JIM}\n",
    ],
)
def test_rows_without_an_address_are_not_taken_for_a_title(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Every line below a header is a row."""
    emails = listed(tmp_path, text)
    assert len(list(emails.cells())) == text.count("\n") - 1
    assert not any("above" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("first", ["sep=;", "sep=;;;", '"sep=;"', '"sep=;",,', "SEP=;"])
def test_sep_lines_are_no_rows(tmp_path: Path, first: str) -> None:
    """Also as a spreadsheet saves them again, with its own delimiter after them."""
    mark = "," if first.endswith(",") else ";"
    rows = f"id,email,note\n1,{JOE},\n2,{JIM},\n".replace(",", mark)
    emails = listed(tmp_path, f"{first}\r\n{rows}")
    assert (list(emails.cells()), emails.detected().delimiter) == ([JOE, JIM], mark)
    assert emails.line_numbers({1}) == {1: 3}


def test_a_sep_line_that_is_wrong_does_not_count(tmp_path: Path) -> None:
    """If its delimiter is nowhere below, and another one is; a list of one column keeps it."""
    assert list(listed(tmp_path, f'"sep=,"\nid;email\n1;{JOE}\n').cells()) == [JOE]
    assert listed(tmp_path, f"sep=;\nemail\n{JOE}\n").detected().delimiter == ";"
    assert listed(tmp_path, f"sep=~\nid~email\n1~{JOE}\n").detected().delimiter == "~"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.txt", "list.jsonl"])
def test_joined_files_are_one_list(tmp_path: Path, encoding: str, name: str, caplog: pytest.LogCaptureFixture) -> None:
    """A byte order mark in the middle is no part of a cell, and a header that is repeated no row; a warning says so."""
    parts = {
        "list.csv": ["id,email\n1,{}\n"] * 3,
        "list.tsv": ["email\tid\n{}\t1\n"] * 3,
        "list.txt": ["{}\n"] * 3,
        "list.jsonl": ['{{"email": "{}"}}\n'] * 3,
    }[name]
    texts = [part.format(each) for part, each in zip(parts, (JOE, JIM, ANN), strict=True)]
    emails = listed(tmp_path, b"".join(text.encode(encoding) for text in texts), name)
    assert list(emails.cells()) == [JOE, JIM, ANN]
    assert emails.row_counts().rows == 3
    assert [len(row) for row in columns_of(emails)[1]] == [len(columns_of(emails)[0])] * 3
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == (name in ("list.csv", "list.tsv"))
    assert all("line 3, 5" in each for each in told)


@pytest.mark.parametrize(
    "text",
    [f"id,email\n1,{JOE}\nid,email\n", f"email\nemail\nemail\n{JOE}\n", f"Title\n\nid,email\n1,{JOE}\nid,email\n"],
)
def test_a_header_is_found_however_often_it_is_repeated(tmp_path: Path, text: str) -> None:
    """Also if there are as many of them as rows."""
    assert list(listed(tmp_path, text).cells()) == [JOE]


@pytest.mark.parametrize("above", ["Report\nGenerated\n\n", "Report for A, B, C\n"])
def test_the_delimiter_is_found_below_a_title(tmp_path: Path, above: str) -> None:
    """A title has none, or another one."""
    assert list(listed(tmp_path, f"{above}id;email\n1;{JOE}\n").cells()) == [JOE]


def test_a_header_without_a_name_for_the_email_column_may_be_repeated(tmp_path: Path) -> None:
    """One that is shorter than the rows below it is a header all the same."""
    emails = listed(tmp_path, f"Name\nx,{JOE}\nName\ny,{JIM}\n", email_column="2")
    assert [cell for cell in emails.cells() if cell] == [JOE, JIM]


def test_joined_files_with_other_columns_are_refused(tmp_path: Path) -> None:
    """Read as one table, the cells of the second would be in the wrong columns."""
    refusal(listed(tmp_path, f"id,email\n1,{JOE}\n\ufeffemail,id\n{JIM},2\n"), "line 3", "order")


@pytest.mark.parametrize(
    ("text", "suffix"),
    [
        (f"Ada,{JOE}\nJoe,{JIM}\n", ".csv"),
        (f"name;email\nAda;{JOE}\n", ".csv"),
        (f"Ada|{JOE}\nJoe|{JIM}\n", ".csv"),
        (f"id\tE-Mail\r\n1\t{JOE}\r\n2\t{JIM}\r\n", ".tsv"),
        (f" id | email \n----+-----\n  1 | {JOE}\n  2 | {JIM}\n(2 rows)\n", ".csv"),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_table_named_txt_is_refused(tmp_path: Path, text: str, suffix: str, encoding: str) -> None:
    """Such as Excel's tab-delimited and Unicode text: the message says what to name it, and so it can be read."""
    refusal(listed(tmp_path, text.encode(encoding), "list.txt"), "line", f"rename it to {suffix}")
    cells = listed(tmp_path, text.encode(encoding), f"list{suffix}").cells()
    assert [address for address in map(clean, cells) if isinstance(address, str)][:1] == [JOE]


def test_several_addresses_on_each_line_are_refused(tmp_path: Path) -> None:
    """As copied from a mail's recipients."""
    refusal(listed(tmp_path, f"{JOE}; {JIM}, {ANN}\n", "list.txt"), "several addresses")


@pytest.mark.parametrize(
    "text",
    [
        f"{JOE},\n{JIM};\n",
        f"Smith, Joe <{JOE}>\nJim <{JIM}>;\n",
        f"{JOE}\n{JIM}\nAda,{ANN}\n",
        f"a|{JOE}\n{JIM}\n{ANN}\n",
    ],
)
def test_a_few_odd_lines_do_not_make_a_table(tmp_path: Path, text: str) -> None:
    """Separators at the ends of addresses, and names before them, are no cells; an odd line is an odd row."""
    assert len(list(listed(tmp_path, text, "list.txt").cells())) == text.count("\n")


EXPORTS = {
    "Mailchimp": (
        '"Email Address","First Name",Address,TAGS\n'
        f'{JOE},Joe,"1 Main St  Springfield","""VIP"",""Fan"""\n{JIM},Jim,,\n'
    ),
    "HubSpot": f'Record ID,Email,Work email,Company\n"51","{JOE}","","Acme, Inc."\n"52","{JIM}","",""\n',
    "Outlook": (
        f'First Name,E-mail Address,E-mail 2 Address,Notes\r\nJoe,{JOE},,"line 1\r\nline 2"\r\nJim,{JIM},{ANN},\r\n'
    ),
    "Outlook's display names": f'"Name","E-mail Display Name"\n"Joe","Joe Smith ({JOE})"\n"Jim","Jim ({JIM})"\n',
    "Google": f"Name,E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Value\nJoe,* Other,{JOE},\nJim,* ,{JIM},\n",
    "Thunderbird": f"First Name,Primary Email,Secondary Email,Screen Name\nJoe,{JOE},,\nJim,{JIM},,\n",
    "Exchange": f"Name,proxyAddress\nJoe,SMTP:{JOE}\nJim,smtp:{JIM}\n",
    "psql": f"id|email\n1|{JOE}\n2|{JIM}\n",
    "phpMyAdmin": f'"1";"Joe \\"JJ\\" Smith";"{JOE}"\n"2";NULL;"{JIM}"\n',
    "Facebook": f"id\tcreated\temail\nl:1\t2024-01-31T10:05:00+00:00\t{JOE}\nl:2\t\t{JIM}\n",
    "Shopify": f"Customer ID,Email,Phone\n'123456789012,{JOE},'+1555\n'123456789013,{JIM},\n",
    "ActiveCampaign": f'"Contact ID","Email","Tags"\n"1","{JOE}","a,b"\n"2","{JIM}",""\n',
    "psql's tables": f" id | email \n----+-------\n  1 | {JOE}\n  2 | {JIM}\n(2 rows)\n\n",
    "MySQL's tables": f"+--+---+\n| id | email |\n+--+---+\n| 1 | {JOE} |\n| 2 | {JIM} |\n+--+---+\n2 rows in set\n",
    "Markdown": f"| id | email |\n|---|---|\n| 1 | {JOE} |\n| 2 | {JIM} |\n",
    "old Macs": f"id,email\r1,{JOE}\r2,{JIM}\r",
    "three line ends": f"id,email\r\n1,{JOE}\n2,{JIM}\r",
    "DOS": f"email\r\n{JOE}\r\n{JIM}\r\n\x1a",
    "a program with blanks": f'id, name, email\n1, "Smith, Joe", {JOE}\n2, Jim, {JIM}\n',
    "trailing delimiters": f"id;email;\n1;{JOE};\n2;{JIM};\n",
    "two marks": f"\ufeff\ufeffid,email\n1,{JOE}\n2,{JIM}\n",
    "a long line": f"email,note\n{JOE},{'y' * 600_000}\n{JIM},\n",
    "numbers": f"Kunden\n\nName,E-Mail\nJoe,{JOE}\nJim,{JIM}\n",
    "several in a cell": f"Name,E-mail 1 - Value\nJoe,{JOE}\nAnn,{ANN} ::: a@example.com\nJim,{JIM}\n",
    "reports": f'"Account","Email"\n"A","{JOE}"\n"B","{JIM}"\n"Report generated by Ann"\n"All rights reserved."\n',
}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_exports_of_other_programs_are_read(tmp_path: Path, name: str, encoding: str) -> None:
    """Without any option; what is no address is a row without one."""
    emails = listed(tmp_path, EXPORTS[name].encode(encoding))
    assert [address for address in map(clean, emails.cells()) if isinstance(address, str)] == [JOE, JIM]


@pytest.mark.parametrize(
    "text",
    [
        f"id:email\n1:{JOE}\n2:{JIM}\n",
        f"1\x01{JOE}\n2\x01{JIM}\n",
        f"INSERT INTO u VALUES (1,'{JOE}');\n",  # noqa: S608 - not ours
        f"<td>{JOE}</td><td>{JIM}</td>\n",
        f"email\n{JOE}\x00\n",
    ],
)
def test_what_is_no_list_holds_no_address(tmp_path: Path, text: str) -> None:
    """Dumps and drawn tables are refused, or every row is: nothing is looked up as it stands."""
    try:
        cells = list(listed(tmp_path, text).cells())
    except UsageError:
        return
    assert [address for address in map(clean, cells) if isinstance(address, str)] == []


@pytest.mark.parametrize("name", ["list.csv", "list.tsv", "list.txt", "list.jsonl"])
@pytest.mark.parametrize("content", ["", "\n \n", "\ufeff"])
def test_an_empty_list_is_one_without_rows_if_it_may_be(tmp_path: Path, name: str, content: str) -> None:
    """Not even a header is needed: a query without a result prints nothing."""
    refusal(listed(tmp_path, content, name), "empty")
    emails = EmailList(listed(tmp_path, content, name).path, ReadOptions(allow_empty=True))
    assert (list(emails.cells()), emails.rows, emails.row_counts().rows) == ([], 0, 0)
    assert sum(batch.num_rows for batch in emails.batches()) == 0


def test_a_header_without_rows_needs_no_address(tmp_path: Path) -> None:
    """The column that is detected by its contents on other days cannot be on this one."""
    emails = EmailList(listed(tmp_path, "id,Kontakt\n").path, ReadOptions(allow_empty=True))
    assert (list(emails.cells()), columns_of(emails)) == ([], (["id", "Kontakt"], []))
    wrong = EmailList(emails.path, ReadOptions("Kontakte", allow_empty=True))
    refusal(wrong, "'Kontakte'", "'Kontakt'")


LINES = st.sampled_from(
    [
        "id,email",
        "email,id",
        "Report",
        "a,b,c",
        f"1,{JOE}",
        f"{JIM},2",
        "sep=,",
        "",
        ",",
        '"x',
        f'"{ANN}"',
        "\ufeffid,email",
    ]
)


@given(
    st.lists(LINES, max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["list.csv", "list.txt", "list.tsv"]),
    st.sampled_from([None, "email", "2"]),
)
def test_any_mixture_of_odd_lines_is_read_the_same_by_all_ways_or_refused(
    folder: Path, lines: list[str], line_end: str, name: str, column: str | None
) -> None:
    """Cells, counts, line numbers and batches agree, and no address is lost, or the list is refused."""
    emails = listed(folder, line_end.join(lines), name, email_column=column)
    try:
        cells = list(emails.cells())
        counts = emails.row_counts()
        names, rows = columns_of(emails, counts.width)
    except UsageError:
        return
    assert (len(cells), emails.rows) == (counts.rows, counts.rows)
    assert len(rows) == counts.rows
    assert len(names) == counts.width
    assert list(emails.line_numbers(range(1, counts.rows + 1))) == list(range(1, counts.rows + 1))
    found = [cell for row in rows for cell in row if "@" in str(cell)]
    if column is None:
        assert len(found) == sum("@" in line for line in lines)

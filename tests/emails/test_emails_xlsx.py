from __future__ import annotations

import datetime
import io
import re
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import openpyxl
import pytest
from emails_lists import ANN, JIM, JOE, as_workbook, columns_of, listed, refusal

from pipeline.emails.lists import RowCounts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

NAME = "list.xlsx"


def test_cells_are_strings_as_people_read_them(tmp_path: Path) -> None:
    """Whole numbers without a fraction, dates as ISO 8601, TRUE and FALSE; nothing is null."""
    moment = datetime.datetime(2024, 1, 31, 10, 5, tzinfo=None)  # noqa: DTZ001 - workbooks know no zones
    midnight = datetime.datetime(2024, 1, 31, tzinfo=None)  # noqa: DTZ001
    rows: list[list[object]] = [
        ["email", "a", "b", "c", "d"],
        [JOE, 7.0, 1.5, moment, midnight],
        [None, True, "007", datetime.time(1, 2), ""],
        [JIM, 1234567890123, -3, datetime.date(2024, 2, 1), " x "],
    ]
    emails = listed(tmp_path, as_workbook(rows), NAME)
    assert list(emails.cells()) == [JOE, "", JIM]
    assert columns_of(emails) == (
        ["email", "a", "b", "c", "d"],
        [
            [JOE, "7", "1.5", "2024-01-31T10:05:00", "2024-01-31"],
            [None, "TRUE", "007", "01:02:00", None],
            [JIM, "1234567890123", "-3", "2024-02-01", " x "],
        ],
    )


def test_rows_of_any_length_lose_nothing(tmp_path: Path) -> None:
    """Blank rows are skipped; rows that are longer than the header widen the table."""
    emails = listed(tmp_path, as_workbook([[], ["email"], [JOE, None, 1], [], [None], [JIM]]), NAME)
    assert emails.row_counts() == RowCounts(rows=2, width=3, ragged=1, ragged_lines=(3,))
    assert columns_of(emails) == (["email", "", ""], [[JOE, None, "1"], [JIM, None, None]])
    emails = listed(tmp_path, as_workbook([[1, JOE], [2, JIM, "x"]]), NAME)
    assert columns_of(emails) == (["column 1", "column 2", "column 3"], [["1", JOE, None], ["2", JIM, "x"]])


def test_the_first_sheet_that_is_not_empty_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An empty one before it does not matter; if there are others with rows, a warning says so."""
    assert list(listed(tmp_path, as_workbook([], [["email"], [JOE]]), NAME).cells()) == [JOE]
    assert caplog.records == []
    emails = listed(tmp_path, as_workbook([["email"], [JIM]], [["email"], [ANN]]), NAME)
    assert list(emails.cells()) == [JIM]
    (record,) = caplog.records
    assert record.getMessage().startswith("list.xlsx: 2 sheets")


@pytest.mark.parametrize(
    ("states", "read"), [(("hidden", "visible"), 1), (("veryHidden", "hidden"), 0), (("visible", "hidden"), 0)]
)
def test_a_visible_sheet_is_read_before_a_hidden_one(
    tmp_path: Path, states: tuple[str, str], read: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody who looks at the workbook does not see the others; the warning names the sheet that is read."""
    workbook = openpyxl.Workbook()
    first, second = workbook.worksheets[0], workbook.create_sheet("Second")
    workbook.create_sheet("Empty")  # a workbook has at least one visible sheet
    for sheet, state, email in ((first, states[0], JOE), (second, states[1], JIM)):
        sheet.append(["email"])
        sheet.append([email])
        sheet.sheet_state = state
    content = io.BytesIO()
    workbook.save(content)
    assert list(listed(tmp_path, content.getvalue(), NAME).cells()) == [(JOE, JIM)[read]]
    assert repr(("Sheet", "Second")[read]) in caplog.text


def test_a_workbook_without_a_cell_is_empty(tmp_path: Path) -> None:
    """As a file without a byte is."""
    refusal(listed(tmp_path, as_workbook([], []), NAME), "empty")


def test_damage_is_refused(tmp_path: Path) -> None:
    """Cut off anywhere, another format, or another kind of ZIP file."""
    good = as_workbook([["email"], *([f"p{n}@example.com"] for n in range(300))])
    for size in range(1, len(good), 397):
        refusal(listed(tmp_path, good[:size], NAME), "damaged")
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "x")
    for content in (b"email\n", b"\xd0\xcf\x11\xe0", other.getvalue()):
        refusal(listed(tmp_path, content, NAME), ".xlsx", "damaged")


def with_part(content: bytes, name: str, text: bytes) -> bytes:
    """A workbook with one of its parts replaced, or with one more."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, text if part.filename == name else old.read(part))
        if name not in old.namelist():
            new.writestr(name, text)
    return file.getvalue()


def test_shared_strings_are_read(tmp_path: Path) -> None:
    """As Excel writes them: a cell holds the number of its string."""
    main = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    shared = b"<si><t>email</t></si><si><t>%s</t></si>" % JOE.encode()
    cells = [b'<row r="%d"><c r="A%d" t="s"><v>%d</v></c></row>' % (n, n, text) for n, text in ((1, 0), (2, 1), (3, 1))]
    content = as_workbook([["x"]])
    content = with_part(content, "xl/sharedStrings.xml", b"<sst %s>%s</sst>" % (main, shared))
    sheet = b"<worksheet %s><sheetData>%s</sheetData></worksheet>" % (main, b"".join(cells))
    content = with_part(content, "xl/worksheets/sheet1.xml", sheet)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        types = archive.read("[Content_Types].xml")
    kind = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
    override = b'<Override PartName="/xl/sharedStrings.xml" ContentType="%s"/></Types>' % kind
    content = with_part(content, "[Content_Types].xml", types.replace(b"</Types>", override))
    assert list(listed(tmp_path, content, NAME).cells()) == [JOE, JOE]


WITHOUT_LIBRARY = """
import sys
sys.modules["openpyxl"] = None
from pathlib import Path
from pipeline.emails.lists import EmailList
from pipeline.errors import UsageError
for read in ("check", "detected"):
    try:
        getattr(EmailList(Path(sys.argv[1])), read)()
    except UsageError as error:
        print(error)
"""


def test_without_the_library_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    """A workbook is refused before anything is called."""
    emails = listed(tmp_path, as_workbook([["email"], [JOE]]), NAME)
    child = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY, str(emails.path)], capture_output=True, check=True, text=True
    )
    assert [line for line in child.stdout.splitlines() if "pip install 'lead-export[xlsx]'" not in line] == []
    assert child.stdout.count("list.xlsx: ") == 2


def as_strict(content: bytes) -> bytes:
    """A workbook as Excel saves it as "Strict Open XML": with the other names of namespaces and relationships."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            text = re.sub(
                rb"http://schemas\.openxmlformats\.org/(officeDocument|spreadsheetml|drawingml)/2006/",
                rb"http://purl.oclc.org/ooxml/\1/",
                old.read(part),
            )
            new.writestr(part.filename, text.replace(b"<workbook ", b'<workbook conformance="strict" '))
    return file.getvalue()


def test_strict_workbooks_are_read(tmp_path: Path) -> None:
    """The same cells as from the usual variant, dates included, whether written as numbers or in ISO 8601."""
    moment = datetime.datetime(2024, 1, 31, 10, 5, tzinfo=None)  # noqa: DTZ001 - workbooks know no zones
    content = as_workbook([], [["id", "email", "seen"], *([n, f"p{n}@example.com", moment] for n in range(2_000))])
    usual, strict = listed(tmp_path, content, "a.xlsx"), listed(tmp_path, as_strict(content), "b.xlsx")
    assert columns_of(strict) == columns_of(usual)
    assert (list(strict.cells()), strict.rows) == (list(usual.cells()), 2_000)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        sheet = archive.read("xl/worksheets/sheet2.xml")
    iso = re.sub(rb'<c r="C2"[^>]*><v>[^<]*</v>', b'<c r="C2" t="d"><v>2024-01-31T10:05:00</v>', sheet)
    assert iso != sheet
    emails = listed(tmp_path, as_strict(with_part(content, "xl/worksheets/sheet2.xml", iso)), "c.xlsx")
    assert columns_of(emails)[1][0] == ["0", "p0@example.com", "2024-01-31T10:05:00"]


def test_damaged_strict_workbooks_are_refused(tmp_path: Path) -> None:
    """Cut off anywhere, with one sentence."""
    good = as_strict(as_workbook([["email"], *([f"p{n}@example.com"] for n in range(300))]))
    for size in range(1, len(good), 997):
        refusal(listed(tmp_path, good[:size], NAME), "damaged")


@pytest.mark.parametrize(
    ("sheets", "cell"),
    [
        ([[["id", "email"], [1, JOE], [2, '=LOWER("X@EXAMPLE.COM")']]], "B3"),
        ([[["id", "Kontakt"], [1, "=C2"], [2, "=C3"]]], "B2"),
        ([[["=A2"]], [["email"], [JOE]]], "A1"),
        ([[], [[None, "=B2"]]], "B1"),
    ],
)
def test_formulas_without_values_in_the_email_column_are_refused(
    tmp_path: Path, sheets: list[list[list[object]]], cell: str
) -> None:
    """A workbook that no spreadsheet has computed has no addresses there: the message names the cell and the remedy."""
    content = as_workbook(*sheets)
    for name, each in (("a.xlsx", content), ("b.xlsx", as_strict(content))):
        refusal(listed(tmp_path, each, name), f"cell {cell}", "formula", "save")


def test_formulas_without_values_elsewhere_are_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """They are read as empty, which is said once."""
    emails = listed(tmp_path, as_workbook([["email", "n"], [JOE, "=1+1"], [JIM, "=A2"]]), NAME)
    assert columns_of(emails) == (["email", "n"], [[JOE, None], [JIM, None]])
    assert list(emails.cells()) == [JOE, JIM]
    (record,) = caplog.records
    assert "B2" in record.getMessage()


def test_values_of_formulas_are_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As a spreadsheet computed them, and an empty text is a value."""
    main = b'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    cells = (
        b'<row r="1"><c r="A1" t="inlineStr"><is><t>email</t></is></c></row>'
        b'<row r="2"><c r="A2" t="str"><f>LOWER(B2)</f><v>%s</v></c></row>'
        b'<row r="3"><c r="A3" t="str"><f>IF(B3="","",B3)</f><v></v></c><c r="B3"><f>1+1</f><v>2</v></c></row>'
    ) % JOE.encode()
    sheet = b"<worksheet %s><sheetData>%s</sheetData></worksheet>" % (main, cells)
    emails = listed(tmp_path, with_part(as_workbook([["x"]]), "xl/worksheets/sheet1.xml", sheet), NAME)
    assert (list(emails.cells()), caplog.records) == ([JOE, ""], [])


def test_a_title_above_the_header_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And so is a header that is repeated; warnings name the rows of the sheet."""
    rows: list[Sequence[object]] = [
        ["Customers"],
        [],
        ["As of", None, "2026"],
        ["id", "name", "E-Mail"],
        [1, "Joe", JOE],
        ["id", "name", "E-Mail"],
    ]
    emails = listed(tmp_path, as_workbook([*rows, [2, "Jim", JIM]]), NAME)
    assert columns_of(emails) == (["id", "name", "E-Mail"], [["1", "Joe", JOE], ["2", "Jim", JIM]])
    assert [record.getMessage().partition("row ")[2][0] for record in caplog.records] == ["4", "6"]

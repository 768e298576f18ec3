from __future__ import annotations

import datetime
import importlib.util
import io
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

from emails_lists import ANN, JIM, JOE, as_workbook, columns_of, listed, refusal

from pipeline.emails.reader import Shape

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NAME = "list.xlsx"
DAMAGED = "list.xlsx: this is no workbook (.xlsx), it is damaged, or it is encrypted."


def test_cells_are_texts_as_a_person_reads_them(tmp_path: Path) -> None:
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
    """Rows without anything are none; those that go on beyond the header widen the table."""
    emails = listed(tmp_path, as_workbook([[], ["email"], [JOE, None, 1], [], [None], [JIM]]), NAME)
    assert emails.shape() == Shape(rows=2, width=3, ragged=1, ragged_lines=(3,))
    assert columns_of(emails) == (["email", "", ""], [[JOE, None, "1"], [JIM, None, None]])
    emails = listed(tmp_path, as_workbook([[1, JOE], [2, JIM, "x"]]), NAME)
    assert columns_of(emails) == (["column 1", "column 2", "column 3"], [["1", JOE, None], ["2", JIM, "x"]])


def test_the_first_sheet_with_anything_on_it_is_read(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """An empty one before it does not matter; if there are others with rows, a warning says so."""
    assert list(listed(tmp_path, as_workbook([], [["email"], [JOE]]), NAME).cells()) == [JOE]
    assert caplog.records == []
    emails = listed(tmp_path, as_workbook([["email"], [JIM]], [["email"], [ANN]]), NAME)
    assert list(emails.cells()) == [JIM]
    assert [record.getMessage() for record in caplog.records] == [
        "list.xlsx: 2 sheets have something on them; only the first of them is read."
    ]


def test_a_workbook_without_a_cell_is_empty(tmp_path: Path) -> None:
    """As a file without a byte is."""
    assert refusal(listed(tmp_path, as_workbook([], []), NAME)) == "list.xlsx: the workbook is empty."
    assert refusal(listed(tmp_path, b"", NAME)) == "list.xlsx: the list is empty."


def test_damage_is_refused(tmp_path: Path) -> None:
    """Cut off anywhere, of another kind, or a ZIP file of something else."""
    good = as_workbook([["email"], *([f"p{n}@example.com"] for n in range(300))])
    for size in range(1, len(good), 197):
        assert refusal(listed(tmp_path, good[:size], NAME)) == DAMAGED
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("a.txt", "x")
    for content in (b"email\n", b"\xd0\xcf\x11\xe0", other.getvalue()):
        assert refusal(listed(tmp_path, content, NAME)) == DAMAGED


def with_part(content: bytes, name: str, text: bytes) -> bytes:
    """A workbook with one of its parts replaced, or with one more."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, text if part.filename == name else old.read(part))
        if name not in old.namelist():
            new.writestr(name, text)
    return file.getvalue()


def test_texts_that_cells_share_are_read(tmp_path: Path) -> None:
    """As Excel writes them: a cell has the number of its text."""
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


def test_bombs_are_refused(tmp_path: Path) -> None:
    """A part that unpacks to far more than any list has, and rows numbered beyond the last there can be."""
    good = as_workbook([["email"], [JOE]])
    for part in ("xl/theme/theme1.xml", "xl/worksheets/sheet1.xml"):
        bomb = with_part(good, part, b" " * ((1 << 28) + 1))
        assert refusal(listed(tmp_path, bomb, NAME)) == (
            "list.xlsx: a part of the workbook unpacks to more than 268,435,456 bytes."
        )
    sheet = b"""<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>
        <row r="999999999"><c r="A999999999" t="inlineStr"><is><t>x</t></is></c></row></sheetData></worksheet>"""
    far = with_part(good, "xl/worksheets/sheet1.xml", sheet)
    assert refusal(listed(tmp_path, far, NAME)) == "list.xlsx: the sheet has more than 1,048,576 rows."


WITHOUT_LIBRARY = """
import sys
sys.modules["openpyxl"] = None
from pathlib import Path
from pipeline.emails.reader import EmailList
from pipeline.errors import UsageError
for read in ("check", "detected"):
    try:
        getattr(EmailList(Path(sys.argv[1])), read)()
    except UsageError as error:
        print(error)
"""


def test_without_the_library_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    """A workbook is refused before anything is asked; everything else is read without it."""
    emails = listed(tmp_path, as_workbook([["email"], [JOE]]), NAME)
    child = subprocess.run(
        [sys.executable, "-c", WITHOUT_LIBRARY, str(emails.path)], capture_output=True, check=True, text=True
    )
    said = "list.xlsx: workbooks need a library that is not installed; run: pip install 'lead-export[xlsx]'."
    assert child.stdout.splitlines() == [said, said]
    assert importlib.util.find_spec("openpyxl") is not None

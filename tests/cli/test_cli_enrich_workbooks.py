"""`lead-export enrich` from a workbook to a workbook: what a person has in it stays as it is."""

from __future__ import annotations

import datetime as dt
import shutil
import zipfile
from copy import copy
from typing import TYPE_CHECKING, Any

import openpyxl
import pytest
from cli_command import CREDENTIALS, NO_DELAYS, Result, lead_export
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.chart import BarChart, Reference
from openpyxl.comments import Comment
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.formula import ArrayFormula

if TYPE_CHECKING:
    from pathlib import Path

    from openpyxl.workbook import Workbook

    from pipeline.sandbox.process import RunningSandbox

HEADER = ["Nr", "E-Mail", "Since", "Share", "Active", "Amount", "Total"]
PEOPLE: list[list[Any]] = [
    ["0042", "ann@example.com", dt.date(2024, 1, 31), 0.25, True, 1234.5],
    ["0043", "not-found@example.com", dt.datetime(2024, 2, 1, 10, 5), 0.5, False, -3],  # noqa: DTZ001 - no zone
    ["0044", "ANN@example.com", dt.time(9, 30), None, None, None],
    ["0045", "nobody", dt.timedelta(hours=30), 1, "#N/A", 1e-9],
    ["=0046", "bob@example.com", None, 0.125, True, 100],
]
MONEY = '#,##0.00 "€"'


def enrich(sandbox: RunningSandbox, path: Path, out: Path, *options: object) -> Result:
    """Run the job with two fields."""
    words = ["enrich", path, "--out", out, "--api-url", sandbox.url, "--rate", 0, "--fields", "date_joined,score"]
    return lead_export(*words, *options, **CREDENTIALS, **NO_DELAYS)


def customers() -> Workbook:
    """A workbook as people have them: formats, formulas, a filter, a hidden column, a comment, a second sheet."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    sheet.title = "Kunden"
    sheet.append(HEADER)
    for cell in sheet[1]:
        cell.font, cell.fill = Font(bold=True), PatternFill("solid", "DDDDDD")
    for number, row in enumerate(PEOPLE, 2):
        sheet.append([*row, f"=D{number}*F{number}"])
        sheet.cell(number, 1).data_type = "s"
        sheet.cell(number, 4).number_format, sheet.cell(number, 6).number_format = "0.0%", MONEY
    sheet["A3"].value = CellRichText("00", TextBlock(InlineFont(b=True), "43"))
    sheet.auto_filter.ref, sheet.freeze_panes = "A1:G6", "A2"
    sheet.column_dimensions["C"].hidden, sheet.column_dimensions["B"].width = True, 30
    sheet["B2"].comment = Comment("calls back", "me")
    validation = DataValidation("list", formula1='"TRUE,FALSE"')
    validation.add("E2:E6")
    sheet.add_data_validation(validation)
    notes: Any = book.create_sheet("Notes")
    notes["A1"], notes["A2"] = 5, "=A1*2"
    notes.sheet_state = "hidden"
    return book


def saved(book: Workbook, path: Path) -> Path:
    """The workbook as a file."""
    book.save(path)
    return path


def facts(sheet: Any, width: int) -> list[list[tuple[Any, ...]]]:
    """What each cell of the first columns is and looks like."""
    return [
        [(cell.value, cell.data_type, cell.number_format, copy(cell.font), copy(cell.fill)) for cell in row]
        for row in sheet.iter_rows(max_col=width)
    ]


def test_everything_in_a_workbook_stays(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Types, formats, formulas, widths, filter, comments and other sheets; lead columns to the right of them."""
    path, out = saved(customers(), tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    done = enrich(sandbox, path, out)
    # The second sheet, formulas that were never calculated, and the results of formulas.
    assert (done.code, done.err.count("WARNING")) == (0, 3)
    before, after = (openpyxl.load_workbook(file, rich_text=True) for file in (path, out))
    for name, width in (("Kunden", 7), ("Notes", 1)):
        assert facts(after[name], width) == facts(before[name], width)
    sheet = after["Kunden"]
    assert [cell.value for cell in sheet[1]][7:] == [
        *("lead_outcome", "lead_reason", "lead_id", "lead_date_joined", "lead_score")
    ]
    assert [sheet.cell(row, 8).value for row in range(2, 7)] == ["found", "not_found", "found", "invalid", "found"]
    assert (sheet["H1"].font.b, sheet["H1"].fill.fgColor.rgb) == (True, "00DDDDDD")
    assert (sheet["K2"].is_date, type(sheet["L2"].value), sheet["J2"].data_type) == (True, int, "s")
    assert [sheet.cell(4, column).value for column in range(8, 13)] == [
        sheet.cell(2, column).value for column in range(8, 13)
    ]
    assert (sheet.auto_filter.ref, sheet.freeze_panes) == ("A1:L6", "A2")
    assert (sheet.column_dimensions["C"].hidden, sheet.column_dimensions["B"].width) == (True, 30)
    assert sheet["B2"].comment.text == "calls back"
    assert [str(one.sqref) for one in sheet.data_validations.dataValidation] == ["E2:E6"]
    assert after["Notes"].sheet_state == "hidden"
    assert out.stat().st_mode & 0o777 == 0o600


def test_what_a_copy_lacks_is_said_before_any_call(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Pictures, charts and shapes, which the library keeps only in part, and what it does not know at all."""
    book = customers()
    notes: Any = book["Notes"]
    chart = BarChart()
    chart.add_data(Reference(notes, min_col=1, min_row=1, max_row=2))
    notes.add_chart(chart, "C3")
    done = enrich(sandbox, saved(book, tmp_path / "in.xlsx"), tmp_path / "out.xlsx")
    assert done.code == 0
    (warning,) = [line for line in done.err.splitlines() if "charts" in line]
    assert warning.startswith("WARNING: in.xlsx: ")
    with zipfile.ZipFile(tmp_path / "out.xlsx") as archive:
        assert [name for name in archive.namelist() if name.startswith("xl/charts/")] == ["xl/charts/chart1.xml"]
    sandbox.control(revoke_after=1, reset_stats=True)
    stopped = enrich(sandbox, tmp_path / "in.xlsx", tmp_path / "never.xlsx")
    assert (stopped.code, "charts" in stopped.err) == (4, True)


def test_rows_that_are_left_out_leave_values_and_formats(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """--only-found writes the values with their types and number formats, and a warning says that this is all."""
    path, out = saved(customers(), tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    done = enrich(sandbox, path, out, "--only-found")
    assert (done.code, "formula" in done.err) == (0, True)
    after = openpyxl.load_workbook(out)
    assert after.sheetnames == ["Kunden"]
    rows = [list(row) for row in after["Kunden"].iter_rows()]
    assert [cell.value for cell in rows[0]][:8] == [*HEADER, "lead_outcome"]
    assert [[cell.value for cell in row[:6]] for row in rows[1:]] == [
        [*PEOPLE[0][:2], dt.datetime(2024, 1, 31), *PEOPLE[0][3:]],  # noqa: DTZ001 - workbooks know no zones
        PEOPLE[2],
        PEOPLE[4],
    ]
    assert (rows[1][3].number_format, rows[1][5].number_format, rows[3][0].data_type) == ("0.0%", MONEY, "s")


def test_a_sheet_without_a_header_keeps_types(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Where no row can take the names of the columns, a new workbook has a header."""
    book = openpyxl.Workbook()
    for number, name in enumerate(("ann", "bob")):
        book.worksheets[0].append([f"{name}@example.com", number + 0.5, dt.date(2024, 1, 2)])
    done = enrich(sandbox, saved(book, tmp_path / "in.xlsx"), tmp_path / "out.xlsx")
    assert (done.code, "header" in done.err) == (0, True)
    rows = list(openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0].iter_rows(values_only=True))
    assert rows[0][:4] == ("column 1", "column 2", "column 3", "lead_outcome")
    assert rows[2][:4] == ("bob@example.com", 1.5, dt.datetime(2024, 1, 2), "found")  # noqa: DTZ001


def test_rows_are_named_as_on_the_sheet(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """In the plan, where rows fail, and where one has too many cells; blank rows count."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    cells = {"A2": "email", "B2": "x", "A5": "always-500@example.com", "A7": "nobody", "A9": "a@example.com", "D9": 1}
    for name, value in cells.items():
        sheet[name] = value
    path = saved(book, tmp_path / "in.xlsx")
    assert "    row 7: has no at sign" in lead_export("plan", path).out
    words = ["enrich", path, "--out", tmp_path / "out.xlsx", "--api-url", sandbox.url, "--rate", 0]
    done = lead_export(*words, **CREDENTIALS, LEAD_EXPORT_MAX_ATTEMPTS="1")
    assert done.code == 3
    assert [fact for fact in ("row 5 (http_500)", "row 9") if fact not in done.err] == []
    after = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    outcomes = {"E2": "lead_outcome", "E5": "failed", "E7": "invalid", "E9": "found"}
    assert {name: after[name].value for name in outcomes} == outcomes
    assert {name: after[name].value for name in cells} == cells


def test_hidden_and_merged_columns_do_not_swallow_what_is_added(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """All unused columns hidden, and cells merged beside the data: lead columns are visible and behind both."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in (["email", "x"], ["ann@example.com", 1], ["bob@example.com", 2]):
        sheet.append(row)
    sheet["C5"] = "a note over several cells"
    sheet.merge_cells("B2:D3")
    rest = sheet.column_dimensions["D"]
    rest.min, rest.max, rest.hidden = 4, 16_384, True
    assert enrich(sandbox, saved(book, tmp_path / "in.xlsx"), tmp_path / "out.xlsx").code == 0
    after: Any = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    assert [after.cell(row, 5).value for row in (1, 2, 3)] == ["lead_outcome", "found", "found"]
    hidden = [one for one in after.column_dimensions.values() if one.hidden]
    assert [one for one in hidden if one.min <= 9 and one.max >= 5] == []


def test_formulas_beside_the_data_are_not_overwritten(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Those without a stored result look empty to a reader; the lead columns are behind them all the same."""
    book = openpyxl.Workbook()
    sheet: Any = book.active
    for row in (["email", "x"], ["ann@example.com", 1], ["bob@example.com", 2]):
        sheet.append(row)
    sheet["D2"], sheet["E2"] = "=B2*2", ArrayFormula("E2:F3", "=B2:B3*2")
    assert enrich(sandbox, saved(book, tmp_path / "in.xlsx"), tmp_path / "out.xlsx").code == 0
    after: Any = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    assert (after["D2"].value, after["E2"].value.text, after["E2"].value.ref) == ("=B2*2", "=B2:B3*2", "E2:F3")
    assert [after.cell(row, 7).value for row in (1, 2, 3)] == ["lead_outcome", "found", "found"]


def test_a_job_on_a_workbook_is_resumed(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Nothing is written while it is stopped, and the copy is made of the workbook as it was."""
    path, out = saved(customers(), tmp_path / "in.xlsx"), tmp_path / "out.xlsx"
    sandbox.control(revoke_after=1)
    assert enrich(sandbox, path, out, "--concurrency", 1).code == 4
    assert not out.exists()
    sandbox.control(revoke_after=0, reset_stats=True)
    shutil.copy(path, tmp_path / "moved.xlsx")
    assert enrich(sandbox, path, out).code == 0
    assert openpyxl.load_workbook(out)["Kunden"]["H2"].value == "found"


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_other_formats_have_cells_as_people_read_them(sandbox: RunningSandbox, tmp_path: Path, suffix: str) -> None:
    """A workbook written to text or Parquet is strings, without a warning about copies."""
    done = enrich(sandbox, saved(customers(), tmp_path / "in.xlsx"), tmp_path / f"out{suffix}")
    assert (done.code, done.err.count("WARNING")) == (0, 2)  # the second sheet, and formulas that were never calculated
    if suffix == ".csv":
        assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfNr,")  # or Excel would not read it right

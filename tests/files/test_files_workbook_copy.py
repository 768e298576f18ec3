"""Columns added to a copy of a workbook, whatever is in it."""

from __future__ import annotations

import datetime as dt
import io
import tracemalloc
import zipfile
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from pipeline.errors import UsageError
from pipeline.files.workbook_copy import SheetValues, WorkbookCopy
from pipeline.files.workbook_plan import MAX_COPIED_CELLS, CopyPlan, plan_copy
from pipeline.files.worksheet_cells import MAX_COLUMNS
from pipeline.tables.frames import make_frame

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

WHOLE: dict[str, Any] = {"sheet": 0, "first_row": 2, "width": 2, "has_header": True, "added": 10}


def workbook(rows: list[list[Any]]) -> io.BytesIO:
    """A workbook with these cells, strings as strings."""
    book = openpyxl.Workbook()
    for number, row in enumerate(rows, 1):
        for column, value in enumerate(row, 1):
            if value is not None:
                cell: Any = book.worksheets[0].cell(number, column)
                cell.value = value
                cell.data_type = "s" if isinstance(value, str) else cell.data_type
    file = io.BytesIO()
    book.save(file)
    return file


def with_part(file: io.BytesIO, name: str, content: bytes = b"<x/>") -> io.BytesIO:
    """The same workbook with one more part, or another one."""
    changed = io.BytesIO()
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.namelist():
            new.writestr(part, content if part == name else old.read(part))
        if name not in old.namelist():
            new.writestr(name, content)
    return changed


def column(values: list[Any]) -> pd.DataFrame:
    """A frame with one column."""
    return make_frame(["lead_x"], [pa.array(values)])


SIMPLE: list[list[Any]] = [["email", "x"], ["a@example.com", 1]]


def test_a_plan_says_how_columns_can_be_added() -> None:
    """The header is the last row before the data; a large, headless or unreadable workbook gives its values only."""
    assert plan_copy("in.xlsx", workbook(SIMPLE), **WHOLE) == CopyPlan(0, 2, 1, filled=2)
    preamble = workbook([["May"], [], *SIMPLE])
    assert plan_copy("in.xlsx", preamble, **{**WHOLE, "first_row": 4}).header_row == 3
    for file, change, reason in (
        (workbook(SIMPLE), {"added": MAX_COPIED_CELLS}, "too large"),
        (workbook(SIMPLE), {"has_header": False}, "no header"),
        (with_part(workbook(SIMPLE), "xl/styles.xml", b"<"), {}, "cannot be read"),
    ):
        assert reason in plan_copy("in.xlsx", file, **{**WHOLE, **change}).reason


def test_rows_that_the_library_does_not_see_are_refused() -> None:
    """Instead of a copy without them, as of the strict variant of the format."""
    with zipfile.ZipFile(workbook(SIMPLE)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    usual, strict = b"http://schemas.openxmlformats.org/spreadsheetml/2006", b"http://purl.oclc.org/ooxml/spreadsheetml"
    changed = with_part(workbook(SIMPLE), "xl/worksheets/sheet1.xml", sheet.replace(usual, strict))
    with pytest.raises(UsageError, match=r"in\.xlsx"):
        plan_copy("in.xlsx", changed, **WHOLE)


@pytest.mark.parametrize(
    ("part", "what"),
    [
        ("xl/drawings/drawing1.xml", "pictures"),
        ("xl/ctrlProps/ctrlProp1.xml", "form controls"),
        ("xl/slicers/slicer1.xml", "slicers"),
        ("xl/threadedComments/threadedComment1.xml", "comments"),
        ("xl/connections.xml", "data connections"),
        ("docMetadata/LabelInfo.xml", "label"),
    ],
)
def test_parts_that_are_lost_are_named(part: str, what: str) -> None:
    """By what a person sees of them, once."""
    (loss,) = plan_copy("in.xlsx", with_part(workbook(SIMPLE), part), **WHOLE).losses
    assert what in loss


def test_what_the_library_drops_is_passed_on() -> None:
    """Its own warnings, here about a conditional format that only newer programs know."""
    with zipfile.ZipFile(workbook(SIMPLE)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    extension = b'<extLst><ext uri="{78C0D931-6437-407d-A8EE-F0AAD7539E65}"/></extLst></worksheet>'
    changed = with_part(workbook(SIMPLE), "xl/worksheets/sheet1.xml", sheet.replace(b"</worksheet>", extension))
    (loss,) = plan_copy("in.xlsx", changed, **WHOLE).losses
    assert "Conditional Formatting" in loss


CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(-1e300, 1e300).map(lambda number: float(f"{number:.15g}")),  # what spreadsheets show
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
        lambda text: not ILLEGAL_CHARACTERS_RE.search(text) and "\r" not in text and "_x" not in text
    ),
    st.datetimes(dt.datetime(1900, 3, 1), dt.datetime(9999, 12, 31)).map(lambda moment: moment.replace(microsecond=0)),  # noqa: DTZ001
)


@settings(max_examples=40)
@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6), st.text(max_size=10))
def test_any_cells_come_back(tmp_path_factory: pytest.TempPathFactory, rows: list[list[Any]], added: str) -> None:
    """Both ways of writing give every value with its type, and the added ones beside them."""
    folder = tmp_path_factory.mktemp("copies")
    file = workbook([["email", "x"], *rows])
    before = [list(row) for row in openpyxl.load_workbook(file).worksheets[0].iter_rows(max_col=2, values_only=True)]
    wanted = ILLEGAL_CHARACTERS_RE.sub("\N{REPLACEMENT CHARACTER}", added).replace("\r", "\n")
    filled = [number for number, row in enumerate(rows, 2) if any(cell is not None for cell in row)]
    plan = CopyPlan(0, 2, 1)
    values = column([added.replace("\r", "\n")] * len(filled)) if filled else column([]).astype("string[pyarrow]")
    with WorkbookCopy(file, folder / "whole.xlsx", plan, ["lead_x"]) as whole:
        whole.write(filled, values)
    with SheetValues(file, folder / "values.xlsx", plan, ["email", "x", "lead_x"]) as copied:
        copied.write(filled, values)
    for name in ("whole", "values"):
        sheet = openpyxl.load_workbook(folder / f"{name}.xlsx").worksheets[0]
        after = [list(row) for row in sheet.iter_rows(max_col=3, values_only=True)]
        kept = [row for row in after[1:] if any(cell is not None for cell in row[:2])]
        assert after[0] == ["email", "x", "lead_x"]
        assert [row[:2] for row in kept] == [before[number - 1] for number in filled]
        assert [row[2] or "" for row in kept] == [wanted] * len(filled)


def test_numbers_do_not_look_like_dates(tmp_path: Path) -> None:
    """An empty cell beside the data may have any format; what is added there shows as what it is."""
    book = openpyxl.Workbook()
    for row in SIMPLE:
        book.worksheets[0].append(row)
    book.worksheets[0]["C2"].number_format = "yyyy-mm-dd"
    file = io.BytesIO()
    book.save(file)
    with WorkbookCopy(file, tmp_path / "out.xlsx", CopyPlan(0, 2, 1), ["lead_x"]) as copy:
        copy.write([2], column([7]))
    assert openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]["C2"].value == 7


def test_a_worksheet_has_a_last_column(tmp_path: Path) -> None:
    """More columns than it has are refused by name, not by a bug."""
    with pytest.raises(UsageError, match="--fields"):
        WorkbookCopy(workbook(SIMPLE), tmp_path / "out.xlsx", CopyPlan(0, 2, 1), ["x"] * 16_383)


def test_nothing_is_left_of_a_copy_that_failed(tmp_path: Path) -> None:
    """Neither file appears if something goes wrong meanwhile."""
    for writer in (WorkbookCopy, SheetValues):
        with pytest.raises(KeyError), writer(workbook(SIMPLE), tmp_path / "out.xlsx", CopyPlan(0, 2, 1), ["x"]):
            raise KeyError
    assert list(tmp_path.iterdir()) == []


FAR = [(2, 16_384), (20_000, 500)]


@pytest.mark.parametrize(("row", "column_number"), FAR)
@pytest.mark.parametrize("value", [None, 7])
def test_a_cell_far_away_costs_no_memory(tmp_path: Path, row: int, column_number: int, value: int | None) -> None:
    """A copy has the cells that there were and the added ones; an empty, formatted cell takes no column away."""
    book = openpyxl.load_workbook(workbook(SIMPLE))
    far: Any = book.worksheets[0].cell(row, column_number)
    far.value, far.number_format = value, "0.00"
    file = io.BytesIO()
    book.save(file)
    if value is not None and column_number == MAX_COLUMNS:
        plan = plan_copy("in.xlsx", file, **WHOLE)
        with pytest.raises(UsageError):
            WorkbookCopy(file, tmp_path / "out.xlsx", plan, ["lead_x"])
        return
    tracemalloc.start()
    try:
        plan = plan_copy("in.xlsx", file, **WHOLE)
        with WorkbookCopy(file, tmp_path / "out.xlsx", plan, ["lead_x"]) as copy:
            copy.write([2], column(["new"]))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx").worksheets[0]
    added = 3 if value is None else max(2, column_number) + 1
    assert (sheet.cell(1, added).value, sheet.cell(2, added).value) == ("lead_x", "new")
    assert (sheet.cell(row, column_number).value, sheet.cell(row, column_number).number_format) == (value, "0.00")


def test_a_list_that_has_become_shorter_is_refused(tmp_path: Path) -> None:
    """Instead of a row without its own cells, or an ending without a reason."""
    plan = CopyPlan(0, 2, None, "values only")
    with (
        pytest.raises(UsageError, match="changed"),
        SheetValues(workbook(SIMPLE), tmp_path / "out.xlsx", plan, ["email", "x", "lead_x"]) as values,
    ):
        values.write([2, 3], column(["new", "newer"]))

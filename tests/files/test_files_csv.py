import csv
import stat
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from files_frames import samples, strings
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.files.formats.csv import CsvWriter
from pipeline.files.output_format import WriteOptions

# Before 3.1, pandas reads NUL as the end of a cell.
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.text(
    "=+-@'\t\r\n ,;\"1a#", max_size=8
)
ROWS = st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("csv")


def write(folder: Path, *frames: pd.DataFrame, bom: bool = False, formula_guard: bool = True) -> Path:
    """A new file with these frames in it."""
    path = folder / "table.csv"
    path.unlink(missing_ok=True)
    with CsvWriter(path, frames[0].head(0), WriteOptions(bom=bom, formula_guard=formula_guard)) as file:
        for frame in frames:
            file.write(frame)
    return path


def cells(folder: Path, *given: str | None, formula_guard: bool = True) -> list[str]:
    """The fields in the file for each of these strings."""
    path = write(folder, strings(a=given, b=["x"] * len(given)), formula_guard=formula_guard)
    return [line.removesuffix(",x") for line in path.read_bytes().decode().split("\n")[1:-1]]


def test_a_table_is_utf8_with_commas_and_line_feeds(tmp_path: Path) -> None:
    """The bytes: a header, a line for each row, quotes only where needed, nulls empty, no spaces added."""
    frame = strings(name=["Zoë", "a,b", 'say "hi"', None, " c "], note=["two\nlines", "a\rb", "", None, "用户;|"])
    assert write(tmp_path, frame).read_bytes() == (
        'name,note\nZoë,"two\nlines"\n"a,b","a\rb"\n"say ""hi""",\n,\n c ,用户;|\n'.encode()
    )


def test_types_are_written_as_they_read(tmp_path: Path) -> None:
    """Whole numbers, clock times without a zone, instants in UTC; a leading zero stays."""
    assert write(tmp_path, samples("binary")).read_bytes().decode() == (
        'string,int8,int32,int64,timestamp[s],"timestamp[s, UTC]","timestamp[ms, UTC]"\n'
        "Zoë,1,0,,2026-11-23 02:00:00,2026-11-23T02:00:00Z,2026-11-23T02:00:00.123Z\n"
        ",,2147483647,9223372036854775807,,,\n"
        "007,-1,,-5,1969-12-31 23:59:59,9999-12-31T00:00:00Z,1970-01-01T00:00:00.000Z\n"
    )


def test_a_table_without_rows_is_its_header(tmp_path: Path) -> None:
    """Every table is written, even without rows."""
    empty = strings(id=[], email=[])
    assert write(tmp_path, empty).read_bytes() == b"id,email\n"
    assert write(tmp_path, empty, empty).read_bytes() == b"id,email\n"


def test_batches_follow_one_another(tmp_path: Path) -> None:
    """The file is the same whether a table comes whole or in pieces."""
    whole = strings(a=["1", None, "3"], b=["x", "y,", "z"])
    pieces = [whole.iloc[:1], whole.iloc[1:1], whole.iloc[1:]]
    assert write(tmp_path, *pieces).read_bytes() == b'a,b\n1,x\n,"y,"\n3,z\n' == write(tmp_path, whole).read_bytes()


def test_a_byte_order_mark_is_written_on_request(tmp_path: Path) -> None:
    """Excel reads a file as UTF-8 only with one; it comes once, at the beginning."""
    frame = strings(a=["ä"], b=["b"])
    assert write(tmp_path, frame, frame, bom=True).read_bytes() == "\ufeffa,b\nä,b\nä,b\n".encode()


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "=cmd|'/c calc'!A1",
        "@SUM(A1)",
        "@",
        "=",
        "+A1",
        "-A1",
        "+1+1",
        "-1+A1",
        "+1-800-FLOWERS",
        "--1",
        "- 1e",
        "-@x",
        "-\n1",
        "+1\n=A1",
    ],
)
def test_formulas_are_guarded(tmp_path: Path, cell: str) -> None:
    """A string that a spreadsheet would run gets an apostrophe; without the guard it stays as it is."""
    path = write(tmp_path, strings(a=[cell], b=["x"]))
    assert pd.read_csv(path)["a"].tolist() == [f"'{cell}"]
    assert pd.read_csv(write(tmp_path, strings(a=[cell], b=["x"]), formula_guard=False))["a"].tolist() == [cell]


@pytest.mark.parametrize(
    "cell",
    [
        "-",
        "+",
        "-5",
        "-5.25",
        "+1,000",
        "+1 (555) 010-0100",
        "+44 20 7946 0000",
        "+49.30/123456",
        "-2026-11-23",
        "a=1",
        "'=1",
        " =1",
        "1+1",
        "joe@example.com",
        "#N/A",
        "{}",
    ],
)
def test_numbers_phones_and_plain_strings_are_not_guarded(tmp_path: Path, cell: str) -> None:
    """A string that a spreadsheet only displays is written unchanged."""
    path = write(tmp_path, strings(a=[cell], b=["x"]))
    assert list(csv.reader(path.read_text().splitlines()))[1] == [cell, "x"]


def test_leading_control_characters_are_guarded(tmp_path: Path) -> None:
    """A tab or carriage return before a formula is skipped by spreadsheets."""
    assert cells(tmp_path, "\t=1", "\r=1", "\t") == ["'\t=1", '"\'\r=1"', "'\t"]


def test_numbers_are_never_guarded(tmp_path: Path) -> None:
    """Only strings can be formulas."""
    assert "'" not in write(tmp_path, samples("binary", "string")).read_text()


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """The file holds personal data."""
    assert stat.S_IMODE(write(tmp_path, strings(a=["1"], b=["2"])).stat().st_mode) == 0o600


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    """Each file of a run is new."""
    frame = strings(a=["1"], b=["2"])
    path = write(tmp_path, frame)
    with pytest.raises(FileExistsError):
        CsvWriter(path, frame.head(0), WriteOptions())


@settings(deadline=None)
@given(ROWS)
def test_strings_come_back_in_csv_pandas_and_duckdb(folder: Path, rows: list[tuple[str, str]]) -> None:
    """Three readers give every cell back, and the guard adds an apostrophe or nothing."""
    frame = strings(a=[a for a, _ in rows], b=[b for _, b in rows])
    assert read_all(write(folder, frame, formula_guard=False)) == [rows] * 3
    guarded = read_all(write(folder, frame))
    assert guarded == [guarded[0]] * 3
    for row, expected in zip(guarded[0], rows, strict=True):
        for cell, original in zip(row, expected, strict=True):
            assert cell in (original, f"'{original}")
            assert not cell.startswith(("=", "@", "\t", "\r"))


def read_all(path: Path) -> list[Sequence[tuple[str, ...]]]:
    """The rows of a file as three readers see them, nulls as empty strings."""
    with path.open(newline="", encoding="utf-8") as file:
        plain = [tuple(row) for row in csv.reader(file)][1:]
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, lineterminator="\n")
    quotes = {"delimiter": ",", "quotechar": '"', "escapechar": '"', "comment": ""}
    found = duckdb.read_csv(str(path), header=True, all_varchar=True, **quotes)
    return [
        plain,
        list(frame.itertuples(index=False, name=None)),
        [tuple(cell or "" for cell in row) for row in found.fetchall()],
    ]

import hashlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from files_frames import strings

from pipeline.errors import UsageError
from pipeline.files import formats
from pipeline.files.output_format import (
    FileInfo,
    TableWriter,
    WriteOptions,
    check_fits,
    format_names,
    format_of,
    load_format,
    written_names,
)

FRAME = strings(id=["1", "2"], name=["Zoë", "=1"])


def info(path: Path, rows: int) -> FileInfo:
    """What the manifest should say about a file."""
    content = path.read_bytes()
    return FileInfo(path.name, rows, len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("formats", "names"),
    [
        (("parquet",), ["tags.parquet"]),
        (("csv",), ["tags.csv"]),
        (("csv", "parquet"), ["tags.csv", "tags.parquet"]),
    ],
)
def test_a_table_is_written_in_every_format(tmp_path: Path, formats: tuple[str, ...], names: list[str]) -> None:
    """One file for each, with the same rows; the manifest can check them by size and hash."""
    with TableWriter(tmp_path, "tags", FRAME.head(0), formats, WriteOptions()) as table:
        table.write(FRAME)
        table.write(FRAME.iloc[:1])
    assert table.rows == 3
    assert table.files() == [info(tmp_path / name, 3) for name in names]
    for name in names:
        read = pd.read_csv if name.endswith("csv") else pd.read_parquet
        assert read(tmp_path / name)["name"].tolist() == ["Zoë", "'=1" if name.endswith("csv") else "=1", "Zoë"]


def test_a_table_without_rows_has_files(tmp_path: Path) -> None:
    """Readers never miss a table, in any format."""
    with TableWriter(tmp_path, "tags", FRAME.head(0), format_names(), WriteOptions()) as table:
        pass
    assert [(entry.name, entry.rows) for entry in table.files()] == [(f"tags.{name}", 0) for name in format_names()]
    assert pd.read_parquet(tmp_path / "tags.parquet").columns.tolist() == ["id", "name"]


def test_files_are_closed_when_one_cannot_be_opened(tmp_path: Path) -> None:
    """The first file does not stay open if the second fails."""
    (tmp_path / "tags.parquet").touch()
    with pytest.raises(FileExistsError):
        TableWriter(tmp_path, "tags", FRAME.head(0), ("csv", "parquet"), WriteOptions())
    assert (tmp_path / "tags.csv").read_bytes() == b"id,name\n"


NEW_FORMAT = """
import json
import pyarrow as pa
from pipeline.files import durable
from pipeline.files.output_format import OutputFormat

class Writer:
    def __init__(self, path, header, options):
        self._file = durable.create(path)
    def __enter__(self):
        return self
    def __exit__(self, *_):
        self._file.close()
    def write(self, frame):
        for row in pa.Table.from_pandas(frame, preserve_index=False).to_pylist():
            self._file.write(json.dumps(row, default=str).encode() + b"\\n")
    def losses(self):
        return []

FORMAT = OutputFormat(open=Writer, bytes_per_lead=3000)
"""


def test_a_new_format_is_one_new_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module in the folder of formats is found by its name, for runs and for `enrich`; nothing else changes."""
    (tmp_path / "lines.py").write_text(NEW_FORMAT)
    monkeypatch.setattr(formats, "__path__", [*formats.__path__, str(tmp_path)])
    assert "lines" in format_names()
    assert format_of(Path("people.LINES")) is load_format("lines")
    with TableWriter(tmp_path, "tags", FRAME.head(0), ["lines"], WriteOptions()) as table:
        table.write(FRAME)
    assert (tmp_path / "tags.lines").read_text().splitlines()[0] == '{"id": "1", "name": "Zo\\u00eb"}'


@pytest.mark.parametrize("name", ["people", "people.doc", "people.csv.gz", ".csv", "people.", "-", "/dev/stdout"])
def test_a_file_without_a_known_suffix_is_refused(name: str) -> None:
    """The message names the file and the formats."""
    with pytest.raises(UsageError) as error:
        format_of(Path(name))
    assert all(known in str(error.value) for known in [name, *format_names()])


def test_what_a_format_cannot_hold_is_refused(tmp_path: Path) -> None:
    """Too many rows for a worksheet; nested columns anywhere but in Parquet."""
    nested = pd.DataFrame({"tags": pd.Series([], dtype=pd.ArrowDtype(pa.list_(pa.string())))})
    check_fits(tmp_path / "a.xlsx", FRAME, 1_048_575)
    check_fits(tmp_path / "a.parquet", nested, 10_000_000)
    with pytest.raises(UsageError, match=r"a\.xlsx.*1,048,576"):
        check_fits(tmp_path / "a.xlsx", FRAME, 1_048_576)
    for suffix in ("csv", "tsv", "xlsx"):
        with pytest.raises(UsageError, match="tags"):
            check_fits(tmp_path / f"a.{suffix}", nested)


def test_names_repeat_where_a_format_allows_it() -> None:
    """CSV and workbooks keep the names of a list as they are."""
    assert written_names(load_format("csv"), ["a", "a"]) == ["a", "a"]
    assert written_names(load_format("parquet"), ["a", "a", "a.1", "a"]) == ["a", "a.2", "a.1", "a.3"]


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "people", ".csv"])
def test_a_file_without_any_suffix_is_not_said_to_have_an_empty_one(name: str) -> None:
    """What lacks is the ending of its name."""
    with pytest.raises(UsageError, match="ending") as error:
        format_of(Path(name))
    assert "''" not in str(error.value)

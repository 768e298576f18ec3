import hashlib
from pathlib import Path

import pandas as pd
import pytest
from files_frames import table as table_of
from files_frames import texts

from pipeline.files.table import FileInfo, TableFiles, openers
from pipeline.settings import Settings

FRAME = texts(id=["1", "2"], name=["Zoë", "=1"])


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
    with TableFiles(
        tmp_path, "tags", table_of(FRAME).schema, openers(Settings.load({"formats": formats}, environ={}))
    ) as table:
        table.write(table_of(FRAME))
        table.write(table_of(FRAME.iloc[:1]))
    assert table.rows == 3
    assert table.infos() == [info(tmp_path / name, 3) for name in names]
    for name in names:
        read = pd.read_csv if name.endswith("csv") else pd.read_parquet
        assert read(tmp_path / name)["name"].tolist() == ["Zoë", "'=1" if name.endswith("csv") else "=1", "Zoë"]


def test_settings_say_how_csv_is_written(tmp_path: Path) -> None:
    """Byte order mark and formula guard are the user's choice."""
    settings = Settings(formats=("csv",), csv_bom=True, formula_guard=False)
    with TableFiles(tmp_path, "tags", table_of(FRAME).schema, openers(settings)) as table:
        table.write(table_of(FRAME))
    assert (tmp_path / "tags.csv").read_bytes() == "\ufeffid,name\n1,Zoë\n2,=1\n".encode()


def test_a_table_without_rows_has_files(tmp_path: Path) -> None:
    """Readers never miss a table."""
    settings = Settings(formats=("csv", "parquet"))
    with TableFiles(tmp_path, "tags", table_of(FRAME).schema, openers(settings)) as table:
        pass
    assert [(entry.name, entry.rows) for entry in table.infos()] == [("tags.csv", 0), ("tags.parquet", 0)]
    assert pd.read_parquet(tmp_path / "tags.parquet").columns.tolist() == ["id", "name"]


def test_files_are_closed_when_one_cannot_be_opened(tmp_path: Path) -> None:
    """The first file does not stay open if the second fails."""
    (tmp_path / "tags.parquet").touch()
    with pytest.raises(FileExistsError):
        TableFiles(tmp_path, "tags", table_of(FRAME).schema, openers(Settings(formats=("csv", "parquet"))))
    assert (tmp_path / "tags.csv").read_bytes() == b"id,name\n"

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Any

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files_frames import SAMPLES, TYPES, frame, samples, strings
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from pipeline.files.formats.parquet import ParquetWriter
from pipeline.files.output_format import WriteOptions
from pipeline.schema import TABLES
from pipeline.tables.frames import empty_frame, make_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.columns import Table

STRINGS = st.none() | st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples of a property."""
    return tmp_path_factory.mktemp("parquet")


def write(folder: Path, *frames: pd.DataFrame, name: str = "table.parquet") -> Path:
    """A new file with these frames in it."""
    path = folder / name
    path.unlink(missing_ok=True)
    with ParquetWriter(path, frames[0].head(0), WriteOptions()) as file:
        for one in frames:
            file.write(one)
    return path


def as_read(given: pd.DataFrame) -> pd.DataFrame:
    """The same frame in the types of pandas that readers get: those with nulls where pandas has them."""
    types: dict[str, Any] = {"string": "string", "int8": "Int8", "int32": "Int32", "int64": "Int64", "binary": object}
    types |= {"timestamp[s]": "datetime64[ms]"}  # Parquet has no seconds
    types |= {"timestamp[s, UTC]": "datetime64[ms, UTC]", "timestamp[ms, UTC]": "datetime64[ms, UTC]"}
    frame = given.astype(types)
    return frame.assign(binary=frame["binary"].where(frame["binary"].notna(), None))


def test_pandas_reads_types_that_hold_nulls(tmp_path: Path) -> None:
    """`pandas.read_parquet` without any option gives back what was written: no float numbers, no lost nulls."""
    assert_frame_equal(pd.read_parquet(write(tmp_path, samples())), as_read(samples()))


def test_pandas_reads_the_declared_types_on_request(tmp_path: Path) -> None:
    """With `dtype_backend="pyarrow"` the columns have the types of the schema, but that Parquet has no seconds."""
    read = pd.read_parquet(write(tmp_path, samples()), dtype_backend="pyarrow")
    assert {name: str(dtype) for name, dtype in read.dtypes.items()} == {
        "string": "string[pyarrow]",
        "int8": "int8[pyarrow]",
        "int32": "int32[pyarrow]",
        "int64": "int64[pyarrow]",
        "timestamp[s]": "timestamp[ms][pyarrow]",
        "timestamp[s, UTC]": "timestamp[ms, tz=UTC][pyarrow]",
        "timestamp[ms, UTC]": "timestamp[ms, tz=UTC][pyarrow]",
        "binary": "binary[pyarrow]",
    }


def test_other_programs_read_it(tmp_path: Path) -> None:
    """DuckDB, which knows nothing of pandas, sees the same types and values, and no column for an index."""
    read = duckdb.read_parquet(str(write(tmp_path, samples())))
    assert dict(zip(read.columns, map(str, read.types), strict=True)) == {
        "string": "VARCHAR",
        "int8": "TINYINT",
        "int32": "INTEGER",
        "int64": "BIGINT",
        "timestamp[s]": "TIMESTAMP",
        "timestamp[s, UTC]": "TIMESTAMP WITH TIME ZONE",
        "timestamp[ms, UTC]": "TIMESTAMP WITH TIME ZONE",
        "binary": "BLOB",
    }
    assert read.to_arrow_table().to_pydict() == SAMPLES


def fastparquet(path: Path) -> dict[str, list[Any]]:
    """The columns of a file as fastparquet reads them, which takes pandas' description literally."""
    with path.open("rb") as file:
        read: pd.DataFrame = pytest.importorskip("fastparquet").ParquetFile(file).to_pandas().astype(object)
    return read.where(read.notna(), None).to_dict("list")  # type: ignore[return-value]  # names are strings


def polars(path: Path) -> dict[str, list[Any]]:
    """The columns of a file as polars reads them."""
    read: dict[str, list[Any]] = pytest.importorskip("polars").read_parquet(path).to_dict(as_series=False)
    return read


@pytest.mark.parametrize("reader", [fastparquet, polars])
@pytest.mark.parametrize("rows", [slice(2), slice(0)], ids=["rows", "empty"])  # the third has a year beyond nanoseconds
def test_other_libraries_read_it(tmp_path: Path, reader: Callable[[Path], dict[str, list[Any]]], rows: slice) -> None:
    """Every type of column, with rows and without, has the same values and nulls in other readers of Parquet."""
    assert reader(write(tmp_path, samples().iloc[rows])) == {name: values[rows] for name, values in SAMPLES.items()}


@pytest.mark.parametrize("kind", TABLES, ids=lambda kind: kind.name)
def test_types_are_described_in_words_that_every_pandas_knows(tmp_path: Path, kind: Table) -> None:
    """Readers fail on a word they do not know (pandas before 2, fastparquet), and on a column that is left out."""
    path = write(tmp_path, empty_frame(kind, timezone="UTC"))
    columns = (pq.read_schema(path).pandas_metadata or {})["columns"]
    assert [column["name"] for column in columns] == list(kind.names)
    known = {"string", "object", "Int8", "Int32", "Int64", "datetime64[s]", "datetime64[ms]", "datetime64[ns]"}
    assert {column["numpy_type"] for column in columns} <= known


def test_a_table_without_rows_keeps_its_types(tmp_path: Path) -> None:
    """Every table is written, even without rows."""
    assert_frame_equal(pd.read_parquet(write(tmp_path, samples().iloc[:0])), as_read(samples().iloc[:0]))


def test_each_batch_is_a_row_group(tmp_path: Path) -> None:
    """A table is written piece by piece, so that memory does not grow with it; empty pieces leave no trace."""
    whole = samples()
    path = write(tmp_path, whole.iloc[:2], whole.iloc[2:2], whole.iloc[2:])
    assert_frame_equal(pd.read_parquet(path), as_read(whole))
    assert pq.ParquetFile(path).num_row_groups == 2


def with_dictionary(path: Path) -> set[str]:
    """The columns of a file that have a dictionary."""
    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(n) for n in range(group.num_columns)]
    return {column.path_in_schema for column in columns if column.has_dictionary_page}


def test_only_values_that_repeat_get_a_dictionary(tmp_path: Path) -> None:
    """Ids, times and replies are stored as they are, which is smaller."""
    for kind in TABLES:
        header, path = empty_frame(kind), tmp_path / f"{kind.name}.parquet"
        with ParquetWriter(path, header, WriteOptions(mostly_unique=kind.mostly_unique)) as file:
            file.write(header.reindex([0, 1]))
        assert with_dictionary(path) == set(kind.names) - kind.mostly_unique


def test_columns_of_any_shape_and_name_are_written(tmp_path: Path) -> None:
    """Nested columns of a user's own list, and dots in names; each with a dictionary."""
    for column in (pa.array([["a"], ["a", "b"]]), pa.array(["a", "a"])):
        path = write(tmp_path, make_frame(["a.b c"], [column]), name=f"{column.type}.parquet")
        assert len(with_dictionary(path)) == 1
        assert pq.read_table(path).to_pydict() == {"a.b c": column.to_pylist()}


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    """Nothing in the file depends on when or where it was written."""
    once, again = (write(tmp_path, samples(), samples(), name=name) for name in ("a.parquet", "b.parquet"))
    assert once.read_bytes() == again.read_bytes()


def test_a_column_of_nulls_keeps_its_type(tmp_path: Path) -> None:
    """A batch in which nobody has a website does not make it something else."""
    nothing = frame({kind: (kind, [None, None]) for kind in TYPES})
    assert_frame_equal(pd.read_parquet(write(tmp_path, nothing)), as_read(nothing))


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    """The file holds personal data."""
    assert stat.S_IMODE(write(tmp_path, samples()).stat().st_mode) == 0o600


def test_a_file_is_never_overwritten(tmp_path: Path) -> None:
    """Each file of a run is new."""
    path = write(tmp_path, samples())
    with pytest.raises(FileExistsError):
        ParquetWriter(path, samples().head(0), WriteOptions())


@settings(deadline=None)
@given(st.lists(st.tuples(STRINGS, STRINGS), max_size=5))
def test_texts_come_back_in_pandas_and_duckdb(folder: Path, rows: list[tuple[str | None, str | None]]) -> None:
    """Every character comes back, and a null is not an empty text."""
    path = write(folder, strings(a=[a for a, _ in rows], b=[b for _, b in rows]))
    read = [
        tuple(None if cell is pd.NA else cell for cell in row)
        for row in pd.read_parquet(path).itertuples(index=False, name=None)
    ]
    assert read == rows
    assert duckdb.read_parquet(str(path)).fetchall() == rows


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view()], ids=str)
def test_views_are_written_as_what_they_view(tmp_path: Path, kind: pa.DataType) -> None:
    """A file that names views, as other tools write them, cannot be read by pyarrow before 16."""
    column = pa.array(["a", None], pa.string()).cast(kind)
    table = pq.read_table(write(tmp_path, make_frame(["a"], [column])))
    assert table.schema.field("a").type in (pa.string(), pa.binary())
    assert table["a"].null_count == 1


@pytest.mark.parametrize(
    "kind",
    [pa.list_(pa.string()), pa.struct([("a", pa.int64())]), pa.dictionary(pa.int32(), pa.string()), pa.uuid()],
    ids=str,
)
def test_pandas_reads_types_that_it_cannot_name(tmp_path: Path, kind: pa.DataType) -> None:
    """Columns of a user's own list whose types have no name in pandas come back all the same, along with the others."""
    frame = make_frame(["odd", "id"], [pa.array([None, None], kind), pa.array([1, None])])
    read = pd.read_parquet(write(tmp_path, frame))
    assert read["odd"].isna().all()
    assert str(read["id"].dtype) == "Int64"


def test_columns_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    """Readers of Parquet find columns by name: the second `a` becomes `a.1`, unless that is taken."""
    columns = [pa.array([n]) for n in range(4)]
    read = pd.read_parquet(write(tmp_path, make_frame(["a", "a.1", "a", "a"], columns)))
    assert read.iloc[0].to_dict() == {"a": 0, "a.1": 1, "a.2": 2, "a.3": 3}

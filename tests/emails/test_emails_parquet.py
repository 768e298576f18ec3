from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from emails_lists import ANN, JIM, JOE, as_parquet, columns_of, listed, read_and_measure, refusal, write

from pipeline.emails.lists import RowCounts

if TYPE_CHECKING:
    from pathlib import Path

NAME = "list.parquet"


def test_the_email_column_is_found_by_name_or_content(tmp_path: Path) -> None:
    """As in a CSV file; null is an empty cell."""
    emails = listed(tmp_path, as_parquet({"id": [1, 2], "E-Mail": [JOE, None], "x": [[1], [2]]}), NAME)
    assert (list(emails.cells()), emails.rows) == ([JOE, ""], 2)
    assert list(listed(tmp_path, as_parquet({"id": [1, 2], "who": [JOE, JIM]}), NAME).cells()) == [JOE, JIM]
    refusal(listed(tmp_path, as_parquet({"a": [JOE], "b": [JIM]}), NAME), "--email-column", "'a', 'b'")


@pytest.mark.parametrize(
    ("values", "cells"),
    [
        (pa.array([JOE, None], pa.large_string()), [JOE, ""]),
        (pa.array([JOE, None], pa.string_view()), [JOE, ""]),
        (pa.array([JOE.encode(), None], pa.binary()), [JOE, ""]),
        (pa.array([JOE, JIM]).dictionary_encode(), [JOE, JIM]),
        (pa.array([1, None]), ["1", ""]),
        (pa.array([1.5, 2.0]), ["1.5", "2"]),
        (pa.array([True, False]), ["true", "false"]),
        (pa.nulls(2), ["", ""]),
    ],
)
def test_any_value_that_can_be_a_string_is_read(tmp_path: Path, values: pa.Array[Any], cells: list[str]) -> None:
    """A stated column is read, whatever its type."""
    table = pa.table({"x": values, "email": [JOE] * 2})
    assert list(listed(tmp_path, as_parquet(table), NAME, email_column="x").cells()) == cells


def test_values_that_cannot_be_strings_are_refused_when_chosen(tmp_path: Path) -> None:
    """Lists, objects and bytes that are not UTF-8; in other columns they do no harm."""
    for values in ([[JOE]], [{"a": JOE}]):
        content = as_parquet({"x": values, "email": [JOE]})
        refusal(listed(tmp_path, content, NAME, email_column="x"), "'x'", "strings")
        assert list(listed(tmp_path, content, NAME).cells()) == [JOE]
    content = as_parquet({"x": [b"\xff"], "email": [JOE]})
    refusal(listed(tmp_path, content, NAME, email_column="x"), "strings")
    assert list(listed(tmp_path, content, NAME).cells()) == [JOE]


def test_types_and_names_stay_untouched(tmp_path: Path) -> None:
    """A job that returns the file with more columns gets it unchanged: nested, categorical, with repeated names."""
    table = pa.Table.from_arrays(
        [
            pa.array(["007", None]),
            pa.array([[1, 2], None]),
            pa.array(["x", "y"]).dictionary_encode(),
            pa.array([JOE, JIM]),
            pa.array([ANN, ANN]),
            pa.array([1, 2], pa.timestamp("us", "UTC")),
        ],
        names=["id", "a.b", "", "email", "email", "when"],
    )
    emails = listed(tmp_path, as_parquet(table), NAME, email_column="5")
    assert pa.Table.from_batches(list(emails.batches())).equals(table)
    assert (list(emails.cells()), emails.row_counts()) == ([ANN, ANN], RowCounts(2, 6, 0, ()))
    assert emails.detected().columns == ("id", "a.b", "", "email", "email", "when")


def test_a_table_without_rows_or_columns(tmp_path: Path) -> None:
    """Columns alone are a list without rows; a file without columns is refused."""
    assert list(listed(tmp_path, as_parquet({"email": []}), NAME).cells()) == []
    refusal(listed(tmp_path, as_parquet({}), NAME), "columns")


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"email\njoe@example.com\n",
        lambda good: good[:-20],
        lambda good: good[:40] + bytes(100) + good[140:],
    ],
)
def test_damage_is_refused(tmp_path: Path, damage: Any) -> None:
    """With one sentence, whatever the library says."""
    good = as_parquet({"email": [f"p{n}@example.com" for n in range(900)]}, compression="zstd", use_dictionary=False)
    refusal(listed(tmp_path, damage(good), NAME), "Parquet", "damaged")


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """One row group of 300 megabytes is read a few thousand rows at a time, of one column."""
    file = io.BytesIO()
    block = pa.table({"email": [f"p{n}@example.com" for n in range(1_000)], "x": ["x" * 30_000] * 1_000})
    with pq.ParquetWriter(file, block.schema, use_dictionary=False, compression="none") as writer:
        writer.write_table(pa.concat_tables([block] * 10), row_group_size=10_000)
    path = write(tmp_path, file.getvalue(), NAME)
    for how in ("cells", "batches"):
        said, grown = read_and_measure(path, how)
        assert said == "10000"
        assert grown < 280, how  # whatever the size of the file; the library itself takes 70


def test_the_table_of_a_parquet_list_has_all_rows(tmp_path: Path) -> None:
    """In order, over row groups."""
    content = as_parquet({"email": [f"p{n}@example.com" for n in range(12_000)]}, row_group_size=7_000)
    emails = listed(tmp_path, content, NAME)
    _, rows = columns_of(emails)
    assert [row[0] for row in rows] == list(emails.cells()) == [f"p{n}@example.com" for n in range(12_000)]

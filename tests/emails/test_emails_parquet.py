from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from emails_lists import ANN, JIM, JOE, as_parquet, columns_of, listed, read_in_little_memory, refusal, write

from pipeline.emails.reader import Shape

if TYPE_CHECKING:
    from pathlib import Path

NAME = "list.parquet"
NO_TEXTS = "list.parquet: the values of the column 'x' are no texts."


def test_the_email_column_is_found_by_name_or_content(tmp_path: Path) -> None:
    """As in a CSV file; null is an empty cell."""
    emails = listed(tmp_path, as_parquet({"id": [1, 2], "E-Mail": [JOE, None], "x": [[1], [2]]}), NAME)
    assert (list(emails.cells()), emails.rows) == ([JOE, ""], 2)
    assert list(listed(tmp_path, as_parquet({"id": [1, 2], "who": [JOE, JIM]}), NAME).cells()) == [JOE, JIM]
    said = refusal(listed(tmp_path, as_parquet({"a": [JOE], "b": [JIM]}), NAME))
    assert said.startswith("list.parquet: several columns could hold the addresses;")


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
def test_any_value_that_can_be_a_text_is_read(tmp_path: Path, values: pa.Array[Any], cells: list[str]) -> None:
    """The user's word counts: a stated column is read, whatever its type."""
    table = pa.table({"x": values, "email": [JOE] * 2})
    assert list(listed(tmp_path, as_parquet(table), NAME, email_column="x").cells()) == cells


def test_values_that_are_no_texts_are_refused_when_chosen(tmp_path: Path) -> None:
    """Lists, objects and bytes that are no UTF-8; beside the email column they do no harm."""
    for values in ([[JOE]], [{"a": JOE}]):
        content = as_parquet({"x": values, "email": [JOE]})
        assert refusal(listed(tmp_path, content, NAME, email_column="x")) == NO_TEXTS
        assert list(listed(tmp_path, content, NAME).cells()) == [JOE]
    content = as_parquet({"x": [b"\xff"], "email": [JOE]})
    said = refusal(listed(tmp_path, content, NAME, email_column="x"))
    assert said == "list.parquet: there are values that are no texts in the email column."
    assert list(listed(tmp_path, content, NAME).cells()) == [JOE]


def test_types_and_names_stay_untouched(tmp_path: Path) -> None:
    """A job that gives the same file back gets it as it was: nested, categorical, twice the same name."""
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
    assert (list(emails.cells()), emails.shape()) == ([ANN, ANN], Shape(2, 6, 0, ()))
    assert emails.detected().columns == ("id", "a.b", "", "email", "email", "when")


def test_a_table_without_rows_or_columns(tmp_path: Path) -> None:
    """Columns alone are a list without rows; without columns it is none."""
    assert list(listed(tmp_path, as_parquet({"email": []}), NAME).cells()) == []
    assert refusal(listed(tmp_path, as_parquet({}), NAME)) == "list.parquet: there is no column."


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda _: b"", "the list is empty."),
        (lambda _: b"email\njoe@example.com\n", "this is no Parquet file, or it is damaged."),
        (lambda good: good[:-20], "this is no Parquet file, or it is damaged."),
        (lambda good: good[:40] + bytes(100) + good[140:], "the Parquet file is damaged."),
    ],
)
def test_damage_is_refused(tmp_path: Path, damage: Any, message: str) -> None:
    """In one sentence, whatever the library says."""
    good = as_parquet({"email": [f"p{n}@example.com" for n in range(900)]}, compression="zstd", use_dictionary=False)
    assert refusal(listed(tmp_path, damage(good), NAME)) == f"list.parquet: {message}"


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """One row group of 300 megabytes is read a few thousand rows at a time, of one column."""
    file = io.BytesIO()
    block = pa.table({"email": [f"p{n}@example.com" for n in range(1_000)], "x": ["x" * 30_000] * 1_000})
    with pq.ParquetWriter(file, block.schema, use_dictionary=False, compression="none") as writer:
        writer.write_table(pa.concat_tables([block] * 10), row_group_size=10_000)
    path = write(tmp_path, file.getvalue(), NAME)
    for how in ("cells", "batches"):
        said, grown = read_in_little_memory(path, how)
        assert said == "10000"
        assert grown < 280, how  # whatever the size of the file; the library itself takes 70


def test_the_table_of_a_parquet_list_has_all_rows(tmp_path: Path) -> None:
    """In order, over row groups."""
    content = as_parquet({"email": [f"p{n}@example.com" for n in range(12_000)]}, row_group_size=7_000)
    emails = listed(tmp_path, content, NAME)
    _, rows = columns_of(emails)
    assert [row[0] for row in rows] == list(emails.cells()) == [f"p{n}@example.com" for n in range(12_000)]

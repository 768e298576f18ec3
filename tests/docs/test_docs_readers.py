"""What the examples that load tables give for values and names that readers like to take for something else."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from docs_pages import DOCS, fences

from pipeline.files.output_format import WriteOptions, load_format
from pipeline.tables.flatten import flatten

if TYPE_CHECKING:
    from pathlib import Path

    from docs_pages import Fence

PAGE = DOCS / "tables.md"
WORDS = ["NA", "null", "None", "nan", "N/A", "007", "1e5", "TRUE", "-", "#N/A", "", "null"]
"""Cities of leads; only the empty one is missing."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a published run, as far as the examples read it: the table `leads` of these cities."""
    latest = tmp_path / "export" / "latest"
    latest.mkdir(parents=True)
    details = ({"id": str(n), "email": f"p{n}@example.com", "city": word, "zip": word} for n, word in enumerate(WORDS))
    leads = flatten([json.dumps({"status": "Success", "lead_details": one}).encode() for one in details]).leads
    for name in ("csv", "parquet"):
        with load_format(name).open(latest / f"leads.{name}", leads.head(0), WriteOptions()) as file:
            file.write(leads)
    return tmp_path


def example(words: str) -> Fence:
    """The example that holds these words."""
    return next(fence for fence in fences(PAGE) if words in fence.code)


def query(code: str, folder: Path) -> list[tuple[Any, ...]]:
    """The rows that DuckDB finds, with paths relative to `folder`."""
    with duckdb.connect() as connection:
        connection.execute(f"set file_search_path = '{folder}'")
        rows: list[tuple[Any, ...]] = connection.execute(code).fetchall()
        return rows


def test_pandas_keeps_words_that_look_missing(folder: Path) -> None:
    """In the example for CSV, Namibia's code and people called None stay; only empty cells are missing."""
    names: dict[str, Any] = {}
    with contextlib.chdir(folder):
        exec(example('read_csv("export').code, names)  # noqa: S102 - code of our own pages
    assert names["leads"]["city"].fillna("missing").tolist() == [word or "missing" for word in WORDS]


def test_duckdb_keeps_words_that_look_missing(folder: Path) -> None:
    """So does its example for CSV."""
    read = query(example("all_varchar").code, folder)
    assert [city for _, city in read] == [word or None for word in WORDS]


@pytest.mark.parametrize("timezone", [None, "EST"])
def test_who_bought_last_month_in_any_spelling(folder: Path, timezone: str | None) -> None:
    """The example counts sales and rebills however they are spelt, of last month and of no other."""
    now = datetime.now(UTC)
    this_month = now.replace(day=1)
    last_month, before = ((this_month - timedelta(days=days)).replace(day=9) for days in (1, 40))
    cases = (
        *(("yes", kind, last_month) for kind in ("Sale", "sale", " SALE", "Rebill", "REBILL", "re-bill")),
        *(("no", kind, last_month) for kind in ("Refund", "Chargeback", "Presale", "sales call")),
        *(("no", "Sale", moment) for moment in (before, now + timedelta(days=1))),
    )
    replies = [
        json.dumps(
            {
                "status": "Success",
                "lead_details": {
                    "id": str(number),
                    "email": f"{expected}{number}@example.com",
                    "transactions": [{"transaction_type": kind, "transaction_date": f"{moment:%Y-%m-%d} 12:00:00"}],
                },
            }
        ).encode()
        for number, (expected, kind, moment) in enumerate(cases)
    ]
    transactions = flatten(replies, timezone=timezone).transactions
    path = folder / "export" / "latest" / "transactions.parquet"
    with load_format("parquet").open(path, transactions.head(0), WriteOptions()) as file:
        file.write(transactions)
    found = query(example("IN ('sale', 'rebill')").code, folder)
    assert sorted(row[0] for row in found) == [f"yes{number}@example.com" for number in range(6)]
    assert {row[1] for row in found} == {1}


@pytest.mark.parametrize("run_id", ["20261123", "2026-11-23", "007", "20261123T020000Z"])
def test_names_of_runs_stay_names(folder: Path, run_id: str) -> None:
    """The example over all runs gives a name as it was given, even if all names read as numbers or dates."""
    (folder / "export" / "latest").rename(folder / "export" / f"run={run_id}")
    assert query(example("run=*").code, folder) == [(run_id, len(WORDS))]

"""Tables from replies, in one of four ways; prints what the second of two passes took, in seconds, and the rows.

    python benchmarks/peers/tables.py ours|pandas|duckdb-file|duckdb-arrow FILE

FILE has a reply on each line. All but `duckdb-file`, which reads the file in its pass, have the replies in memory
before the clock starts. The first pass is not counted: it imports, compiles and warms up.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tidied import COLLECTIONS, tidied

from pipeline.schema import LEADS

TRANSACTION = ("id", "product_name", "transaction_type", "transaction_date")
Pass = Callable[[], tuple[int, ...]]


def ours(path: Path) -> Pass:
    """Seven tables, with numbers and dates as such."""
    import pipeline

    bodies = path.read_bytes().splitlines()

    def once() -> tuple[int, ...]:
        frames = pipeline.flatten(bodies)
        return len(frames.leads), len(frames.tags), len(frames.transactions)

    return once


def pandas(path: Path) -> Pass:
    """Three tables of strings."""
    import pandas as pd

    bodies = path.read_bytes().splitlines()

    def once() -> tuple[int, ...]:
        leads = [tidied(json.loads(body)["lead_details"]) for body in bodies]
        table = pd.json_normalize(leads).drop(columns=list(COLLECTIONS))
        tags = pd.json_normalize(leads, "tags", ["id", "email"], meta_prefix="lead_")
        transactions = pd.json_normalize(leads, "transactions", ["id", "email"], meta_prefix="lead_")
        return len(table), len(tags), len(transactions)

    return once


def struct() -> str:
    """What DuckDB is to read of `lead_details`; told beforehand, it has neither to guess nor to read the rest."""
    scalars = ", ".join(f"{name} VARCHAR" for name in (column.source_key for column in LEADS.api_columns))
    transaction = ", ".join(f"{name} VARCHAR" for name in TRANSACTION)
    return f"STRUCT({scalars}, tags STRUCT(tag_name VARCHAR)[], transactions STRUCT({transaction})[])"


def duckdb_tables(connection: Any, source: str, **views: Any) -> tuple[int, ...]:  # noqa: ANN401 - DuckDB has no types here
    """Three Arrow tables of strings: parsed once, then split."""
    for name, view in views.items():
        connection.register(name, view)
    connection.sql(f"CREATE OR REPLACE TEMP TABLE replies AS SELECT unnest(lead) FROM ({source})")
    queries = (
        f"SELECT {', '.join(column.source_key for column in LEADS.api_columns)} FROM replies",
        "SELECT id AS lead_id, email, unnest(tags, recursive := true) FROM replies",
        "SELECT r.id AS lead_id, email, t.* FROM replies r, unnest(transactions) AS u(t)",
    )
    return tuple(connection.sql(query).to_arrow_table().num_rows for query in queries)


def duckdb_file(path: Path) -> Pass:
    """`read_json` of the file."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1})
    source = (
        f"SELECT lead_details AS lead FROM read_json('{path}', format = 'newline_delimited',"
        f" columns = {{lead_details: '{struct()}'}}, maximum_object_size = 16777216)"
    )
    return lambda: duckdb_tables(connection, source)


def duckdb_arrow(path: Path) -> Pass:
    """`from_json` of an Arrow column."""
    import duckdb
    import pyarrow as pa

    connection = duckdb.connect(config={"threads": 1})
    bodies = path.read_bytes().splitlines()
    shape = json.dumps({"lead_details": "?"}).replace('"?"', json_struct())
    source = f"SELECT from_json(body, '{shape}').lead_details AS lead FROM given"
    return lambda: duckdb_tables(connection, source, given=pa.table({"body": pa.array(bodies, pa.string())}))


def json_struct() -> str:
    """The same as `struct`, in the words of `from_json`."""
    names: dict[str, Any] = dict.fromkeys((column.source_key for column in LEADS.api_columns), "VARCHAR")
    names |= {"tags": [{"tag_name": "VARCHAR"}], "transactions": [dict.fromkeys(TRANSACTION, "VARCHAR")]}
    return json.dumps(names)


WAYS: dict[str, Callable[[Path], Pass]] = {
    "ours": ours,
    "pandas": pandas,
    "duckdb-file": duckdb_file,
    "duckdb-arrow": duckdb_arrow,
}

if __name__ == "__main__":
    run = WAYS[sys.argv[1]](Path(sys.argv[2]))
    run()
    began, cpu_began = time.perf_counter(), time.process_time()
    rows = run()
    seconds = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - cpu_began}
    print(json.dumps(seconds | {"rows": rows}))

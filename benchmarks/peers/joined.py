"""What DuckDB takes to find the differences between the published tables of two nights; prints CPU seconds as JSON.

    python benchmarks/peers/joined.py FOLDER

A row of the leads is compared by its id, cell by cell; other rows as a whole, as multisets, without their position.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import duckdb

ITEMS = ("tags", "transactions", "lists", "sequences", "memberships", "custom_fields")


def table(run: Path, name: str) -> str:
    """A table of a run, without the column that DuckDB would make of the name of its folder."""
    return f"read_parquet('{run}/{name}.parquet', hive_partitioning = false)"


def main() -> None:
    """Write the differences to one file for each table."""
    root = Path(sys.argv[1])
    old, new = root / "out" / "run=night0", root / "staging"
    began = time.process_time()
    with duckdb.connect() as db:
        db.execute("SET threads = 1")
        columns = [row[0] for row in db.execute(f"DESCRIBE FROM {table(new, 'leads')}").fetchall()]
        compared = [name for name in columns if name not in ("requested_email", "fetched_at")]
        differs = " OR ".join(f"old.{name} IS DISTINCT FROM new.{name}" for name in compared)
        db.execute(
            f"COPY (SELECT old, new FROM {table(old, 'leads')} old FULL JOIN {table(new, 'leads')} new"
            f" USING (requested_email) WHERE {differs}) TO '{root}/leads.joined.parquet'"
        )
        for name in ITEMS:
            sides = [f"SELECT * EXCLUDE (position) FROM {table(run, name)}" for run in (old, new)]
            for number, (one, other) in enumerate((sides, sides[::-1])):
                target = root / f"{name}.{number}.joined.parquet"
                db.execute(f"COPY (({one}) EXCEPT ALL ({other})) TO '{target}'")
    print(json.dumps({"join": time.process_time() - began}))


if __name__ == "__main__":
    main()

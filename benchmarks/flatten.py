"""From raw replies to tables: all seven of lead-export's, compared with three made in other ways, on one core.

    python benchmarks/flatten.py [--replies 20000] [--runs 5]

Every pass is the second one in a process of its own, without its start and its imports. DuckDB is measured both from a
file and from an Arrow column, because which of the two is faster depends on its version; compare with the faster one.
"""

from __future__ import annotations

import itertools
import json
from collections import defaultdict

from common import HERE, PYTHON, Usage, arguments, checked, measure, median, print_table, scratch

WAYS = {
    "ours": "pipeline.flatten, 7 tables",
    "pandas": "json_normalize, 3 tables",
    "duckdb-file": "DuckDB read_json, 3 tables",
    "duckdb-arrow": "DuckDB from_json, 3 tables",
}


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, replies=20_000, runs=5)
    usages: dict[str, list[Usage]] = defaultdict(list)
    with scratch() as folder:
        file = folder / "replies.ndjson"
        checked(measure([PYTHON, HERE / "peers" / "replies.py", str(options.replies), file]), "making the replies")
        for _, way in itertools.product(range(options.runs), WAYS):
            usages[way].append(checked(measure([PYTHON, HERE / "peers" / "tables.py", way, file]), way))
    results = {way: [json.loads(usage.output) for usage in runs] for way, runs in usages.items()}
    if len({str(result["rows"]) for runs in results.values() for result in runs}) > 1:
        raise SystemExit(f"the tables differ: { {way: runs[0]['rows'] for way, runs in results.items()} }")
    seconds = {way: median(result["seconds"] for result in runs) for way, runs in results.items()}
    print(f"{options.replies:,} replies, median of {options.runs} runs, one core\n")
    print_table(
        ("", "seconds", "replies/s", "ours/theirs", "peak MiB"),
        (
            (
                name,
                f"{seconds[way]:.2f}",
                f"{options.replies / seconds[way]:,.0f}",
                f"{seconds['ours'] / seconds[way]:.2f}",
                f"{median(usage.peak_mib for usage in usages[way]):.0f}",
            )
            for way, name in WAYS.items()
        ),
    )


if __name__ == "__main__":
    main()

"""Published runs of any size to report on, made from columns rather than from calls, and the attempts before them."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.files.folder import OutputFolder
from pipeline.files.output_format import FileInfo
from pipeline.jobs.call_facts import CallRate, CallTotals, Speed, Spell, Trouble
from pipeline.jobs.manifest import InputList, Manifest, Tool
from pipeline.jobs.manifest_counts import DriftCounts, RowCounts
from pipeline.jobs.manifest_files import PublishedFile, PublishedTable
from pipeline.outcomes import iso
from pipeline.reporters.history import Attempt, append
from pipeline.schema import LEAD_TABLES, OUTCOMES
from pipeline.settings import Settings
from pipeline.tables.frames import arrow_schema

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.columns import Table

START_MS = 1_795_485_600_000
"""2026-11-24, 02:00 UTC."""
DAY_MS = 86_400_000
SHARES = {"found": 0.93, "not_found": 0.04, "deleted": 0.004, "failed": 0.006, "invalid": 0.008, "duplicate": 0.012}
ENDS = (0, 0, 0, 3, 0, 0, 5, 0, 0, 0, 0, None, 0, 3, 0)
"""Exit codes of the attempts before, again and again."""


def published(root: Path, rows: int, *, leads: int | None = None, attempts: int = 29) -> Path:
    """Publish a run with that many rows at 17 a second, with an outage and 429s; return its folder.

    Tables of leads have as many rows as were found unless `leads` is another number.
    """
    folder = OutputFolder(root)
    folder.state.check_writable()
    append(folder.state.path, *(attempt(number, rows) for number in range(attempts, 0, -1)))
    with folder.staging("20261124T020000Z") as staging:
        counts = {name: round(rows * share) for name, share in SHARES.items()}
        counts["found"] += rows - sum(counts.values())
        tables = {OUTCOMES.name: _write(staging, OUTCOMES, _outcomes(counts))}
        for table in LEAD_TABLES:
            tables[table.name] = _write(staging, table, _cells(table, counts["found"] if leads is None else leads))
        manifest = _manifest(rows, counts, tables)
        path = folder.publish(staging, manifest.run_id, manifest.to_dict())
    folder.switch_latest_to(manifest.run_id)
    return path


def attempt(days_ago: int, rows: int) -> Attempt:
    """An attempt at another night."""
    code = ENDS[days_ago % len(ENDS)]
    is_published = code in (0, 3)
    found = int(rows * (0.9 - 0.004 * days_ago)) if is_published else rows // 3 if code else 0
    start = START_MS - days_ago * DAY_MS
    return Attempt(
        attempt_id=str(uuid.UUID(int=days_ago)),
        command="run",
        started_at=iso(start),
        ended_at=None if code is None else iso(start + 60_000),
        exit_code=code,
        is_success=is_published,
        version="0.1.0",
        duration_s=found / 17,
        rows={"read": rows, "found": found, "failed": rows // 200 if code else 0},
    )


def _manifest(rows: int, counts: Mapping[str, int], tables: Mapping[str, PublishedTable], **changes: Any) -> Manifest:
    seconds = max(1.0, rows / 17)
    fields: dict[str, Any] = {
        "manifest_version": 1,
        "run_id": "20261124T020000Z",
        "status": "complete_with_failures",
        "tool": Tool("lead-export", "0.1.0"),
        "started_at": iso(START_MS),
        "finished_at": iso(START_MS + round(seconds * 1040)),
        "duration_s": round(seconds * 1.04, 3),
        "input": [InputList("customers.csv", rows, "ab" * 32)],
        "rows": RowCounts.of(counts),
        "codes": {
            "failed": {"timeout": counts["failed"] - counts["failed"] // 3, "http_502": counts["failed"] // 3},
            "invalid": {"no_at": counts["invalid"]},
        },
        "calls": CallTotals(round(rows * 1.02), counts["found"], round(rows * 0.02), 60, 14, 0),
        "rate": CallRate(18.0, 17.04),
        "speed": Speed("limit-bound", {"limiter": 0.79, "network": 0.03, "backoff": 0.14, "journal": 0.01}),
        "settings": Settings(concurrency=20, keep_runs=31, formats=("parquet", "csv")).public(),
        "tables": dict(tables),
        "drift": DriftCounts(
            {"leads.loyalty_tier": rows // 2, "leads.surveys": rows // 90, "tags.colour": 7},
            {"leads.score": 12, "transactions.transaction_date": 3},
        ),
        "trouble": Trouble(
            [_spell(seconds, 0.30, 0.31, 34), _spell(seconds, 0.74, 0.745, 26)], [_spell(seconds, 0.52, 0.58, 1)]
        ),
    }
    return Manifest(**{**fields, **changes})


def _spell(seconds: float, since: float, until: float, times: int) -> Spell:
    return Spell(iso(START_MS + round(seconds * since * 1000)), iso(START_MS + round(seconds * until * 1000)), times)


def _outcomes(counts: Mapping[str, int]) -> pa.Table:
    """Rows in the order of the counts, answered over the time with gaps where trouble was."""
    rows = sum(counts.values())
    dice = np.random.default_rng(7)
    at = dice.random(rows)
    at = np.where((at > 0.52) & (at < 0.58), dice.random(rows) * 0.5, at)
    at = np.where((at > 0.30) & (at < 0.31), dice.random(rows) * 0.2, at)
    moments = START_MS + np.round(np.sort(at) * max(1.0, rows / 17) * 1000).astype(np.int64)
    outcome = np.repeat(list(counts), list(counts.values()))
    dice.shuffle(outcome)
    asked = ~np.isin(outcome, ["invalid"])
    columns: dict[str, pa.Array[Any]] = {
        "outcome": pa.array(outcome, pa.string()),
        "answered_at": pa.array(np.where(asked, moments, 0), pa.timestamp("ms", "UTC"), mask=~asked),
        "row": pa.array(np.arange(1, rows + 1), pa.int64()),
    }
    schema = arrow_schema(OUTCOMES)
    cells = [
        columns[field.name].cast(field.type) if field.name in columns else pa.nulls(rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(cells, schema=schema)


def _cells(table: Table, rows: int) -> pa.Table:
    """Columns that are filled in some share of the rows, from all to none."""
    schema, number = arrow_schema(table), np.arange(rows)
    cells = []
    for nth, field in enumerate(schema):
        empty = number % max(1, len(schema) - 6) < nth - 5
        values = pa.array(np.ones(rows, np.int64), mask=empty)
        cells.append(values.cast(field.type))
    return pa.Table.from_arrays(cells, schema=schema)


def _write(folder: Path, table: Table, content: pa.Table) -> PublishedTable:
    path = folder / f"{table.name}.parquet"
    pq.write_table(content, path, compression="zstd", row_group_size=20_000)
    return PublishedTable([PublishedFile(*FileInfo.of(path, content.num_rows))])

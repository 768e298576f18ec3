"""The manifest of a run from which people were erased."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from pipeline.jobs.freshness import KnownAnswer
from pipeline.jobs.manifest import Manifest, status_of
from pipeline.outcomes import CONCLUSIVE, Outcome
from pipeline.privacy.reading import batches

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pipeline.jobs.freshness import Freshness
    from pipeline.jobs.manifest_counts import DriftCounts, RowCounts
    from pipeline.jobs.manifest_files import PublishedTable
    from pipeline.jobs.odd_rows import OddRows
    from pipeline.jobs.purge_note import PurgeNote
    from pipeline.journal.rows import FailedLine, OddRow

_COLUMNS = ("input", "row", "outcome", "code")
_DATE = "answered_at"  # which may be left out or hashed


class ErasedRows:
    """What the rows of a run were that are erased from it.

    Args:
        outcomes: the table `outcomes` as it was, in any format; None if it is there no more.
        erased: the numbers of the rows in it, from 0.
    """

    def __init__(self, outcomes: Path | None, erased: Collection[int]) -> None:
        self.counts: Counter[tuple[str, str | None]] = Counter()
        self.places: set[tuple[str, int]] = set()
        self.failed: list[int] = []
        self.answers: list[KnownAnswer] = []
        self.oldest_ms: int | None = None
        first = failed = 0
        for batch in batches(outcomes, (*_COLUMNS, _DATE)) if outcomes else ():
            rows = zip(*(batch.column(name).to_pylist() for name in _COLUMNS), _dates_ms(batch), strict=True)
            for number, (name, row, outcome, code, at_ms) in enumerate(rows, first):
                if number in erased:
                    self.counts[outcome, code or None] += 1
                    self.places.add((name, int(row)))
                    self.answers.append(KnownAnswer(outcome, code, at_ms))
                    if outcome == Outcome.FAILED:
                        self.failed.append(failed)
                elif outcome in CONCLUSIVE and at_ms is not None:
                    self.oldest_ms = at_ms if self.oldest_ms is None else min(at_ms, self.oldest_ms)
                failed += outcome == Outcome.FAILED
            first += batch.num_rows

    def rows(self, before: RowCounts) -> RowCounts:
        """The rows by outcome without them."""
        counts = before.by_outcome()
        for (outcome, _), count in self.counts.items():
            counts[outcome] = counts.get(outcome, 0) - count
            counts[Outcome.ERASED] = counts.get(Outcome.ERASED, 0) + count
        return msgspec.structs.replace(before, **{name: count for name, count in counts.items() if count is not None})

    def freshness(self, before: Freshness | None, started_at: str) -> Freshness | None:
        """How old the answers are without theirs."""
        return before and before.without(self.answers, started_at=started_at, oldest_ms=self.oldest_ms)

    def codes(self, before: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
        """The codes by outcome without them."""
        left = {
            outcome: {code: count - self.counts[outcome, code] for code, count in codes.items()}
            for outcome, codes in before.items()
        }
        some = {outcome: {code: count for code, count in codes.items() if count} for outcome, codes in left.items()}
        return {outcome: codes for outcome, codes in some.items() if codes}

    def first_failed(self, before: list[FailedLine] | None) -> list[FailedLine] | None:
        """The first rows that failed without them: the n-th one named is the n-th one in the table."""
        gone = set(self.failed)
        return [line for number, line in enumerate(before or ()) if number not in gone] or None

    def odd_rows(self, before: OddRows | None) -> OddRows | None:
        """The rows to look at without them."""
        if before is None:
            return None
        suspicious, invalid = (self._left(rows) for rows in (before.first_suspicious, before.first_invalid))
        gone = len(before.first_suspicious) - len(suspicious)
        return msgspec.structs.replace(
            before, suspicious=before.suspicious - gone, first_suspicious=suspicious, first_invalid=invalid
        )

    def _left(self, rows: list[OddRow]) -> list[OddRow]:
        return [row for row in rows if (row.input, row.row) not in self.places]


def _dates_ms(batch: pa.RecordBatch) -> list[int | None]:
    """When each answer of `outcomes` was given, in milliseconds since 1970 UTC; None where nobody can tell."""
    if _DATE not in batch.schema.names:
        return [None] * batch.num_rows
    column = batch.column(_DATE)
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.int64()).to_pylist()
    return [_ms(text) for text in column.to_pylist()]


def _ms(text: str | None) -> int | None:
    try:
        moment = datetime.fromisoformat(text or "")
    except ValueError:  # there is none, or only its hash
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


def purged_manifest(
    before: Manifest,
    erased: ErasedRows,
    tables: dict[str, PublishedTable],
    note: PurgeNote,
    drift: DriftCounts | None = None,
) -> Manifest:
    """The manifest without the rows that are erased, with these tables and a note of the purge."""
    rows, codes = erased.rows(before.rows), erased.codes(before.codes)
    freshness = erased.freshness(before.freshness, before.started_at)
    fields: dict[str, Any] = {
        "status": status_of(rows.by_outcome(), codes, freshness),
        "freshness": freshness,
        "rows": rows,
        "codes": codes,
        "tables": tables,
        "report": None,
        "first_failed": erased.first_failed(before.first_failed),
        "odd_rows": erased.odd_rows(before.odd_rows),
        "generation": before.generation + 1,
        "purged": [*(before.purged or ()), note],
        "drift": drift or before.drift,
    }
    return msgspec.structs.replace(before, **fields)


def recounted(facts: Mapping[str, Any], changes: Path) -> dict[str, Any]:
    """What a manifest says about the changes since the run before, with the rows of the table that are left."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in batches(changes, ("table_name", "change")):
        counts.update(zip(*(batch.column(name).to_pylist() for name in ("table_name", "change")), strict=True))
    before = facts.get("tables") or {}
    left = {table: {change: counts[table, change] for change in kinds} for table, kinds in before.items()}
    some = {table: {change: count for change, count in kinds.items() if count} for table, kinds in left.items()}
    tables = {table: kinds for table, kinds in some.items() if kinds}
    changed = {**facts, "rows": counts.total(), "tables": tables}
    return changed if tables else {key: value for key, value in changed.items() if key != "tables"}

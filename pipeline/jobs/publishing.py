"""From kept answers to files: every table, batch by batch, checked against the tally before anybody sees it."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline.errors import InternalError
from pipeline.files.table import TableFiles, openers
from pipeline.jobs.segments import found, gather_all, workers_for
from pipeline.outcomes import Outcome
from pipeline.replies.lenient import Drift
from pipeline.schema import LEAD_TABLES, LEADS, OUTCOMES, REPLIES
from pipeline.tables.arrow import arrow_schema
from pipeline.tables.records import (
    FAILURE_SCHEMA,
    OUTCOME_SCHEMA,
    REPLY_SCHEMA,
    failure_table,
    outcome_table,
    reply_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pyarrow as pa

    from pipeline.files.table import FileInfo
    from pipeline.outcomes import Answer, RowOutcome
    from pipeline.settings import Format, Settings
    from pipeline.tables.gather import Gathered

logger = logging.getLogger(__name__)
T = TypeVar("T")

FAILURES = "failures"
_ROWS = 20_000


class Records(Protocol):
    """What tables are made of: a journal, or a published run that kept its replies."""

    def rows_read(self) -> int:
        """Rows of all lists together."""

    def count_answered(self) -> int:
        """Distinct addresses with an answer other than `failed`."""

    def answers(self) -> Iterator[Answer]:
        """Every answer in the order of the addresses' first appearance."""

    def row_outcomes(self) -> Iterator[RowOutcome]:
        """Every row of the lists, in order, with what it ended as."""


@dataclass(slots=True)
class Published:
    """What was written: rows by outcome, files by table, and how the replies drifted."""

    rows: Counter[str] = field(default_factory=Counter)
    tables: dict[str, list[FileInfo]] = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)


def write_tables(records: Records, settings: Settings, folder: Path) -> Published:
    """Write every table of the run into `folder`.

    Raises:
        InternalError: rows do not add up, an answer that counts as found gave no row, or a child row has no lead.
        StorageError: the records cannot be read, or a table cannot be written.
    """
    published = Published()
    _write_answers(records, settings, folder, published)
    _write_outcomes(records, settings, folder, published)
    _check(records, published)
    return published


def _write_answers(records: Records, settings: Settings, folder: Path, published: Published) -> None:
    """The tables of the leads, and `replies`, in one pass over the answers."""
    with ExitStack() as stack:
        files = {
            table.name: stack.enter_context(_open(folder, table.name, arrow_schema(table, settings.timezone), settings))
            for table in LEAD_TABLES
        }
        if settings.keep_replies:
            files[REPLIES.name] = stack.enter_context(_open(folder, REPLIES.name, REPLY_SCHEMA, settings, "parquet"))
        batches = _batches(records.answers(), settings.batch_leads)
        workers = workers_for(records.count_answered())
        for batch, gathered in gather_all(batches, timezone=settings.timezone, workers=workers):
            _check_batch(gathered, len(found(batch)))
            published.drift.add(gathered.drift)
            for name, table in gathered.tables.items():
                files[name].write(table)
            if settings.keep_replies:
                files[REPLIES.name].write(reply_table(batch))
    for name, file in files.items():
        published.tables[name] = file.infos()


def _write_outcomes(records: Records, settings: Settings, folder: Path, published: Published) -> None:
    # Rebuilding needs them to the letter, which CSV does not give.
    formats = tuple(dict.fromkeys([*settings.formats, "parquet"])) if settings.keep_replies else settings.formats
    with _open(folder, OUTCOMES.name, OUTCOME_SCHEMA, settings, *formats) as file, ExitStack() as stack:
        failures: TableFiles | None = None
        for batch in _batches(records.row_outcomes(), _ROWS):
            outcomes = outcome_table(batch)
            file.write(outcomes)
            rows = Counter(row.outcome for row in batch)
            published.rows.update(rows)
            if rows[Outcome.FAILED]:
                if failures is None:
                    failures = stack.enter_context(_open(folder, FAILURES, FAILURE_SCHEMA, settings, "csv"))
                _write_failures(failures, failure_table(outcomes))
    published.tables[OUTCOMES.name] = file.infos()
    if failures is not None:
        published.tables[FAILURES] = failures.infos()


def _write_failures(file: TableFiles, failed: pa.Table) -> None:
    file.write(failed)
    for row in failed.select(["input", "row", "code"]).to_pylist():
        logger.info("%s, row %d: failed (%s)", row["input"], row["row"], row["code"])


def _open(folder: Path, name: str, schema: pa.Schema, settings: Settings, *formats: Format) -> TableFiles:
    """A new table in these formats, or in those of the settings."""
    chosen = settings.model_copy(update={"formats": formats}) if formats else settings
    return TableFiles(folder, name, schema, openers(chosen))


def _check_batch(gathered: Gathered, leads: int) -> None:
    """See that every answer is a lead, and every other row belongs to one of these leads and has its keys."""
    table = gathered.tables[LEADS.name]
    if len(table) != leads:
        raise InternalError("A reply that counts as found cannot be flattened; please report this.")
    for name, parents in gathered.parents.items():
        rows, keys = gathered.tables[name], table.select(["id", "email"]).take(parents)
        if not rows.select(["lead_id", "email"]).rename_columns(["id", "email"]).equals(keys):
            raise InternalError(f"A row of {name} does not belong to its lead; please report this.")


def _check(records: Records, published: Published) -> None:
    """See that every row read is accounted for, and every found address is a lead."""
    read = records.rows_read()
    known = {outcome.value for outcome in Outcome}
    if published.rows.total() != read or not known.issuperset(published.rows):
        raise InternalError(f"{read} rows were read, but {dict(published.rows)} came out; please report this.")
    if published.tables[OUTCOMES.name][0].rows != read:
        raise InternalError(f"{read} rows were read, but {OUTCOMES.name} has another number; please report this.")
    leads = published.tables[LEADS.name][0].rows
    if leads != published.rows[Outcome.FOUND]:
        raise InternalError(f"{published.rows[Outcome.FOUND]} found, but {leads} leads; please report this.")


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch

"""From kept answers to files: every table, batch by batch, checked against the tally before anybody sees it."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import InternalError
from pipeline.files.output_format import WriteOptions
from pipeline.files.table_writer import TableWriter
from pipeline.jobs.batches import LeadBatches, OutcomeBatches
from pipeline.jobs.workers import open_pool
from pipeline.outcomes import Outcome
from pipeline.replies.drift import Drift
from pipeline.schema import LEAD_TABLES, LEADS, OUTCOMES, REPLIES, TABLES
from pipeline.tables.columns import empty_frame
from pipeline.tables.records import FAILURE_COLUMNS, failure_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from pipeline.files.table_writer import FileInfo
    from pipeline.jobs.batches import Batch, Sliceable
    from pipeline.outcomes import Answer, RowOutcome
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

FAILURES = "failures"
_ROWS = 20_000
_MOSTLY_UNIQUE = {table.name: table.mostly_unique for table in TABLES}


class Records(Protocol):
    """What tables are made of: a journal, or a published run that kept its replies."""

    def rows_read(self) -> int:
        """Rows of all lists together."""

    def answers(self) -> Sliceable[Answer]:
        """Every answer in the order of the addresses' first appearance."""

    def rows(self) -> Sliceable[RowOutcome]:
        """Every row of the lists, in order, with what it ended as."""


@dataclass(slots=True)
class Published:
    """What was written: rows by outcome, files by table, and how the replies drifted."""

    rows: Counter[str] = field(default_factory=Counter)
    tables: dict[str, list[FileInfo]] = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)


def write_tables(records: Records, settings: Settings, folder: Path, *, replies: FileInfo | None = None) -> Published:
    """Write every table of the run into `folder`; `replies` is the table of the replies if that is there already.

    Raises:
        InternalError: rows do not add up, an answer that counts as found gave no row, or a child row has no lead.
        StorageError: the records cannot be read, or a table cannot be written.
    """
    published = Published()
    answers = records.answers()
    wanted = settings.keep_replies and replies is None
    leads = LeadBatches(answers, settings.batch_leads, settings.timezone, replies=wanted)
    outcomes = OutcomeBatches(records.rows(), _ROWS)
    with open_pool(settings, answers.count) as pool:
        _write_leads(pool.map(leads.build, range(leads.count)), settings, folder, published, replies=wanted)
        if replies is not None:
            published.tables[REPLIES.name] = [replies]
        _write_outcomes(pool.map(outcomes.build, range(outcomes.count)), settings, folder, published)
    _check(records, published)
    return published


def _write_leads(
    batches: Iterator[Batch], settings: Settings, folder: Path, published: Published, *, replies: bool
) -> None:
    """The tables of the leads, and `replies`, in one pass over the answers."""
    with ExitStack() as stack:
        files = {
            table.name: stack.enter_context(_open(folder, table.name, empty_frame(table, settings.timezone), settings))
            for table in LEAD_TABLES
        }
        if replies:
            files[REPLIES.name] = stack.enter_context(
                _open(folder, REPLIES.name, empty_frame(REPLIES), settings, "parquet")
            )
        for batch in batches:
            published.drift.add(batch.drift)
            for name in batch.tables:
                files[name].write(batch.tables[name])
            del batch  # before the next one is made: twenty megabytes
    for name, file in files.items():
        published.tables[name] = file.files()


def _write_outcomes(batches: Iterator[Batch], settings: Settings, folder: Path, published: Published) -> None:
    # Rebuilding needs them to the letter, which CSV does not give.
    formats = tuple(dict.fromkeys([*settings.formats, "parquet"])) if settings.keep_replies else settings.formats
    with _open(folder, OUTCOMES.name, empty_frame(OUTCOMES), settings, *formats) as file, ExitStack() as stack:
        failures: TableWriter | None = None
        for batch in batches:
            outcomes = batch.tables[OUTCOMES.name]
            file.write(outcomes)
            rows = Counter(map(str, outcomes["outcome"]))
            published.rows.update(rows)
            if rows[Outcome.FAILED]:
                if failures is None:
                    header = empty_frame(OUTCOMES)[FAILURE_COLUMNS]
                    failures = stack.enter_context(_open(folder, FAILURES, header, settings, "csv"))
                _write_failures(failures, failure_frame(outcomes))
    published.tables[OUTCOMES.name] = file.files()
    if failures is not None:
        published.tables[FAILURES] = failures.files()


def _write_failures(file: TableWriter, failed: pd.DataFrame) -> None:
    file.write(failed)
    for name, row, code in failed[["input", "row", "code"]].itertuples(index=False):
        logger.info("%s, row %d: failed (%s)", name, row, code)


def _open(folder: Path, name: str, header: pd.DataFrame, settings: Settings, *formats: str) -> TableWriter:
    """A new table in these formats, or in those of the settings."""
    options = WriteOptions(
        bom=settings.csv_bom,
        formula_guard=settings.formula_guard,
        mostly_unique=_MOSTLY_UNIQUE.get(name, frozenset()),
    )
    return TableWriter(folder, name, header, formats or settings.formats, options)


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

"""From kept answers to files: every table, batch by batch, checked against the tally before anybody sees it."""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pipeline.errors import InternalError
from pipeline.files.table import TableFiles, openers
from pipeline.jobs.segments import LeadSegments, OutcomeSegments
from pipeline.jobs.workers import crew, workers_for
from pipeline.outcomes import Outcome
from pipeline.replies.lenient import Drift
from pipeline.schema import LEAD_TABLES, LEADS, OUTCOMES, REPLIES, TABLES
from pipeline.tables.arrow import arrow_schema
from pipeline.tables.records import (
    FAILURE_SCHEMA,
    OUTCOME_SCHEMA,
    REPLY_SCHEMA,
    failure_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa

    from pipeline.files.table import FileInfo
    from pipeline.jobs.segments import Numbered, Segment
    from pipeline.outcomes import Answer, RowOutcome
    from pipeline.settings import Format, Settings

logger = logging.getLogger(__name__)

FAILURES = "failures"
_ROWS = 20_000
_DISTINCT = {table.name: table.distinct for table in TABLES}


class Records(Protocol):
    """What tables are made of: a journal, or a published run that kept its replies."""

    def rows_read(self) -> int:
        """Rows of all lists together."""

    def answers(self) -> Numbered[Answer]:
        """Every answer in the order of the addresses' first appearance."""

    def rows(self) -> Numbered[RowOutcome]:
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
    leads = LeadSegments(answers, settings.batch_leads, settings.timezone, replies=wanted)
    outcomes = OutcomeSegments(records.rows(), _ROWS)
    with crew(workers_for(answers.count)) as workers:
        _write_leads(workers.do(leads), settings, folder, published, replies=wanted)
        if replies is not None:
            published.tables[REPLIES.name] = [replies]
        _write_outcomes(workers.do(outcomes), settings, folder, published)
    _check(records, published)
    return published


def _write_leads(
    segments: Iterator[Segment], settings: Settings, folder: Path, published: Published, *, replies: bool
) -> None:
    """The tables of the leads, and `replies`, in one pass over the answers."""
    with ExitStack() as stack:
        files = {
            table.name: stack.enter_context(_open(folder, table.name, arrow_schema(table, settings.timezone), settings))
            for table in LEAD_TABLES
        }
        if replies:
            files[REPLIES.name] = stack.enter_context(_open(folder, REPLIES.name, REPLY_SCHEMA, settings, "parquet"))
        for segment in segments:
            published.drift.add(segment.drift)
            for name in segment.tables:
                files[name].write(segment.tables[name])
            del segment  # before the next one is made: twenty megabytes
    for name, file in files.items():
        published.tables[name] = file.infos()


def _write_outcomes(segments: Iterator[Segment], settings: Settings, folder: Path, published: Published) -> None:
    # Rebuilding needs them to the letter, which CSV does not give.
    formats = tuple(dict.fromkeys([*settings.formats, "parquet"])) if settings.keep_replies else settings.formats
    with _open(folder, OUTCOMES.name, OUTCOME_SCHEMA, settings, *formats) as file, ExitStack() as stack:
        failures: TableFiles | None = None
        for segment in segments:
            outcomes = segment.tables[OUTCOMES.name]
            file.write(outcomes)
            rows = Counter(map(str, outcomes.column("outcome").to_pylist()))
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
    return TableFiles(folder, name, schema, openers(chosen, _DISTINCT.get(name, frozenset())))


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

"""From stored answers to files: every table, batch by batch, checked against the tally before it is published.

A batch is a few thousand consecutive answers, or rows of the lists. It is built from its number alone, so that any
process can build it; see `workers`.
"""

from __future__ import annotations

import logging
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline.errors import InternalError
from pipeline.history.feed import FeedCounts
from pipeline.jobs.batches import PLAIN, LeadBatches, OutcomeBatches
from pipeline.jobs.table_files import feed_formats, write_changes
from pipeline.jobs.targets import Target
from pipeline.jobs.workers import open_pool
from pipeline.outcomes import ANSWERED, Answer, Outcome, RowOutcome
from pipeline.privacy.columns import AS_THEY_ARE, ColumnRules
from pipeline.replies.drift import Drift
from pipeline.schema import CHANGES, LEAD_TABLES, LEADS, OUTCOMES, REPLIES
from pipeline.tables.frames import empty_frame, failure_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from pipeline.files.output_format import FileInfo, TableWriter
    from pipeline.history.feed import FeedBatch
    from pipeline.jobs.batches import Batch, Sliceable
    from pipeline.jobs.table_files import Parts
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FAILURES = "failures"
_BATCH_ROWS = 20_000


class Records(Protocol):
    """What tables are made of: a journal, or a published run with its replies."""

    def rows_read(self) -> int:
        """Rows of all lists together."""

    def answers(self) -> Sliceable[Answer]:
        """Every answer, in the order in which the addresses first appear."""

    def rows(self) -> Sliceable[RowOutcome]:
        """Every row of the lists, in order, with its outcome."""


@dataclass(slots=True)
class Published:
    """What was written: rows by outcome, answers, files by table, and how replies differ from the documentation.

    Attributes:
        private: files that tables are made of and that are not published, in the folder `PRIVATE` of the run.
    """

    rows: Counter[str] = field(default_factory=Counter)
    answers: int = 0
    tables: dict[str, list[FileInfo]] = field(default_factory=dict)
    private: dict[str, list[FileInfo]] = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)
    changes: FeedCounts = field(default_factory=FeedCounts)


def write_tables(
    records: Records,
    settings: Settings,
    folder: Path,
    *,
    rules: ColumnRules = AS_THEY_ARE,
    replies: FileInfo | None = None,
    sources: bool = True,
    may_be_pending: bool = False,
    feed: Parts[FeedBatch] | None = None,
) -> Published:
    """Write every table of a run into `folder`, and what is not published into the folder `PRIVATE` in it.

    Args:
        records: what the tables are made of.
        settings: formats, and where the raw replies go.
        folder: that of the run.
        rules: what becomes of each column.
        replies: the table of the raw replies, if it exists already.
        sources: whether to write what tables can be made of again.
        may_be_pending: whether addresses may be without an answer.
        feed: what the table `changes` is made of, which is not the records; None does not write it.

    Raises:
        InternalError: rows do not add up, an answer that counts as found gave no row, or a child row has no lead.
        StorageError: the records cannot be read, or a table cannot be written.
    """
    published, answers = Published(), records.answers()
    target = Target(folder, settings, rules, sources=sources and settings.replies_go != "none")
    wanted = target.sources and replies is None
    leads = LeadBatches(answers, settings.batch_leads, settings.timezone, replies=wanted, rules=rules)
    outcomes = OutcomeBatches(records.rows(), _BATCH_ROWS, rules, plain=target.hides_rows)
    with open_pool(settings, answers.count) as pool:
        _write_leads(pool.map(leads.build, range(leads.count)), target, published, replies=wanted)
        if replies is not None:
            _listed(published, target)[REPLIES.name] = [replies]
        _write_outcomes(pool.map(outcomes.build, range(outcomes.count)), target, published)
        if feed is not None:
            _write_changes(pool.map(feed.build, range(feed.count)), target, published)
    return _tallied(records.rows_read(), published, may_be_pending=may_be_pending)


def _write_leads(batches: Iterator[Batch], target: Target, published: Published, *, replies: bool) -> None:
    """Write the tables of the leads, and `replies`, in one pass over the answers."""
    rules, zone = target.rules, target.settings.timezone
    with ExitStack() as stack:
        files = {
            table.name: stack.enter_context(target.open(table.name, rules.header(table, zone)))
            for table in LEAD_TABLES
            if rules.publishes(table)
        }
        if replies:
            files[REPLIES.name] = stack.enter_context(target.open_replies())
        for batch in batches:
            published.drift.add(batch.drift)
            published.answers += batch.answers
            for name in batch.tables:
                files[name].write(batch.tables[name])
            del batch  # tens of megabytes, before the next one is built
    for name, file in files.items():
        listed = _listed(published, target) if name == REPLIES.name else published.tables
        listed[name] = file.files()


def _listed(published: Published, target: Target) -> dict[str, list[FileInfo]]:
    """Where the files of the raw replies are listed."""
    return published.private if target.hides_replies else published.tables


def _write_outcomes(batches: Iterator[Batch], target: Target, published: Published) -> None:
    header = target.rules.header(OUTCOMES)
    with target.open(OUTCOMES.name, header, *target.outcome_formats) as file, ExitStack() as stack:
        plain = stack.enter_context(target.open_private(OUTCOMES)) if target.hides_rows else None
        failures: TableWriter | None = None
        for batch in batches:
            outcomes = batch.tables[OUTCOMES.name]
            file.write(outcomes)
            if plain is not None:
                plain.write(batch.tables[PLAIN])
            rows = Counter({str(outcome): count for outcome, count in outcomes["outcome"].value_counts().items()})
            published.rows.update(rows)
            if len(failed := failure_frame(outcomes)):
                if failures is None:
                    failures = stack.enter_context(target.open(FAILURES, failure_frame(header), "csv"))
                _write_failures(failures, failed)
    published.tables[OUTCOMES.name] = file.files()
    if plain is not None:
        published.private[OUTCOMES.name] = plain.files()
    if failures is not None:
        published.tables[FAILURES] = failures.files()


def _write_changes(batches: Iterator[FeedBatch], target: Target, published: Published) -> None:
    with target.open(CHANGES.name, empty_frame(CHANGES), *feed_formats(target.settings)) as file:
        published.changes = write_changes(batches, file)
    published.tables[CHANGES.name] = file.files()


def _write_failures(file: TableWriter, failed: pd.DataFrame) -> None:
    file.write(failed)
    for name, row, code in failed[["input", "row", "code"]].itertuples(index=False):
        logger.info("%s, data row %d: failed (%s)", name, row, code)


def _tallied(read: int, published: Published, *, may_be_pending: bool) -> Published:
    """The same, checked: every row read is accounted for, every found address is a lead, every answer has its row."""
    known = {outcome.value for outcome in Outcome if may_be_pending or outcome is not Outcome.PENDING}
    if published.rows.total() != read or not known.issuperset(published.rows):
        raise InternalError(f"{read} rows were read, but {dict(published.rows)} came out; please report this.")
    if published.tables[OUTCOMES.name][0].rows != read:
        raise InternalError(f"{read} rows were read, but {OUTCOMES.name} has another number; please report this.")
    leads = published.tables[LEADS.name][0].rows
    if leads != published.rows[Outcome.FOUND]:
        raise InternalError(f"{published.rows[Outcome.FOUND]} found, but {leads} leads; please report this.")
    answered = sum(published.rows[outcome] for outcome in ANSWERED)
    if answered != published.answers:
        raise InternalError(
            f"{answered} rows have an answer, but there are {published.answers} answers; please report this."
        )
    return published

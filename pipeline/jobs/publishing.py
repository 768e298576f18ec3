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
from pipeline.jobs.targets import Target
from pipeline.jobs.workers import open_pool
from pipeline.outcomes import ANSWERED, FORGOTTEN, Answer, Outcome, RowOutcome
from pipeline.privacy.columns import AS_THEY_ARE, ColumnRules
from pipeline.replies.drift import Drift
from pipeline.schema import LEAD_TABLES, LEADS, OUTCOMES, REPLIES
from pipeline.tables.flatten import Frames, flatten
from pipeline.tables.frames import failure_frame, outcome_frame, reply_frame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pandas as pd

    from pipeline.files.output_format import FileInfo, TableWriter
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

FAILURES = "failures"
_PLAIN = "outcomes as they are"
_BATCH_ROWS = 20_000


class Sliceable(Protocol[T_co]):
    """Items numbered from 0 to `count` - 1; pickled, they can be read by another process too."""

    @property
    def count(self) -> int:
        """The number of items."""

    def slice(self, first: int, last: int) -> Iterator[T_co]:
        """Items from number `first` up to, but not including, `last`."""


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


def write_tables(
    records: Records,
    settings: Settings,
    folder: Path,
    *,
    rules: ColumnRules = AS_THEY_ARE,
    replies: FileInfo | None = None,
    sources: bool = True,
    may_be_pending: bool = False,
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

    Raises:
        InternalError: rows do not add up, an answer that counts as found gave no row, or a child row has no lead.
        StorageError: the records cannot be read, or a table cannot be written.
    """
    published = Published()
    answers = records.answers()
    target = Target(folder, settings, rules, sources=sources and settings.replies_go != "none")
    wanted = target.sources and replies is None
    leads = LeadBatches(answers, settings.batch_leads, settings.timezone, replies=wanted, rules=rules)
    outcomes = OutcomeBatches(records.rows(), _BATCH_ROWS, rules, plain=target.hides_rows)
    with open_pool(settings, answers.count) as pool:
        _write_leads(pool.map(leads.build, range(leads.count)), target, published, replies=wanted)
        if replies is not None:
            _listed(published, target)[REPLIES.name] = [replies]
        _write_outcomes(pool.map(outcomes.build, range(outcomes.count)), target, published)
    _check_tally(records.rows_read(), published, may_be_pending=may_be_pending)
    return published


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
                plain.write(batch.tables[_PLAIN])
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


def _write_failures(file: TableWriter, failed: pd.DataFrame) -> None:
    file.write(failed)
    for name, row, code in failed[["input", "row", "code"]].itertuples(index=False):
        logger.info("%s, data row %d: failed (%s)", name, row, code)


def _check_tally(read: int, published: Published, *, may_be_pending: bool) -> None:
    """Check that every row read is accounted for, every found address is a lead, and every answer has its row."""
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


@dataclass(frozen=True, slots=True)
class Batch:
    """Tables by name, how the replies deviate from the documented shape, and how many answers the tables hold."""

    tables: dict[str, pd.DataFrame]
    drift: Drift = field(default_factory=Drift)
    answers: int = 0


@dataclass(frozen=True, slots=True)
class LeadBatches:
    """Batches of the lead tables, and of the table of raw replies.

    Attributes:
        answers: what they are built from.
        size: answers per batch.
        timezone: the zone of the API's dates; see `flatten`.
        replies: whether to build the table of raw replies.
        rules: what becomes of each column.
    """

    answers: Sliceable[Answer]
    size: int
    timezone: str | None
    replies: bool
    rules: ColumnRules = AS_THEY_ARE

    @property
    def count(self) -> int:
        """The number of batches."""
        return -(-self.answers.count // self.size)

    def build(self, number: int) -> Batch:
        """Build one batch; `number` counts from 0.

        Raises:
            InternalError: an answer is missing or gave no row, or a row does not belong to its lead.
            StorageError: the answers cannot be read.
        """
        read = _read(self.answers, number, self.size)
        answers = [answer for answer in read if answer.outcome not in FORGOTTEN]
        found = [answer for answer in answers if answer.outcome is Outcome.FOUND]
        frames = flatten(found, timezone=self.timezone)
        _check_leads(frames, len(found))
        replies = {REPLIES.name: reply_frame(answers)} if self.replies else {}
        tables = self.rules.transform_all(frames.by_name()) | replies
        return Batch(tables, frames.drift, len(answers))


@dataclass(frozen=True, slots=True)
class OutcomeBatches:
    """Batches of the table `outcomes`.

    Attributes:
        rows: what they are built from.
        size: rows per batch.
        rules: what becomes of each column.
        plain: whether to build the table as it is, too.
    """

    rows: Sliceable[RowOutcome]
    size: int
    rules: ColumnRules = AS_THEY_ARE
    plain: bool = False

    @property
    def count(self) -> int:
        """The number of batches."""
        return -(-self.rows.count // self.size)

    def build(self, number: int) -> Batch:
        """Build one batch; `number` counts from 0.

        Raises:
            InternalError: a row is missing.
            StorageError: the rows cannot be read.
        """
        frame = outcome_frame(_read(self.rows, number, self.size))
        plain = {_PLAIN: frame} if self.plain else {}
        return Batch({OUTCOMES.name: self.rules.transform(OUTCOMES.name, frame), **plain})


def _read(items: Sliceable[T], number: int, size: int) -> list[T]:
    first = number * size
    last = min(first + size, items.count)
    read = list(items.slice(first, last))
    if len(read) != last - first:
        raise InternalError(f"Expected {last - first} records but read {len(read)}; please report this.")
    return read


def _check_leads(frames: Frames, leads: int) -> None:
    """Check that every found answer became a lead, and that every other row has the keys of its lead."""
    if len(frames.leads) != leads:
        raise InternalError("A reply that counts as found cannot be flattened; please report this.")
    keys = frames.leads[["id", "email"]].set_axis(["lead_id", "email"], axis="columns")
    for table in LEAD_TABLES:
        if table is LEADS:
            continue
        rows = frames.by_name()[table.name]
        parents = keys.take(frames.parents[table.name]).reset_index(drop=True)
        if not rows[["lead_id", "email"]].equals(parents):
            raise InternalError(f"A row of {table.name} does not belong to its lead; please report this.")

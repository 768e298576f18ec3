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
from pipeline.outcomes import Outcome
from pipeline.replies.lenient import Drift
from pipeline.schema import LEAD_TABLES, LEADS, OUTCOMES, REPLIES
from pipeline.tables.flatten import flatten
from pipeline.tables.records import failure_frame, outcome_frame, reply_frame

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import pandas as pd

    from pipeline.files.table import FileInfo
    from pipeline.outcomes import Answer, RowOutcome
    from pipeline.settings import Settings
    from pipeline.tables.flatten import Frames

logger = logging.getLogger(__name__)
T = TypeVar("T")

FAILURES = "failures"
_ROWS = 20_000


class Records(Protocol):
    """What tables are made of: a journal, or a published run that kept its replies."""

    def rows_read(self) -> int:
        """Rows of all lists together."""

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
    _write_leads(records, settings, folder, published)
    _write_outcomes(records, settings, folder, published)
    if settings.keep_replies:
        _write_replies(records, settings, folder, published)
    _check(records, published)
    return published


def _write_leads(records: Records, settings: Settings, folder: Path, published: Published) -> None:
    empty = flatten([], timezone=settings.timezone)
    found = (answer for answer in records.answers() if answer.outcome is Outcome.FOUND)
    with ExitStack() as stack:
        files = {
            table.name: stack.enter_context(_open(folder, table.name, getattr(empty, table.name), settings))
            for table in LEAD_TABLES
        }
        for batch in _batches(found, settings.batch_leads):
            frames = flatten(batch, timezone=settings.timezone)
            _check_batch(frames, len(batch))
            for name, file in files.items():
                file.write(getattr(frames, name))
            published.drift.add(frames.drift)
    for name, file in files.items():
        published.tables[name] = file.infos()


def _write_outcomes(records: Records, settings: Settings, folder: Path, published: Published) -> None:
    # Rebuilding needs them to the letter, which CSV does not give.
    both = settings.model_copy(update={"formats": tuple(dict.fromkeys([*settings.formats, "parquet"]))})
    chosen = both if settings.keep_replies else settings
    with _open(folder, OUTCOMES.name, outcome_frame([]), chosen) as file, ExitStack() as stack:
        failures: TableFiles | None = None
        for batch in _batches(records.row_outcomes(), _ROWS):
            file.write(outcome_frame(batch))
            published.rows.update(row.outcome for row in batch)
            if failed := [row for row in batch if row.outcome == Outcome.FAILED]:
                if failures is None:
                    failures = stack.enter_context(_open_failures(folder, settings))
                failures.write(failure_frame(failed))
                for row in failed:
                    logger.info("%s, row %d: failed (%s)", row.input, row.row, row.code)
    published.tables[OUTCOMES.name] = file.infos()
    if failures is not None:
        published.tables[FAILURES] = failures.infos()


def _write_replies(records: Records, settings: Settings, folder: Path, published: Published) -> None:
    only_parquet = settings.model_copy(update={"formats": ("parquet",)})
    with _open(folder, REPLIES.name, reply_frame([]), only_parquet) as file:
        for batch in _batches(records.answers(), settings.batch_leads):
            file.write(reply_frame(batch))
    published.tables[REPLIES.name] = file.infos()


def _open(folder: Path, name: str, empty: pd.DataFrame, settings: Settings) -> TableFiles:
    return TableFiles(folder, name, empty, openers(settings))


def _open_failures(folder: Path, settings: Settings) -> TableFiles:
    return _open(folder, FAILURES, failure_frame([]), settings.model_copy(update={"formats": ("csv",)}))


def _check_batch(frames: Frames, leads: int) -> None:
    """See that every answer is a lead, and every other row belongs to one of these leads."""
    if len(frames.leads) != leads:
        raise InternalError("A reply that counts as found cannot be flattened; please report this.")
    keys = set(zip(frames.leads["id"], frames.leads["email"], strict=True))
    for table in LEAD_TABLES[1:]:
        rows = getattr(frames, table.name)[["lead_id", "email"]].drop_duplicates()
        if not keys.issuperset(zip(rows["lead_id"], rows["email"], strict=True)):
            raise InternalError(f"A row of {table.name} belongs to no lead; please report this.")


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

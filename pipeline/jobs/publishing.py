"""From the journal to files: every table, batch by batch, checked against the tally before anybody sees it."""

from __future__ import annotations

import itertools
import logging
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

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
    from pipeline.journal import Journal
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
T = TypeVar("T")

FAILURES = "failures"
_ROWS = 20_000


@dataclass(slots=True)
class Published:
    """What was written: rows by outcome, files by table, and how the replies drifted."""

    rows: Counter[str] = field(default_factory=Counter)
    tables: dict[str, list[FileInfo]] = field(default_factory=dict)
    drift: Drift = field(default_factory=Drift)


def write_tables(journal: Journal, settings: Settings, folder: Path) -> Published:
    """Write every table of the run into `folder`.

    Raises:
        InternalError: rows do not add up, or an answer that counts as found gave no row.
        StorageError: the journal cannot be read.
    """
    published = Published()
    _write_leads(journal, settings, folder, published)
    _write_outcomes(journal, settings, folder, published)
    if settings.keep_replies:
        _write_replies(journal, settings, folder, published)
    _check(journal, published)
    return published


def _write_leads(journal: Journal, settings: Settings, folder: Path, published: Published) -> None:
    empty = flatten([], timezone=settings.timezone)
    found = (answer for answer in journal.answers() if answer.outcome is Outcome.FOUND)
    with ExitStack() as stack:
        files = {
            table.name: stack.enter_context(_open(folder, table.name, getattr(empty, table.name), settings))
            for table in LEAD_TABLES
        }
        for batch in _batches(found, settings.batch_leads):
            frames = flatten(batch, timezone=settings.timezone)
            if len(frames.leads) != len(batch):
                raise InternalError("A reply that counts as found cannot be flattened; please report this.")
            for name, file in files.items():
                file.write(getattr(frames, name))
            published.drift.add(frames.drift)
    for name, file in files.items():
        published.tables[name] = file.infos()


def _write_outcomes(journal: Journal, settings: Settings, folder: Path, published: Published) -> None:
    with _open(folder, OUTCOMES.name, outcome_frame([]), settings) as file, ExitStack() as stack:
        failures: TableFiles | None = None
        for batch in _batches(journal.row_outcomes(), _ROWS):
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


def _write_replies(journal: Journal, settings: Settings, folder: Path, published: Published) -> None:
    only_parquet = settings.model_copy(update={"formats": ("parquet",)})
    with _open(folder, REPLIES.name, reply_frame([]), only_parquet) as file:
        for batch in _batches(journal.answers(), settings.batch_leads):
            file.write(reply_frame(batch))
    published.tables[REPLIES.name] = file.infos()


def _open(folder: Path, name: str, empty: pd.DataFrame, settings: Settings) -> TableFiles:
    return TableFiles(folder, name, empty, openers(settings))


def _open_failures(folder: Path, settings: Settings) -> TableFiles:
    return _open(folder, FAILURES, failure_frame([]), settings.model_copy(update={"formats": ("csv",)}))


def _check(journal: Journal, published: Published) -> None:
    """See that every row read is accounted for, and every found address is a lead."""
    read = sum(entry.rows for entry in journal.lists())
    known = {outcome.value for outcome in Outcome}
    if published.rows.total() != read or not known.issuperset(published.rows):
        raise InternalError(f"{read} rows were read, but {dict(published.rows)} came out; please report this.")
    leads = published.tables[LEADS.name][0].rows
    if leads != published.rows[Outcome.FOUND]:
        raise InternalError(f"{published.rows[Outcome.FOUND]} found, but {leads} leads; please report this.")


def _batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while batch := list(itertools.islice(iterator, size)):
        yield batch

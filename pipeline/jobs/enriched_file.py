"""The file that `enrich` writes: the list's own columns as they were, then those of its leads, batch by batch."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.errors import InternalError, UsageError
from pipeline.jobs.enrich_rows import open_rows
from pipeline.outcomes import Outcome
from pipeline.privacy.added_columns import AddedColumns
from pipeline.replies.drift import Drift
from pipeline.tables.flatten import flatten
from pipeline.tables.frames import arrow_column
from pipeline.tables.wide import (
    ALWAYS,
    CUSTOM,
    custom_field_identifiers,
    expand_custom_fields,
    field_types,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.jobs.enrich_target import EnrichTarget
    from pipeline.journal.rows import RowAddress
    from pipeline.journal.store import Journal

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class EnrichedFile:
    """What was written.

    Attributes:
        columns: the names of the columns.
        rows: how many rows.
        filled: how many of them have the data of a lead.
        drift: how replies differ from the documentation.
    """

    columns: Sequence[str]
    rows: int = 0
    filled: int = 0
    drift: Drift = field(default_factory=Drift)


def write_enriched(target: EnrichTarget, journal: Journal, path: Path) -> EnrichedFile:
    """Write the list with the columns of its leads to the new file `path`.

    Raises:
        UsageError: the list has changed since it was imported.
        InternalError: an answer that counts as found cannot be flattened, or the number of rows has changed.
        StorageError: the journal cannot be read.
    """
    added = _LeadColumns(target, journal)
    batches = target.source.batches(target.width)
    first = next(batches)
    rows, read = journal.rows(), 0
    with open_rows(target, path, first.schema, dict(zip(added.names, added.types, strict=True))) as file:
        written = EnrichedFile(file.names)
        for batch in itertools.chain([first], batches):
            addresses = rows.addresses(read, read + batch.num_rows)
            if len(addresses) != batch.num_rows:
                raise UsageError(f"{target.source.name}: the list has changed since it was imported; use --new.")
            found = [row.outcome == Outcome.FOUND for row in addresses]
            columns = added.columns(addresses, written.drift)
            lines = [row.line for row in addresses]
            written.rows += file.write(batch, columns, lines, keep=found if target.how.only_found else None)
            written.filled += sum(found)
            read += batch.num_rows
    for loss in file.losses():
        logger.warning("%s: %s", target.out.name, loss)
    if read != rows.count:
        raise InternalError(f"{rows.count} rows were imported, but {read} came back; please report this.")
    return written


class _LeadColumns:
    """The added columns, for one batch of rows after the other."""

    def __init__(self, target: EnrichTarget, journal: Journal) -> None:
        self._target, self._answers = target, journal.answers()
        self._zone = target.settings.timezone
        wants_custom = any(name.startswith(CUSTOM) for name in target.fields)
        self._added = AddedColumns(target.rules)
        expanded = expand_custom_fields(target.fields, self._identifiers() if wants_custom else ())
        self._fields = self._added.left(expanded)
        always = [name for name in ALWAYS if name != "id" or self._added.has_id]
        types = {**dict.fromkeys(always, pa.string()), **self._added.types(field_types(self._fields, self._zone))}
        self.names = [target.column_name(name) for name in types]
        self.types = list(types.values())

    def _identifiers(self) -> Iterator[str]:
        """The identifiers of the account's custom fields, in the order in which they first occur."""
        found = (answer for answer in self._answers if answer.outcome is Outcome.FOUND)
        while batch := list(itertools.islice(found, self._target.settings.batch_leads)):
            yield from custom_field_identifiers(flatten(batch))

    def columns(self, rows: Sequence[RowAddress], drift: Drift) -> list[pa.Array[Any]]:
        """The added columns of these rows; `drift` is added to."""
        found = sorted({row.address for row in rows if row.address and row.outcome == Outcome.FOUND})
        frames = flatten(self._answers.of_addresses(found), timezone=self._zone)
        if frames.skipped:
            raise InternalError("A reply that counts as found cannot be flattened; please report this.")
        drift.add(frames.drift)
        position = {address: number for number, address in enumerate(found)}
        positions = np.array([position.get(row.address or 0, -1) for row in rows], np.int64)
        leads = self._added.widened(frames, self._fields, separator=self._target.how.separator)
        leads = leads.reindex(positions)  # -1 gives nulls
        return [
            pa.array([row.outcome for row in rows], pa.string()),
            pa.array([self._reason(row) for row in rows], pa.string()),
            *(arrow_column(leads, name) for name in leads.columns if name != "id" or self._added.has_id),
        ]

    def _reason(self, row: RowAddress) -> str | None:
        """Why a row has no answer, as `CODE: SENTENCE`; None if it has one."""
        has_none = row.outcome in (Outcome.FAILED, Outcome.INVALID)
        return self._added.reason(row.code, row.message) if has_none else None

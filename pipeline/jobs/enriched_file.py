"""The file that `enrich` writes: the list's own columns as they were, then those of its leads, batch by batch."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pyarrow as pa

from pipeline.errors import InternalError, UsageError
from pipeline.files.output_format import WriteOptions, check_fits, format_of, written_names
from pipeline.outcomes import Outcome
from pipeline.replies.drift import Drift
from pipeline.tables.flatten import flatten
from pipeline.tables.frames import arrow_column, make_frame
from pipeline.tables.wide import CUSTOM, custom_field_identifiers, expand_custom_fields, field_types, widen

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import pandas as pd

    from pipeline.emails.lists import EmailList
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Enrichment:
    """Which columns are added, and how.

    Attributes:
        fields: names of fields or patterns, see `pipeline.tables.wide`; empty is all.
        prefix: of the name of every added column but custom fields.
        separator: between values that share a cell.
        only_found: leave out rows whose address was not found.
        force: replace an existing file.
    """

    fields: tuple[str, ...] = ()
    prefix: str = "lead_"
    separator: str = "|"
    only_found: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class EnrichTarget:
    """What is written, from which list.

    Attributes:
        source: the list.
        width: cells in its longest row.
        out: the file to write.
        fields: names of fields and patterns of custom fields, see `pipeline.tables.wide`.
        how: prefix and separator, and whether rows without a lead are left out.
        settings: the zone of dates, the guard against formulas, and what was stated about the list.
    """

    source: EmailList
    width: int
    out: Path
    fields: list[str]
    how: Enrichment
    settings: Settings

    @classmethod
    def of(cls, source: EmailList, out: Path, fields: list[str], how: Enrichment, settings: Settings) -> Self:
        """Check that the list can be written to `out` with these fields, and that no two columns share a name.

        Raises:
            UsageError: `out` cannot hold the list's columns, or one of them has the name of an added column.
        """
        counts = source.row_counts()
        header = own_header(source, counts.width)
        check_fits(out, header)
        target = cls(source, counts.width, out, fields, how, settings)
        own = list(header.columns)
        added = [target.column_name(name) for name in ("outcome", "id", *fields) if not name.startswith(CUSTOM)]
        if taken := [name for name in added if name in own]:
            raise UsageError(f"{source.name}: already has a column {taken[0]!r}; choose another --prefix.")
        patterns = [name for name in fields if name.startswith(CUSTOM)]
        if any(fnmatchcase(name, pattern) for name in own for pattern in patterns):
            raise UsageError(f"{source.name}: already has columns for custom fields; leave them out with --fields.")
        if counts.ragged:
            text = "%s: %d rows have more or fewer cells than the first line; the first are in lines %s."
            logger.warning(text, source.name, counts.ragged, ", ".join(map(str, counts.ragged_lines)))
        return target

    def column_name(self, field: str) -> str:
        """The name of the column that holds a field."""
        return field if field.startswith(CUSTOM) else f"{self.how.prefix}{field}"

    def write_options(self, own_columns: int) -> WriteOptions:
        """The list's delimiter and quoting, UTF-8 unless an encoding was stated; the list's columns stay unguarded."""
        detected, settings = self.source.detected(), self.settings
        same_format = detected.format == self.out.suffix.lower().removeprefix(".")
        return WriteOptions(
            delimiter=(same_format and detected.delimiter) or ",",
            quoting=(same_format and detected.quoting) or "standard",
            encoding=settings.encoding or "utf-8",
            bom=settings.csv_bom,
            formula_guard=settings.formula_guard,
            unguarded=own_columns,
        )


def own_header(source: EmailList, width: int) -> pd.DataFrame:
    """The columns of the list itself, without rows; a list without rows is refused when it is imported."""
    first = next(iter(source.batches(width)), None)
    schema = pa.schema([]) if first is None else first.schema
    return make_frame(schema.names, (pa.array([], kind) for kind in schema.types))


@dataclass(slots=True)
class EnrichedFile:
    """What was written: the names of the columns, the number of rows, and how replies differ from the documentation."""

    columns: Sequence[str]
    rows: int = 0
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
    names = [*first.schema.names, *added.names]
    header = make_frame(names, (pa.array([], kind) for kind in [*first.schema.types, *added.types]))
    chosen = format_of(target.out)
    written = EnrichedFile(written_names(chosen, names))
    rows, read = journal.rows(), 0
    with chosen.open(path, header, target.write_options(len(first.schema))) as file:
        for batch in itertools.chain([first], batches):
            outcomes = rows.addresses(read, read + batch.num_rows)
            if len(outcomes) != batch.num_rows:
                raise UsageError(f"{target.source.name}: the list has changed since it was imported; use --new.")
            frame = make_frame(names, [*batch.columns, *added.columns(outcomes, written.drift)])
            if target.how.only_found:
                frame = frame.loc[[outcome == Outcome.FOUND for _, outcome in outcomes]]
            file.write(frame)
            written.rows += len(frame)
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
        self._fields = expand_custom_fields(target.fields, self._identifiers() if wants_custom else ())
        types = {"outcome": pa.string(), "id": pa.string(), **field_types(self._fields, self._zone)}
        self.names = [target.column_name(name) for name in types]
        self.types = list(types.values())

    def _identifiers(self) -> Iterator[str]:
        """The identifiers of the account's custom fields, in the order in which they first occur."""
        found = (answer for answer in self._answers if answer.outcome is Outcome.FOUND)
        while batch := list(itertools.islice(found, self._target.settings.batch_leads)):
            yield from custom_field_identifiers(flatten(batch))

    def columns(self, rows: list[tuple[int | None, str]], drift: Drift) -> list[pa.Array[Any]]:
        """The added columns of these rows, each an address's number and an outcome; `drift` is added to."""
        found = sorted({address for address, outcome in rows if address and outcome == Outcome.FOUND})
        frames = flatten(self._answers.of_addresses(found), timezone=self._zone)
        if frames.skipped:
            raise InternalError("A reply that counts as found cannot be flattened; please report this.")
        drift.add(frames.drift)
        position = {address: number for number, address in enumerate(found)}
        positions = np.array([position.get(address or 0, -1) for address, _ in rows], np.int64)
        leads = widen(frames, self._fields, separator=self._target.how.separator).reindex(positions)  # -1 gives nulls
        return [
            pa.array([outcome for _, outcome in rows], pa.string()),
            *(arrow_column(leads, name) for name in leads.columns),
        ]

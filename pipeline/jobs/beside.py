"""A list once more, batch by batch, with the columns of its leads beside its own."""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.errors import InternalError, UsageError
from pipeline.files.csv import CsvFile
from pipeline.files.single import Style, open_single
from pipeline.outcomes import Outcome
from pipeline.replies.lenient import Drift
from pipeline.tables.gather import gather
from pipeline.tables.wide import CUSTOM, empty, identifiers, resolve, widen

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.journal.store import Journal
    from pipeline.outcomes import Answer
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Beside:
    """What is written beside what.

    Attributes:
        source: the list.
        width: cells in its longest row.
        out: the file that is to come of it.
        picked: fields and patterns of custom fields, see `pipeline.tables.wide`.
        prefix: before the name of each of our columns but custom fields.
        separator: between names in one cell.
        settings: the zone of dates, the guard against formulas, and what was stated about the list.
        only_found: leave out rows whose address was not found.
        force: whether a file in the place of `out` may be replaced.
    """

    source: EmailList
    width: int
    out: Path
    picked: list[str]
    prefix: str
    separator: str
    settings: Settings
    only_found: bool = False
    force: bool = False


@dataclass(slots=True)
class Written:
    """What came of it: rows, columns, how the replies drifted, characters that the encoding has not."""

    schema: pa.Schema
    rows: int = 0
    drift: Drift = field(default_factory=Drift)


def write_beside(beside: Beside, journal: Journal, place: Path) -> Written:
    """Write the list with its leads to the new file `place`.

    Raises:
        UsageError: the list has changed since it was taken into the journal.
        UsageError: the list has changed since it was taken into the journal.
        InternalError: an answer that counts as found cannot be flattened, or rows came or went.
        StorageError: the journal cannot be read.
    """
    added = _Added(beside, journal)
    batches = beside.source.batches(beside.width)
    first = next(batches)
    written = Written(pa.schema([*first.schema, *added.schema]))
    style = _style(beside, unguarded=len(first.schema))
    read = 0
    with open_single(place, beside.out.suffix, written.schema, style) as file:
        for batch in itertools.chain([first], batches):
            known = journal.page_of_rows(read, batch.num_rows)
            if len(known) != batch.num_rows:
                raise UsageError(f"{beside.source.name}: was changed since it was taken in; begin anew with --new.")
            rows, found = added.beside(known, written.drift)
            table = pa.Table.from_arrays([*batch.columns, *rows.columns], schema=written.schema)
            table = table.filter(found) if beside.only_found else table
            file.write(table)
            written.rows += len(table)
            read += batch.num_rows
    if isinstance(file, CsvFile) and file.replaced:
        text = "%s: %d characters of the leads do not exist in %s and became question marks; leave out --encoding."
        logger.warning(text, beside.out.name, file.replaced, style.encoding)
    if getattr(file, "shortened", 0):
        text = "%s: %d cells held more than a worksheet can; they were cut, or a character replaced. Write .parquet."
        logger.warning(text, beside.out.name, file.shortened)  # type: ignore[attr-defined]  # of workbooks only
    if read != journal.rows_read():
        raise InternalError(f"{journal.rows_read()} rows were taken in, but {read} came back; please report this.")
    return written


def _style(beside: Beside, *, unguarded: int) -> Style:
    """The list's own delimiter, and UTF-8 unless an encoding was stated; our columns are guarded, its own are not."""
    settings, detected = beside.settings, beside.source.detected()
    same_form = detected.format == beside.out.suffix.lower().removeprefix(".")
    return Style(
        delimiter=(same_form and detected.delimiter) or ",",
        encoding=settings.encoding or "utf-8",
        bom=settings.csv_bom,
        formula_guard=settings.formula_guard,
        unguarded=unguarded,
    )


class _Added:
    """Our columns for one batch of rows after the other."""

    def __init__(self, beside: Beside, journal: Journal) -> None:
        self._beside, self._journal = beside, journal
        self._zone = beside.settings.timezone
        wants_custom = any(name.startswith(CUSTOM) for name in beside.picked)
        self._fields = resolve(beside.picked, self._identifiers() if wants_custom else ())
        types = {"outcome": pa.string(), "id": pa.string(), **empty(self._fields, self._zone)}
        self.schema = pa.schema([(self._title(name), kind) for name, kind in types.items()])

    def _title(self, name: str) -> str:
        return name if name.startswith(CUSTOM) else f"{self._beside.prefix}{name}"

    def _identifiers(self) -> Iterator[str]:
        """What the account's custom fields are called, in the order in which they first come."""
        found = (answer for answer in self._journal.answers() if answer.outcome is Outcome.FOUND)
        while batch := list(itertools.islice(found, self._beside.settings.batch_leads)):
            yield from identifiers(gather(batch))

    def beside(self, rows: list[tuple[int | None, str]], drift: Drift) -> tuple[pa.Table, pa.Array[pa.BooleanScalar]]:
        """Our columns for these rows, and which of them were found; rows of the same address get the same."""
        asked = sorted({address for address, outcome in rows if address and outcome == Outcome.FOUND})
        gathered = gather(self._found(asked), timezone=self._zone)
        if gathered.skipped:
            raise InternalError("A reply that counts as found cannot be flattened; please report this.")
        drift.add(gathered.drift)
        leads = widen(gathered, self._fields, separator=self._beside.separator)
        places = {address: place for place, address in enumerate(asked)}
        table = leads.take(pa.array([places.get(address or 0) for address, _ in rows], pa.int64()))
        outcomes = pa.array([outcome for _, outcome in rows], pa.string())
        found = pa.array([outcome == Outcome.FOUND for _, outcome in rows])
        return table.add_column(0, "outcome", outcomes).rename_columns(self.schema.names).cast(self.schema), found

    def _found(self, addresses: list[int]) -> Iterator[Answer]:
        return self._journal.answers_to(addresses)

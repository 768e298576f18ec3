"""Whose rows are left out of the tables of all accounts: people who are not to be asked for.

The newest run of an account may be older than their entry on a suppression list. Its own tables stay as they are until
the next run; what is made now has none of their data.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.accounts.combined import Source
from pipeline.accounts.lanes import COMBINED
from pipeline.accounts.round import CombinedAccount
from pipeline.errors import StopRun
from pipeline.files.state import StateFolder
from pipeline.jobs.suppressing import suppression_of
from pipeline.outcomes import Outcome
from pipeline.privacy.identity import address_columns, people_of
from pipeline.privacy.key import COLUMNS, load_key
from pipeline.privacy.reading import RunFiles, batches
from pipeline.privacy.run_search import their_leads
from pipeline.schema import LEADS, OUTCOMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipeline.accounts.lanes import Accounts
    from pipeline.privacy.identity import Mask, People
    from pipeline.privacy.suppression import SuppressionList

_LEFT = frozenset(("input", "row"))
"""Columns of `outcomes` that say where a row is, and nothing about a person."""
_BLANK = {"outcome": Outcome.SUPPRESSED.value, "attempts": 0}

Counts = Counter[tuple[str, str | None]]
"""Rows by outcome and code."""


def leave_out_suppressed(sources: Sequence[Source], accounts: Accounts) -> tuple[list[Source], Counts]:
    """The sources, each without people on the lists that it heeds; and what their rows counted as.

    A source whose list cannot be read is one without a run, with the reason.
    """
    counts: Counts = Counter()
    return [_without_suppressed(source, accounts, counts) for source in sources], counts


def _without_suppressed(source: Source, accounts: Accounts, counts: Counts) -> Source:
    if source.run is None or source.manifest is None:
        return source
    own = {lane.name: lane.settings for lane in accounts.lanes}
    settings = own.get(source.name, accounts.settings)
    folders = [accounts.folders[source.name], accounts.out, accounts.out / COMBINED]
    try:
        suppressed = suppression_of(settings, *(StateFolder.in_folder(folder).path for folder in folders))
        if not len(suppressed):
            return source
        run = RunFiles.of(source.run, source.manifest)
        emails = _suppressed_in(run, suppressed)
        if not emails:
            return source
        key = load_key(settings)
        people = people_of(emails, key.hasher(COLUMNS) if key else None)
        people.lead_ids[run.account] |= their_leads(run, people)
        left_out = _LeftOut(run, people, counts)
    except StopRun as error:
        missing = CombinedAccount(state="missing", reason=str(error))
        return Source(source.name, missing, code=error.exit_code)
    return dataclasses.replace(source, without=left_out.without)


def _suppressed_in(run: RunFiles, suppressed: SuppressionList) -> set[str]:
    """The addresses in a run that are on a list."""
    found: set[str] = set()
    for table in (OUTCOMES.name, LEADS.name):
        path = run.path(table)
        for batch in batches(path, address_columns(table)) if path else ():
            values = (value for column in batch.columns for value in column.unique().to_pylist())
            found.update(value for value in values if value and value in suppressed)
    return found


class _LeftOut:
    """What goes from the tables of a run."""

    def __init__(self, run: RunFiles, people: People, counts: Counts) -> None:
        self._people, self._account = people, run.account
        self._rows: list[int] = []
        first, path = 0, run.path(OUTCOMES.name)
        for batch in batches(path, ("email", "lead_id", "outcome", "code")) if path else ():
            mask = self._theirs(batch)
            self._rows += [first + number for number in pc.call_function("indices_nonzero", [mask]).to_pylist()]
            theirs = batch.filter(mask)
            codes = theirs.column("code").to_pylist()
            counts.update(zip(map(str, theirs.column("outcome").to_pylist()), codes, strict=True))
            first += batch.num_rows
        self._numbers = pa.array(self._rows, pa.int64())

    def without(self, table: str, rows: pa.Table, first: int) -> pa.Table:
        """Rows of a table, the first of which has this number, without theirs; `outcomes` keeps these as suppressed."""
        if table != OUTCOMES.name:
            mask = self._people.rows_of(table, rows, self._account)
            return rows.filter(pc.call_function("invert", [mask]))
        numbers = pa.array(range(first, first + rows.num_rows), pa.int64())
        theirs = pc.is_in(numbers, value_set=self._numbers)
        columns = [
            column
            if name in _LEFT
            else pc.call_function("if_else", [theirs, pa.scalar(_BLANK.get(name), column.type), column])
            for name, column in zip(rows.column_names, rows.columns, strict=True)
        ]
        return pa.Table.from_arrays(columns, schema=rows.schema)

    def _theirs(self, batch: pa.RecordBatch) -> Mask:
        """Which rows of `outcomes` are theirs; a cell that only mentions them is somebody else's."""
        masks: list[Any] = [pa.array([False] * batch.num_rows, pa.bool_())]
        if "email" in batch.schema.names:
            masks.append(self._people.addresses_in(batch.column("email")))
        if "lead_id" in batch.schema.names:
            masks.append(self._people.leads_in(batch.column("lead_id"), self._account))
        mask = masks[0]
        for other in masks[1:]:
            mask = pc.or_(mask, other)
        return mask

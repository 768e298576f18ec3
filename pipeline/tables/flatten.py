"""Replies in, pandas frames out: what a run publishes and what a notebook gets.

1. A scalar of the lead is a column of `leads`, in the column's type; what does not fit the type goes into `extra`.
2. A collection is a table of its own, keyed by the lead's id, its address and the row's position.
3. A custom field is one row for each chosen option, or one row with its string value, or one with null.
4. A key without a column goes into the row's `extra`: nothing is dropped, nothing is invented.
5. Every table has all of its columns in their types, whatever the replies hold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd  # noqa: TC002 - the fields of a public dataclass resolve at run time
import pyarrow as pa

from pipeline.errors import MalformedReply
from pipeline.outcomes import Answer
from pipeline.replies.drift import Drift
from pipeline.replies.read import FoundLead, read_leniently, read_normal
from pipeline.schema import LEAD_TABLES, LEADS, Table
from pipeline.tables.frames import make_frame, parse_columns, value_column
from pipeline.tables.rows import LeadRows, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.replies.drift import Extras
    from pipeline.replies.lead import Lead
    from pipeline.tables.rows import Columns, RowNumbers

CHILD_TABLES = tuple(table for table in LEAD_TABLES if table is not LEADS)
_CHUNK_LEADS = 64


@dataclass(frozen=True)
class Frames:
    """The seven tables of a batch of replies, with exactly the columns, order and types of `pipeline.schema`.

    Columns are Arrow-backed; `pyarrow.Table.from_pandas` takes them over without a copy.

    Attributes:
        parents: for each table but `leads`, the position in `leads` that each of its rows belongs to.
        drift: how the replies differ from the documented shape.
        skipped: replies that hold no lead (an error, or nothing readable), and so give no row.
    """

    leads: pd.DataFrame
    tags: pd.DataFrame
    transactions: pd.DataFrame
    lists: pd.DataFrame
    sequences: pd.DataFrame
    memberships: pd.DataFrame
    custom_fields: pd.DataFrame
    parents: dict[str, RowNumbers] = field(repr=False)
    drift: Drift = field(default_factory=Drift)
    skipped: int = 0

    def by_name(self) -> dict[str, pd.DataFrame]:
        """The seven frames by the names of their tables."""
        return {table.name: getattr(self, table.name) for table in LEAD_TABLES}


def flatten(replies: Iterable[bytes | Answer], *, timezone: str | None = None) -> Frames:
    """Make frames of raw replies, in their order.

    Args:
        replies: bodies as the API sent them, or answers; only answers fill `requested_email` and `fetched_at`.
        timezone: the zone of the API's dates, to convert them to UTC; None leaves them as given.
    """
    batch = _Batch()
    for reply in replies:
        if isinstance(reply, Answer):
            batch.add(reply.body, reply.email, reply.answered_at_ms)
        else:
            batch.add(reply)
    return batch.frames(timezone)


class _Batch:
    """The leads of a batch of replies on their way to becoming frames."""

    def __init__(self) -> None:
        self._skipped = 0
        self._drift = Drift()
        self._requested: list[str | None] = []
        self._fetched_ms: list[int | None] = []
        self._extras: dict[int, Extras] = {}
        self._chunk: list[Lead] = []
        self._leads = LeadRows()
        self._items = {table.name: rows_of(table) for table in CHILD_TABLES}

    def add(self, body: bytes | None, requested: str | None = None, fetched_ms: int | None = None) -> None:
        """Add one reply, if it holds a lead."""
        lead = self._read(body)
        if lead is None:
            self._skipped += 1
            return
        self._requested.append(requested)
        self._fetched_ms.append(fetched_ms)
        self._chunk.append(lead)
        if len(self._chunk) == _CHUNK_LEADS:
            self._add_chunk()

    def _read(self, body: object) -> Lead | None:
        if not isinstance(body, bytes):
            return None
        return read_normal(body) or self._read_odd(body)

    def _read_odd(self, body: bytes) -> Lead | None:
        try:
            found = read_leniently(body)
        except MalformedReply:
            return None
        if not isinstance(found, FoundLead):
            return None
        self._drift.add(found.drift)
        if found.extras:
            self._extras[len(self._requested)] = found.extras
        return found.lead

    def _add_chunk(self) -> None:
        self._leads.add(self._chunk)
        for rows in self._items.values():
            rows.add(self._chunk)
        self._chunk.clear()

    def frames(self, timezone: str | None) -> Frames:
        """Everything that was added."""
        self._add_chunk()
        leads = self._lead_columns(timezone)
        parents = {table.name: self._items[table.name].parents() for table in CHILD_TABLES}
        columns = {
            table.name: self._child_columns(table, parents[table.name], leads, timezone) for table in CHILD_TABLES
        }
        columns[LEADS.name] = leads
        frames = {table.name: _frame(table, columns[table.name]) for table in LEAD_TABLES}
        return Frames(**frames, parents=parents, drift=self._drift, skipped=self._skipped)

    def _lead_columns(self, timezone: str | None) -> Columns:
        count = len(self._requested)
        columns = parse_columns(LEADS, self._leads.columns(), timezone)
        columns["requested_email"] = value_column(self._requested, "string")
        columns["extra"] = self._extra_column(LEADS.name, np.arange(count), count)
        columns["fetched_at"] = value_column(self._fetched_ms, "timestamp[ms, UTC]")
        return columns

    def _child_columns(self, table: Table, parents: RowNumbers, leads: Columns, timezone: str | None) -> Columns:
        first_rows = np.searchsorted(parents, np.arange(len(leads["id"])))
        columns = parse_columns(table, self._items[table.name].columns(), timezone)
        columns["lead_id"] = leads["id"].take(parents)
        columns["email"] = leads["email"].take(parents)
        columns["position"] = pa.array(np.arange(len(parents)) - first_rows[parents], pa.int32())
        columns["extra"] = self._extra_column(table.name, first_rows, len(parents))
        return columns

    def _extra_column(self, table: str, first_rows: RowNumbers, length: int) -> pa.Array[Any]:
        """The column `extra` of a table with `length` rows; `first_rows` holds the first row of each lead."""
        extras = {
            first_rows[lead] + row: json.dumps(extra, ensure_ascii=False, separators=(",", ":"))
            for lead, tables in self._extras.items()
            for row, extra in tables.get(table, {}).items()
        }
        if not extras:
            return pa.nulls(length, pa.string())
        return pa.array([extras.get(row) for row in range(length)], pa.string())


def _frame(table: Table, columns: Columns) -> pd.DataFrame:
    return make_frame(table.names, [columns[name] for name in table.names])

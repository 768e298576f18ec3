"""Replies in, Arrow tables out: the cells of a batch are gathered, then made into whole columns.

1. A scalar of the lead is a column of `leads`; it comes as its column's type or stays in `extra`.
2. A collection is a table of its own, keyed by the lead's id, its address and the row's position.
3. A custom field gives one row for each chosen option, or one row with its text, or one with null.
4. What has no column goes into the row's `extra`; nothing is dropped, nothing is invented.
5. Every table has all of its columns in their types, whatever came.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pipeline.errors import MalformedReply
from pipeline.outcomes import Answer
from pipeline.replies.drift import Drift
from pipeline.replies.read import FoundLead, read_leniently, read_normal
from pipeline.schema import LEAD_TABLES, LEADS, Table
from pipeline.tables.arrow import arrow_schema, column_of_texts, column_of_values
from pipeline.tables.cells import LeadRows, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pipeline.replies.drift import Extras
    from pipeline.replies.lead import Lead
    from pipeline.tables.cells import Indexes

    Column = pa.Array[Any]

CHILDREN = tuple(table for table in LEAD_TABLES if table is not LEADS)
_PACK = 64


@dataclass(frozen=True)
class Gathered:
    """The seven tables of a batch of replies as Arrow has them.

    Attributes:
        tables: by name, each with exactly the columns, order and types of `pipeline.schema`.
        parents: for each table but `leads`, the row of `leads` that each of its rows belongs to.
        drift: how the replies differed from the documented shape.
        skipped: replies that hold no lead, and so gave no row.
    """

    tables: dict[str, pa.Table]
    parents: dict[str, Column]
    drift: Drift = field(default_factory=Drift)
    skipped: int = 0


def gather(replies: Iterable[bytes | Answer], *, timezone: str | None = None) -> Gathered:
    """Make tables of raw replies, in their order; see `flatten`."""
    batch = _Batch()
    for reply in replies:
        if isinstance(reply, Answer):
            batch.add(reply.body, reply.email, reply.answered_at_ms)
        else:
            batch.add(reply)
    return batch.gathered(timezone)


class _Batch:
    """What a batch of replies is made of before it becomes tables."""

    def __init__(self) -> None:
        self._skipped = 0
        self._drift = Drift()
        self._requested: list[str | None] = []
        self._fetched: list[int | None] = []
        self._extras: dict[int, Extras] = {}
        self._found: list[Lead] = []  # and not yet taken in
        self._leads = LeadRows()
        self._items = {table.name: rows_of(table) for table in CHILDREN}

    def add(self, body: bytes | None, requested: str | None = None, fetched_ms: int | None = None) -> None:
        """Take in one reply, if it holds a lead."""
        lead = self._read(body)
        if lead is None:
            self._skipped += 1
            return
        self._requested.append(requested)
        self._fetched.append(fetched_ms)
        self._found.append(lead)
        if len(self._found) == _PACK:
            self._pack()

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

    def _pack(self) -> None:
        self._leads.add(self._found)
        for rows in self._items.values():
            rows.add(self._found)
        self._found.clear()

    def gathered(self, timezone: str | None) -> Gathered:
        """All that was taken in, as tables."""
        self._pack()
        leads = self._lead_table(timezone)
        tables = {LEADS.name: leads}
        parents: dict[str, Column] = {}
        for table in CHILDREN:
            indexes = self._items[table.name].parents()
            parents[table.name] = pa.array(indexes, pa.int64())
            tables[table.name] = self._child_table(table, indexes, leads, timezone)
        return Gathered(tables, parents, self._drift, self._skipped)

    def _lead_table(self, timezone: str | None) -> pa.Table:
        count = len(self._requested)
        columns = _cast(LEADS, self._leads.columns(), timezone)
        columns["requested_email"] = column_of_values(self._requested, "string")
        columns["extra"] = self._extra(LEADS.name, np.arange(count), count)
        columns["fetched_at"] = column_of_values(self._fetched, "timestamp[ms, UTC]")
        return _table(LEADS, columns, timezone)

    def _child_table(self, table: Table, parents: Indexes, leads: pa.Table, timezone: str | None) -> pa.Table:
        rows, lead_rows = len(parents), np.arange(len(leads))
        firsts = np.searchsorted(parents, lead_rows)
        columns = _cast(table, self._items[table.name].columns(), timezone)
        columns["lead_id"] = leads.column("id").take(parents)
        columns["email"] = leads.column("email").take(parents)
        columns["position"] = pa.array(np.arange(rows) - firsts[parents], pa.int32())
        columns["extra"] = self._extra(table.name, firsts, rows)
        return _table(table, columns, timezone)

    def _extra(self, name: str, firsts: Indexes, length: int) -> Column:
        """The column `extra` of a table of `length` rows, of which `firsts` has the first one of each lead."""
        extras = {
            firsts[lead] + row: json.dumps(extra, ensure_ascii=False, separators=(",", ":"))
            for lead, tables in self._extras.items()
            for row, extra in tables.get(name, {}).items()
        }
        if not extras:
            return pa.nulls(length, pa.string())
        return pa.array([extras.get(row) for row in range(length)], pa.string())


def _cast(table: Table, texts: dict[str, Column], timezone: str | None) -> dict[str, Any]:
    return {column.name: column_of_texts(texts[column.name], column.type, timezone) for column in table.api_columns}


def _table(table: Table, columns: dict[str, Any], timezone: str | None) -> pa.Table:
    schema = arrow_schema(table, timezone)
    return pa.Table.from_arrays([columns[name] for name in table.names], schema=schema)

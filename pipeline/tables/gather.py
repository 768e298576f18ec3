"""Replies in, Arrow tables out: the cells of a batch are gathered, then made into whole columns.

1. A scalar of the lead is a column of `leads`; it comes as its column's type or stays in `extra`.
2. A collection is a table of its own, keyed by the lead's id, its address and the row's position.
3. A custom field gives one row for each chosen option, or one row with its text, or one with null.
4. What has no column goes into the row's `extra`; nothing is dropped, nothing is invented.
5. Every table has all of its columns in their types, whatever came.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from pipeline.errors import MalformedReply
from pipeline.outcomes import Answer
from pipeline.replies.lead import SCALARS, CustomField
from pipeline.replies.lenient import Drift
from pipeline.replies.read import FoundLead, read_reply
from pipeline.schema import CUSTOM_FIELDS, LEAD_TABLES, LEADS, Table
from pipeline.tables.arrow import arrow_schema, column_of_texts, column_of_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Column = pa.Array[Any]
    Keys = pa.ChunkedArray[Any]

CHILDREN = tuple(table for table in LEAD_TABLES if table is not LEADS)
_OURS = ("lead_id", "email", "position", "extra")
_NAMES = {"leads": SCALARS} | {
    table.name: tuple(name for name in table.names if name not in _OURS) for table in CHILDREN
}
_astuple = msgspec.structs.astuple


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
    cells = _Cells()
    for reply in replies:
        answer = reply if isinstance(reply, Answer) else None
        body = answer.body if answer else reply
        found = _read(body)
        if found is None:
            cells.skipped += 1
        else:
            cells.add(found, answer.email if answer else None, answer.answered_at_ms if answer else None)
    return cells.gathered(timezone)


def _read(body: object) -> FoundLead | None:
    if not isinstance(body, bytes):
        return None
    try:
        reply = read_reply(body)
    except MalformedReply:
        return None
    return reply if isinstance(reply, FoundLead) else None


class _Cells:
    """The cells of a batch before they become columns.

    The cells of a table stand in one long list, row after row: a list of rows would be a hundred thousand objects for
    the garbage collector to walk through again and again.
    """

    def __init__(self) -> None:
        self.skipped = 0
        self._drift = Drift()
        self._requested: list[str | None] = []
        self._fetched: list[int | None] = []
        self._cells: dict[str, list[str | None]] = {table.name: [] for table in LEAD_TABLES}
        self._counts: dict[str, list[int]] = {table.name: [] for table in CHILDREN}
        self._extras: dict[str, dict[int, str]] = defaultdict(dict)

    def add(self, found: FoundLead, requested: str | None, fetched_ms: int | None) -> None:
        """Take in the rows of one lead."""
        lead = found.lead
        self._drift.add(found.drift)
        self._add_extras(found)
        self._cells["leads"] += _astuple(lead)[: len(SCALARS)]
        self._requested.append(requested)
        self._fetched.append(fetched_ms)
        for table in CHILDREN:
            items: list[Any] = getattr(lead, table.name)
            rows = _option_rows(items) if table is CUSTOM_FIELDS else list(map(_astuple, items))
            self._cells[table.name] += chain.from_iterable(rows)
            self._counts[table.name].append(len(rows))

    def _add_extras(self, found: FoundLead) -> None:
        for name, rows in found.extras.items():
            offset = len(self._cells[name]) // len(_NAMES[name])
            for row, extra in rows.items():
                self._extras[name][offset + row] = json.dumps(extra, ensure_ascii=False, separators=(",", ":"))

    def gathered(self, timezone: str | None) -> Gathered:
        """All that was added, as columns."""
        leads = self._lead_table(timezone)
        ids, emails = leads.column("id"), leads.column("email")
        parents = {table.name: self._parents(table) for table in CHILDREN}
        children = {t.name: self._child_table(t, parents[t.name], ids, emails, timezone) for t in CHILDREN}
        return Gathered({LEADS.name: leads, **children}, parents, self._drift, self.skipped)

    def _parents(self, table: Table) -> Column:
        return pa.array([n for n, count in enumerate(self._counts[table.name]) for _ in range(count)], pa.int64())

    def _lead_table(self, timezone: str | None) -> pa.Table:
        columns = self._read_columns(LEADS, timezone)
        columns["requested_email"] = column_of_values(self._requested, "string")
        columns["extra"] = self._extra("leads", len(self._requested))
        columns["fetched_at"] = column_of_values(self._fetched, "timestamp[ms, UTC]")
        return _table(LEADS, columns, timezone)

    def _child_table(self, table: Table, parents: Column, ids: Keys, emails: Keys, timezone: str | None) -> pa.Table:
        counts = self._counts[table.name]
        columns = self._read_columns(table, timezone)
        columns["lead_id"] = ids.take(parents)
        columns["email"] = emails.take(parents)
        columns["position"] = column_of_values([n for count in counts for n in range(count)], "int32")
        columns["extra"] = self._extra(table.name, len(parents))
        return _table(table, columns, timezone)

    def _read_columns(self, table: Table, timezone: str | None) -> dict[str, Any]:
        """The columns that come from the replies themselves."""
        cells, names = self._cells[table.name], _NAMES[table.name]
        return {
            name: column_of_texts(cells[n :: len(names)], table.type_of(name), timezone) for n, name in enumerate(names)
        }

    def _extra(self, name: str, length: int) -> Column:
        extras = self._extras.get(name)
        if not extras:
            return pa.nulls(length, pa.string())
        return pa.array([extras.get(row) for row in range(length)], pa.string())


def _option_rows(fields: Sequence[CustomField]) -> list[tuple[str | None, ...]]:
    """Rows of `custom_fields`: one for each chosen option, one for a field without any."""
    rows: list[tuple[str | None, ...]] = []
    for item in fields:
        head = (item.field_id, item.field_identifier, item.field_type)
        value = item.field_value
        if isinstance(value, list) and value:
            rows += [(*head, option.option_id, option.option_value) for option in value]
        else:
            rows.append((*head, None, value if isinstance(value, str) else None))
    return rows


def _table(table: Table, columns: dict[str, Any], timezone: str | None) -> pa.Table:
    schema = arrow_schema(table, timezone)
    return pa.Table.from_arrays([columns[name] for name in table.names], schema=schema)

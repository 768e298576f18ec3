"""Replies in, pandas frames out: what a run publishes and what a notebook gets.

1. A scalar of the lead is a column of `leads`, in the column's type; what does not fit the type goes into `extra`.
2. A collection is a table of its own, keyed by the lead's id, its address and the row's position.
3. A custom field is one row for each chosen option, or one row with its string value, or one with null.
4. A key without a column goes into the row's `extra`: nothing is dropped, nothing is invented.
5. Every table has all of its columns in their types, whatever the replies hold.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pandas as pd  # noqa: TC002 - the fields of a public dataclass resolve at run time
import pyarrow as pa

from pipeline.errors import MalformedReply
from pipeline.replies.drift import Drift
from pipeline.replies.lenient import add_extra
from pipeline.replies.read import FoundLead, ReplyReader
from pipeline.replies.shape import REPLY
from pipeline.schema import LEAD_TABLES, LEADS
from pipeline.tables.frames import make_frame, value_column
from pipeline.tables.given import check_timezone, each_reply
from pipeline.tables.rows import LeadRows

if TYPE_CHECKING:
    from pipeline.columns import Table
    from pipeline.replies.drift import Extras
    from pipeline.replies.shape import Shape
    from pipeline.tables.given import Replies
    from pipeline.tables.rows import Columns, ItemRows, ObjectRows, RowNumbers

_CHUNK_LEADS = 32
_encoder = msgspec.json.Encoder(order="sorted")


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


def flatten(replies: Replies, *, timezone: str | None = None) -> Frames:
    """Make frames of raw replies, in their order.

    Args:
        replies: bodies as the API sent them, answers, or the frame of `replies.parquet`; bodies alone leave
            `requested_email` and `fetched_at` null.
        timezone: the zone of the API's dates, to convert them to UTC; None leaves them as given.

    Raises:
        WrongArgument: something is no reply, or there is no such time zone.
    """
    check_timezone(timezone)
    batch = _Batch()
    for body, requested, fetched_ms in each_reply(replies):
        batch.add(body, requested, fetched_ms)
    return batch.frames(timezone)


class _Batch:
    """The leads of a batch of replies on their way to becoming frames."""

    def __init__(self) -> None:
        self._skipped = 0
        self._drift = Drift()
        self._requested: list[str | None] = []
        self._fetched_ms: list[int | None] = []
        self._extras: dict[int, Extras] = {}
        self._reader = ReplyReader()
        self._chunk: list[Any] = []
        self._rows = LeadRows()

    def add(self, body: bytes | None, requested: str | None = None, fetched_ms: int | None = None) -> None:
        """Add one reply, if it holds a lead."""
        shape = self._reader.shape
        found = self._read(body)
        if found is None:
            self._skipped += 1
            return
        if found.drift:
            self._drift.add(found.drift)
            self._extras[len(self._requested)] = found.extras
        self._requested.append(requested)
        self._fetched_ms.append(fetched_ms)
        self._chunk.append(found.lead)
        if len(self._chunk) == _CHUNK_LEADS or self._reader.shape is not shape:
            self._add_chunk(shape)

    def _read(self, body: object) -> FoundLead | None:
        if not isinstance(body, bytes):
            return None
        try:
            found = self._reader.read(body)
        except MalformedReply:
            return None
        return found if isinstance(found, FoundLead) else None

    def _add_chunk(self, shape: Shape) -> None:
        self._rows.add_leads(self._chunk, shape)
        self._chunk.clear()

    def frames(self, timezone: str | None) -> Frames:
        """Everything that was added."""
        self._add_chunk(self._reader.shape)
        leads = self._lead_columns(timezone)
        columns = {LEADS.name: leads}
        parents: dict[str, RowNumbers] = {}
        for table, rows in self._rows.collections.items():
            parents[table] = rows.parents()
            columns[table] = self._child_columns(table, rows, parents[table], leads, timezone)
        frames = {table.name: _frame(table, columns[table.name]) for table in LEAD_TABLES}
        return Frames(**frames, parents=parents, drift=self._drift, skipped=self._skipped)

    def _lead_columns(self, timezone: str | None) -> Columns:
        count = len(self._requested)
        columns = self._rows.columns(timezone)
        columns["requested_email"] = value_column(self._requested, "string")
        columns["extra"] = self._extra_column(LEADS.name, self._rows, np.arange(count), count)
        columns["fetched_at"] = value_column(self._fetched_ms, "timestamp[ms, UTC]")
        return columns

    def _child_columns(
        self, table: str, rows: ItemRows, parents: RowNumbers, leads: Columns, timezone: str | None
    ) -> Columns:
        first_rows = np.searchsorted(parents, np.arange(len(leads["id"])))
        columns = rows.columns(timezone)
        columns["lead_id"] = leads["id"].take(parents)
        columns["email"] = leads["email"].take(parents)
        columns["position"] = pa.array(np.arange(len(parents)) - first_rows[parents], pa.int32())
        columns["extra"] = self._extra_column(table, rows, first_rows, len(parents))
        return columns

    def _extra_column(self, table: str, rows: ObjectRows, first_rows: RowNumbers, length: int) -> pa.Array[Any]:
        """The column `extra` of a table with `length` rows; `first_rows` holds the first row of each lead."""
        self._drift.add(rows.drift)
        extras = rows.extra
        for lead, tables in self._extras.items():
            for row, extra in tables.get(table, {}).items():
                for key, value in extra.items():
                    add_extra(extras.setdefault(int(first_rows[lead]) + row, {}), key, value, REPLY)
        if not extras:
            return pa.nulls(length, pa.string())
        texts = _encoder.encode_lines(extras.values()).splitlines()
        numbers = np.full(length, -1)
        numbers[list(extras)] = np.arange(len(extras))
        return pa.array(texts, pa.string()).take(pa.array(numbers, mask=numbers < 0))


def _frame(table: Table, columns: Columns) -> pd.DataFrame:
    return make_frame(table.names, [columns[name] for name in table.names])

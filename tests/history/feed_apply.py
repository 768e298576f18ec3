"""What a reader does with the feed: applied to the tables of the run before, it gives those of this run."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.history.cells import cells_of
from pipeline.schema import IDENTITIES, LEAD_TABLES, LEADS
from pipeline.tables.frames import arrow_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pandas as pd

Row = dict[str, Any]
Tables = dict[str, dict[str, list[Row]]]
"""The rows of each table by requested address: columns that are compared, without nulls and without `extra`."""

_DERIVED = ("requested_email", "fetched_at", "lead_id", "email", "position", "extra")


def tables_of(frames: Mapping[str, pd.DataFrame], requested: Mapping[str, list[str]]) -> Tables:
    """The rows of frames; `requested` has for each table the address that each of its rows belongs to."""
    found: Tables = {}
    for table in LEAD_TABLES:
        frame = frames[table.name]
        left_out = set(_DERIVED) - ({"email"} if table is LEADS else set())
        names = [name for name in table.names if name not in left_out]
        columns = [cells_of(arrow_column(frame, name)) for name in names]
        for email, *cells in zip(requested[table.name], *columns, strict=True):
            row = {name: cell for name, cell in zip(names, cells, strict=True) if cell is not None}
            found.setdefault(table.name, {}).setdefault(email, []).append(row)
    return found


def applied(tables: Tables, feed: Iterable[Row]) -> Tables:
    """The tables after the changes of the feed."""
    after = {name: {email: list(map(dict, rows)) for email, rows in by.items()} for name, by in tables.items()}
    for change in feed:
        if change["table_name"] == "outcomes":
            continue
        rows = after.setdefault(change["table_name"], {}).setdefault(change["requested_email"], [])
        if change["change"] == "added":
            rows.append(_row(change["new_value"]))
        elif change["change"] == "removed":
            rows.remove(_row(change["old_value"]))
        elif not change["column_name"].startswith("extra."):
            _set(next(filter(_is_item(change), rows)), change)
    return after


def _row(text: str) -> Row:
    return {name: value for name, value in json.loads(text).items() if name != "extra"}


def _is_item(change: Row) -> Callable[[Row], bool]:
    if change["item"] is None:
        return lambda _: True
    names = IDENTITIES[change["table_name"]]
    return lambda row: [row.get(name) for name in names] == json.loads(change["item"])


def _set(row: Row, change: Row) -> None:
    name, value = change["column_name"], change["new_value"]
    before = row.pop(name, None)
    assert (None if before is None else str(before)) == change["old_value"]
    table = next(table for table in LEAD_TABLES if table.name == change["table_name"])
    if value is not None:
        row[name] = int(value) if table.type_of(name).startswith("int") else value


def multisets(tables: Tables) -> dict[tuple[str, str], Counter[str]]:
    """The rows of each table and address, whatever their order."""
    return {
        (name, email): Counter(json.dumps(row, sort_keys=True) for row in rows)
        for name, by in tables.items()
        for email, rows in by.items()
        if rows
    }


def records(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame of the feed."""
    return pa.Table.from_pandas(frame, preserve_index=False).to_pylist()

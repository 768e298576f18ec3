"""Frames of the same shape with what is left out emptied and what is hashed hashed, for whatever is made of frames.

Tables are published without the columns that are left out, see `ColumnRules.transform`. What compares frames, or joins
their rows to leads by number, needs all of them.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.schema import CUSTOM_FIELDS, LEAD_TABLES, LEADS
from pipeline.tables.frames import arrow_column, make_frame

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.columns import Table
    from pipeline.privacy.columns import ColumnRules, Hasher
    from pipeline.tables.flatten import Frames


def masked(rules: ColumnRules, frames: Frames) -> Frames:
    """The same rows and columns; those of columns that are left out are null, and hashes are strings.

    Of a custom field that is left out, value and option are null.
    """
    if rules.is_empty:
        return frames
    hasher = rules.hasher()
    done = {name: _masked(rules, name, frame, hasher) for name, frame in frames.by_name().items()}
    changed: dict[str, Any] = done
    return dataclasses.replace(frames, **changed)


def published_rows(rules: ColumnRules, frames: Frames) -> Frames:
    """The same columns, with the rows that are published: no tables and custom fields that are left out."""
    if rules.is_empty:
        return frames
    changed: dict[str, Any] = {}
    parents = dict(frames.parents)
    for table in LEAD_TABLES:
        frame = frames.by_name()[table.name]
        if table is LEADS or not len(frame) or (stays := _published(rules, table, frame)).all():
            continue
        changed[table.name] = make_frame(
            frame.columns, [arrow_column(frame, name).filter(pa.array(stays)) for name in frame.columns]
        )
        parents[table.name] = parents[table.name][stays]
    return dataclasses.replace(frames, **changed, parents=parents)


def _published(rules: ColumnRules, table: Table, frame: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which rows of a table are published."""
    if not rules.publishes(table):
        return np.zeros(len(frame), np.bool_)
    if table is not CUSTOM_FIELDS or not rules.dropped.custom:
        return np.ones(len(frame), np.bool_)
    actions = rules.custom_actions({name: arrow_column(frame, name) for name in frame.columns})
    return np.array([action != "drop" for action in actions], np.bool_)


def _masked(rules: ColumnRules, table: str, frame: pd.DataFrame, hasher: Hasher) -> pd.DataFrame:
    columns: dict[str, Any] = {name: arrow_column(frame, name) for name in frame.columns}
    if table == CUSTOM_FIELDS.name:
        columns |= _custom_fields(rules, columns, hasher)
    for name, column in columns.items():
        match rules.action(table, name):
            case "drop":
                columns[name] = pa.nulls(len(column), column.type)
            case "hash":
                columns[name] = hasher.column(table, name, column)
    return make_frame(columns, columns.values())


def _custom_fields(rules: ColumnRules, columns: dict[str, Any], hasher: Hasher) -> dict[str, Any]:
    """The values and options of custom fields, those of some hashed or empty, unless all are treated alike."""
    actions = rules.custom_actions(columns)
    stays, hashes = (pa.array([action == wanted for action in actions], pa.bool_()) for wanted in ("keep", "hash"))
    done = {}
    for name in ("option_id", "value"):
        if rules.action(CUSTOM_FIELDS.name, name) == "keep" and not {*actions} <= {"keep"}:
            nothing = pa.scalar(None, columns[name].type)
            chosen = pc.call_function("if_else", [hashes, columns[name], nothing])
            kept = pc.call_function("if_else", [stays, columns[name], nothing])
            done[name] = pc.call_function("coalesce", [kept, hasher.column(CUSTOM_FIELDS.name, name, chosen)])
    return done

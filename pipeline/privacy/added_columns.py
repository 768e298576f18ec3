"""What becomes of the columns that `enrich` adds: the same as of the columns of tables that they are made of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from pipeline.schema import CUSTOM_FIELDS, LEADS, OUTCOMES, TRANSACTIONS
from pipeline.tables.frames import arrow_column, make_frame
from pipeline.tables.wide import CUSTOM, SCALARS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import pandas as pd

    from pipeline.privacy.columns import Action, ColumnRules, Hasher
    from pipeline.tables.flatten import Frames

_NAMES = {"tags": "tag_name", "lists": "list_name", "sequences": "sequence_name", "memberships": "name"}
"""Fields of names, which are called like their table, with the column of these."""
_LEVEL = ("memberships", "level_name")
_DATE = "last_transaction_date"
_SHOWN: Mapping[Action, Callable[[str, Callable[[str], str]], str | None]] = {
    "keep": lambda value, _: value,
    "drop": lambda _, __: None,
    "hash": lambda value, hashed: hashed(value),
}
"""What is shown of the value of a custom field."""


class AddedColumns:
    """Leaves out and hashes columns of `enrich` as the rules of the tables say."""

    def __init__(self, rules: ColumnRules) -> None:
        self._rules = rules

    def left(self, fields: Iterable[str]) -> list[str]:
        """The fields, and patterns of custom fields, that are not left out."""
        return [name for name in fields if self._action(name) != "drop"]

    @property
    def has_id(self) -> bool:
        """Whether the lead's id is added."""
        return self._action("id") != "drop"

    def types(self, types: Mapping[str, pa.DataType]) -> dict[str, pa.DataType]:
        """The types of fields: hashes are strings."""
        return {name: pa.string() if self._action(name) == "hash" else kind for name, kind in types.items()}

    def reason(self, code: str | None, message: str | None) -> str | None:
        """Why a row has no answer; without the sentence, which is free text, unless that is published as it is."""
        tells = message and self._rules.action(OUTCOMES.name, "message") == "keep"
        return f"{code}: {message}" if tells else code

    def names_hashed(self, frames: Frames) -> Frames:
        """The same frames with those names and values hashed, or emptied, of which several share a cell."""
        if self._rules.is_empty:
            return frames
        hasher, by_name = self._rules.hasher(), frames.by_name()
        changed: dict[str, Any] = {
            name: self._hashed(by_name[name], name, column, hasher) for name, column in _NAMES.items()
        }
        changed["memberships"] = self._hashed(changed["memberships"], *_LEVEL, hasher)
        return dataclasses.replace(frames, **changed, custom_fields=self._custom_fields(by_name, hasher))

    def hashed(self, leads: pd.DataFrame) -> pd.DataFrame:
        """What `widen` makes of such frames, with the other columns hashed."""
        if self._rules.is_empty:
            return leads
        hasher = self._rules.hasher()
        columns = {}
        for name in leads.columns:
            column = arrow_column(leads, name)
            is_whole = name in ("id", _DATE, *SCALARS)
            place = (TRANSACTIONS.name, "transaction_date") if name == _DATE else (LEADS.name, name)
            columns[name] = hasher.column(*place, column) if is_whole and self._action(name) == "hash" else column
        return make_frame(columns, columns.values()).set_axis(leads.index)

    def _action(self, field: str) -> Action:
        rules = self._rules
        if field.startswith(CUSTOM):
            action = rules.custom_action(field.removeprefix(CUSTOM), None)
            return rules.action(CUSTOM_FIELDS.name, "value") if action == "keep" else action
        if column := _NAMES.get(field):
            # What is not active is left out of the cell, and so the cell tells what is.
            hidden = rules.action(field, "active") != "keep"
            return "drop" if hidden else rules.action(field, column)
        if field == "transaction_count":
            return "keep" if rules.publishes(TRANSACTIONS) else "drop"
        return rules.action(*((TRANSACTIONS.name, "transaction_date") if field == _DATE else (LEADS.name, field)))

    def _hashed(self, frame: pd.DataFrame, table: str, name: str, hasher: Hasher) -> pd.DataFrame:
        action = self._rules.action(table, name)
        if action == "keep":
            return frame
        columns = {each: arrow_column(frame, each) for each in frame.columns}
        column: Any = columns[name]
        columns[name] = hasher.column(table, name, column) if action == "hash" else pa.nulls(len(column), column.type)
        return make_frame(columns, columns.values())

    def _custom_fields(self, frames: Mapping[str, pd.DataFrame], hasher: Hasher) -> pd.DataFrame:
        """Custom fields with the values of some hashed, and of others emptied; no row goes, for rows are numbered."""
        table = CUSTOM_FIELDS.name
        frame = self._hashed(frames[table], table, "value", hasher)
        columns = {name: arrow_column(frame, name) for name in frame.columns}
        actions = self._rules.custom_actions(columns)
        if {*actions} <= {"keep"}:
            return frame
        is_done = self._rules.action(table, "value") != "keep"  # for all fields alike
        hashed = str if is_done else hasher.value
        values = zip(actions, columns["value"].to_pylist(), strict=True)
        changed = [value if value is None else _SHOWN[action](value, hashed) for action, value in values]
        columns["value"] = pa.array(changed, pa.string())
        return make_frame(columns, columns.values())

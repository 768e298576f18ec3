"""What becomes of the columns that `enrich` adds: the same as of the columns of tables that they are made of."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.privacy.masking import masked
from pipeline.schema import CUSTOM_FIELDS, LEADS, OUTCOMES, TRANSACTIONS
from pipeline.tables.frames import arrow_column, make_frame
from pipeline.tables.wide import CUSTOM, widen

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from pipeline.privacy.columns import Action, ColumnRules
    from pipeline.tables.flatten import Frames

_NAMES = {"tags": "tag_name", "lists": "list_name", "sequences": "sequence_name", "memberships": "name"}
"""Fields of names, which are called like their table, with the column of these."""
_DATE, _DATE_OF = "last_transaction_date", (TRANSACTIONS.name, "transaction_date")


class AddedColumns:
    """Leaves out and hashes columns of `enrich` as the rules of the tables say."""

    def __init__(self, rules: ColumnRules) -> None:
        self._rules = rules

    def left(self, fields: Iterable[str]) -> list[str]:
        """The fields that are not left out; patterns of custom fields must be expanded."""
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

    def widened(self, frames: Frames, fields: Sequence[str], *, separator: str) -> pd.DataFrame:
        """What `widen` makes of the frames: names that share a cell are hashed one by one, and of dates the latest."""
        hidden = dataclasses.replace(masked(self._rules, frames), transactions=frames.transactions)
        leads = widen(hidden, fields, separator=separator)
        if _DATE not in fields or self._action(_DATE) == "keep":
            return leads
        columns = {name: arrow_column(leads, name) for name in leads.columns}
        columns[_DATE] = self._rules.hasher().column(*_DATE_OF, columns[_DATE])
        return make_frame(columns, columns.values())

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
        return rules.action(*(_DATE_OF if field == _DATE else (LEADS.name, field)))

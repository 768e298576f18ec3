"""What becomes of people's data in the feed of changes: the same as in the tables that it is about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from pipeline.emails.address import key
from pipeline.privacy.columns import AS_THEY_ARE, ColumnRules
from pipeline.privacy.masking import masked, published_rows
from pipeline.privacy.suppression import suppressed_in
from pipeline.schema import LEADS
from pipeline.tables.frames import arrow_column, make_frame

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from pipeline.privacy.suppression import SuppressionList
    from pipeline.tables.flatten import Frames

_ORIGINALS = {"requested_email": "requested_email", "lead_id": "id"}
"""Columns of the feed, and those of `leads` that hold the same."""


@dataclass(frozen=True, slots=True)
class FeedRules:
    """What is done to the feed; picklable.

    Attributes:
        rules: what becomes of each column of the tables.
        forgotten: addresses about which the feed says nothing, in the form in which spellings are equal.
    """

    rules: ColumnRules = AS_THEY_ARE
    forgotten: frozenset[str] = frozenset()

    @classmethod
    def of(cls, rules: ColumnRules, suppressed: SuppressionList, *outcomes: Path) -> FeedRules:
        """Rules for the feed between runs, of which these `outcomes` may still hold people who are suppressed.

        Raises:
            StorageError: a file cannot be read.
        """
        return cls(rules, frozenset[str]().union(*(suppressed_in(path, suppressed) for path in outcomes)))

    def mask(self, frames: Frames) -> Frames:
        """The rows of leads that are published, with what is left out of them null, and what is hashed hashed."""
        return masked(self.rules, published_rows(self.rules, frames))

    def publish(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of the feed whose tables were masked, with whom they are about treated alike."""
        if self.rules.is_empty:
            return rows
        hasher = self.rules.hasher()
        columns = {name: arrow_column(rows, name) for name in rows.columns}
        for name, original in _ORIGINALS.items():
            match self.rules.action(LEADS.name, original):
                case "drop":
                    columns[name] = pa.nulls(len(rows), columns[name].type)
                case "hash":
                    columns[name] = hasher.column(LEADS.name, original, columns[name])
        return make_frame(columns, columns.values())

    def forgets(self, email: str) -> bool:
        """Whether nothing is to be said about an address."""
        return bool(self.forgotten) and key(email) in self.forgotten

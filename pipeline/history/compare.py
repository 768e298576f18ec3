"""What changed in the tables of the same addresses: the lead's cells one by one, and the items of each table."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.history.cells import cells_of, text_of
from pipeline.history.items import ADDED, CHANGED, REMOVED, Change, Columns, extra_differences, item_changes
from pipeline.replies.drift import safe_name
from pipeline.schema import IDENTITIES, LEAD_TABLES, LEADS
from pipeline.tables.frames import arrow_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd

    from pipeline.history.items import Differences, Row
    from pipeline.tables.flatten import Frames

_NOT_COMPARED = {
    LEADS.name: frozenset(("requested_email", "fetched_at")),
    **dict.fromkeys(IDENTITIES, frozenset(("lead_id", "email", "position"))),
}
"""What says where a row belongs and when it came: it is in columns of the feed, or follows from the lead."""
_EXTRA = "extra"


class Pair(NamedTuple):
    """An address on both sides: the number of its lead in the frames before, and in those now; None without a lead."""

    old: int | None
    new: int | None


@dataclass(slots=True)
class Compared:
    """What changed.

    Attributes:
        changes: for each pair in turn what changed in the tables of its lead, in the order of the schema.
        appeared: by `table.key`, how often a key is in `extra` now that was not there before.
        vanished: the same of keys that are not there any more.
        emptied: pairs, and tables in which the lead had items and has none.
    """

    changes: list[list[Change]]
    appeared: Counter[str] = field(default_factory=Counter)
    vanished: Counter[str] = field(default_factory=Counter)
    emptied: list[tuple[int, str]] = field(default_factory=list)

    def take(self, pair: int, table: str, found: Differences) -> None:
        """Add what differs in a table of the lead of a pair."""
        self.changes[pair] += found.changes
        self.appeared.update(safe_name(table, key) for key in found.appeared)
        self.vanished.update(safe_name(table, key) for key in found.vanished)


@dataclass(frozen=True, slots=True)
class Ignored:
    """Which columns are not compared.

    Attributes:
        patterns: of names such as `leads.score`, `leads.extra.KEY` and `transactions.*`.
    """

    patterns: tuple[str, ...] = ()

    def __call__(self, name: str) -> bool:
        """Whether the column of that name is one of them."""
        return any(fnmatchcase(name, pattern) for pattern in self.patterns)


def compare(old: Frames, new: Frames, pairs: Sequence[Pair], ignored: Callable[[str], bool] = Ignored()) -> Compared:
    """Compare the leads of pairs; a lead that only one side has came or went with all of its items.

    Both sides must be flattened by the same code with the same settings, so that these make no change.
    """
    compared = Compared([[] for _ in pairs])
    _compare_leads(old.leads, new.leads, pairs, ignored, compared)
    for table, identity in IDENTITIES.items():
        before = _Items.of(old, table)
        now = _Items.of(new, table)
        if not (before.rows or now.rows):
            continue
        columns = Columns.of(table, now.names, identity, ignored)
        if not (columns.identity or columns.values or columns.extra is not None):
            continue
        for number, pair in enumerate(pairs):
            was, is_now = before.of_lead(pair.old), now.of_lead(pair.new)
            if was != is_now:
                compared.take(number, table, item_changes(columns, was, is_now))
                if not is_now:
                    compared.emptied.append((number, table))
    return compared


def _compare_leads(
    old: pd.DataFrame, new: pd.DataFrame, pairs: Sequence[Pair], ignored: Callable[[str], bool], compared: Compared
) -> None:
    columns = _lead_columns(new, ignored)
    both = [number for number, pair in enumerate(pairs) if pair.old is not None and pair.new is not None]
    numbers = np.array(both, np.int64)
    before, now = (pa.array([pairs[number][side] for number in both], pa.int64()) for side in (0, 1))
    for name in columns.names:
        if ignored(f"{LEADS.name}.{name}"):
            continue
        was, is_now = arrow_column(old, name).take(before), arrow_column(new, name).take(now)
        where = np.flatnonzero(_differs(was, is_now))
        if len(where):
            cells = zip(numbers[where].tolist(), cells_of(was.take(where)), cells_of(is_now.take(where)), strict=True)
            for number, one, other in cells:
                if name == _EXTRA:
                    compared.take(number, LEADS.name, extra_differences(columns, one, other))
                else:
                    change = Change(LEADS.name, CHANGED, None, name, text_of(one), text_of(other))
                    compared.changes[number].append(change)
    _take_whole_leads(old, new, pairs, columns, compared)


def _take_whole_leads(
    old: pd.DataFrame, new: pd.DataFrame, pairs: Sequence[Pair], columns: Columns, compared: Compared
) -> None:
    """Add the leads that came, and those that went."""
    came = [(number, pair.new) for number, pair in enumerate(pairs) if pair.old is None and pair.new is not None]
    went = [(number, pair.old) for number, pair in enumerate(pairs) if pair.new is None and pair.old is not None]
    for number, row in _rows_of(new, came, columns.names):
        compared.changes[number].append(Change(LEADS.name, ADDED, new=columns.json_of(row)))
    for number, row in _rows_of(old, went, columns.names):
        compared.changes[number].append(Change(LEADS.name, REMOVED, old=columns.json_of(row)))


def _lead_columns(leads: pd.DataFrame, ignored: Callable[[str], bool]) -> Columns:
    names = [name for name in leads.columns if name not in _NOT_COMPARED[LEADS.name]]
    return Columns.of(LEADS.name, names, (), ignored)


def _rows_of(leads: pd.DataFrame, wanted: Sequence[tuple[int, int]], names: Sequence[str]) -> Iterator[tuple[int, Row]]:
    """The number of each wanted pair with the row of its lead."""
    if wanted:
        where = pa.array([row for _, row in wanted], pa.int64())
        cells = [cells_of(arrow_column(leads, name).take(where)) for name in names]
        yield from zip((number for number, _ in wanted), zip(*cells, strict=True), strict=True)


def _differs(one: pa.Array[Any], other: pa.Array[Any]) -> np.ndarray[Any, Any]:
    """Where two columns differ; null is equal to null only."""
    if one.type != other.type:  # a batch with very long strings has `large_string`
        one, other = one.cast(pa.large_string()), other.cast(pa.large_string())
    unequal: Any = pc.not_equal(one, other).fill_null(False)
    differs: Any = pc.or_(unequal, pc.xor(one.is_null(), other.is_null()))
    return np.asarray(differs.to_numpy(zero_copy_only=False))


@dataclass(frozen=True, slots=True)
class _Items:
    """The rows of a table by lead.

    Attributes:
        names: the columns in a row.
        rows: in the order of the table.
        starts: the number of the first row of each lead, and last of all that of the rows.
    """

    names: tuple[str, ...]
    rows: list[Row]
    starts: list[int]

    @classmethod
    def of(cls, frames: Frames, table: str) -> _Items:
        """The rows of a table of frames."""
        frame = frames.by_name()[table]
        names = tuple(name for name in frame.columns if name not in _NOT_COMPARED[table])
        cells = [cells_of(arrow_column(frame, name)) for name in names]
        leads = np.arange(len(frames.leads) + 1)
        return cls(names, list(zip(*cells, strict=True)), np.searchsorted(frames.parents[table], leads).tolist())

    def of_lead(self, lead: int | None) -> list[Row]:
        """The rows of a lead; none for None."""
        return [] if lead is None else self.rows[self.starts[lead] : self.starts[lead + 1]]


COMPARED = tuple(
    f"{table.name}.{name}" for table in LEAD_TABLES for name in table.names if name not in _NOT_COMPARED[table.name]
)
"""The columns that are compared unless they are ignored, as `table.column`."""

"""The items that a lead had in a table, and those that it has now: which ones came, went, or have other values.

An item is known by its natural identity, such as the name of a tag; where it stands among the others says nothing. If
several items of a lead have the same identity, or none at all, nobody can tell which of them has become which: what
differs then went as a whole row and came as another.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from pipeline.history.cells import extra_cells, json_array, json_of, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pipeline.history.cells import Cell

Row = tuple["Cell", ...]
ADDED, REMOVED, CHANGED = "added", "removed", "changed"
_EXTRA = "extra"


class Change(NamedTuple):
    """One row of the feed, without what all rows of an address share.

    Attributes:
        table: the name of the table.
        change: `added`, `removed` or `changed`.
        item: the identity of the item as a JSON array; None for a lead and for an outcome.
        column: the column whose value changed; None if a whole row came or went.
        old: the value before, or the whole row that went.
        new: the value now, or the whole row that came.
    """

    table: str
    change: str
    item: str | None = None
    column: str | None = None
    old: str | None = None
    new: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table as they are compared.

    Attributes:
        table: its name.
        names: of all columns in a row, in order.
        identity: the positions of those that tell items of a lead apart; () if a whole row does.
        values: the positions of the others, but for `extra` and what is ignored.
        extra: the position of `extra`; None if it is not there, or ignored.
        is_ignored: whether changes of a column are not wanted; it is given `TABLE.COLUMN`, or `TABLE.extra.KEY`.
    """

    table: str
    names: tuple[str, ...]
    identity: tuple[int, ...]
    values: tuple[int, ...]
    extra: int | None
    is_ignored: Callable[[str], bool]

    @classmethod
    def of(
        cls, table: str, names: Sequence[str], identity: Sequence[str], is_ignored: Callable[[str], bool]
    ) -> Columns:
        """Those of rows with these names; `identity` are the names of the columns that tell items apart."""
        wanted = [n for n, name in enumerate(names) if not is_ignored(f"{table}.{name}")]
        known = tuple(n for n in wanted if names[n] in identity)
        values = tuple(n for n in wanted if n not in known and names[n] != _EXTRA)
        extra = next((n for n in wanted if names[n] == _EXTRA), None)
        return cls(table, tuple(names), known, values, extra, is_ignored)

    def json_of(self, row: Row) -> str:
        """A whole row as JSON."""
        return json_of(self.names, row)


class Differences(NamedTuple):
    """What differs between two rows: the changed cells, and the keys that only one side's `extra` has."""

    changes: list[Change]
    appeared: list[str]
    vanished: list[str]

    def add(self, other: Differences) -> None:
        """Add those of other rows."""
        self.changes.extend(other.changes)
        self.appeared.extend(other.appeared)
        self.vanished.extend(other.vanished)


def extra_differences(columns: Columns, old: Cell, new: Cell, item: str | None = None) -> Differences:
    """How two cells of `extra` differ: a key that one of them lacks is unknown there, and makes no change."""
    found = Differences([], [], [])
    if old == new:
        return found
    before, after = extra_cells(old), extra_cells(new)
    for key in sorted(before.keys() | after.keys()):
        name = f"{_EXTRA}.{key}"
        if columns.is_ignored(f"{columns.table}.{name}"):
            continue
        if key not in before:
            found.appeared.append(key)
        elif key not in after:
            found.vanished.append(key)
        elif before[key] != after[key]:
            found.changes.append(Change(columns.table, CHANGED, item, name, before[key], after[key]))
    return found


def item_changes(columns: Columns, old: Sequence[Row], new: Sequence[Row]) -> Differences:
    """What changed among the items of a lead, by item in the order of code points."""
    found = Differences([], [], [])
    before, after = _by_identity(columns, old), _by_identity(columns, new)
    for identity in before.keys() | after.keys():
        gone, come = before.get(identity, []), after.get(identity, [])
        if gone != come:
            for differences in _of_identity(columns, identity, gone, come):
                found.add(differences)
    found.changes.sort(key=_place(columns))
    return found


def _place(columns: Columns) -> Callable[[Change], tuple[str, int, int, str, str]]:
    """Where a change stands among those of the table: by item, what went before what changed and what came."""
    order = {name: n for n, name in enumerate(columns.names)}
    kinds = {REMOVED: 0, CHANGED: 1, ADDED: 2}

    def place(change: Change) -> tuple[str, int, int, str, str]:
        column = (change.column or "").partition(".")[0]
        return change.item or "", kinds[change.change], order.get(column, 0), change.column or "", str(change[4:])

    return place


def _by_identity(columns: Columns, rows: Sequence[Row]) -> dict[Row, list[Row]]:
    found: dict[Row, list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[n] for n in columns.identity), []).append(row)
    return found


def _of_identity(columns: Columns, identity: Row, old: list[Row], new: list[Row]) -> Iterator[Differences]:
    item = json_array(identity)
    if len(old) == len(new) == 1 and identity and identity[0] is not None:
        yield _of_one(columns, item, old[0], new[0])
        return
    same, gone, come = _paired(old, new, _with_plain_extra(columns))
    same, gone, come = _paired(gone, come, _without_extra(columns)) if gone and come else ([], gone, come)
    removed = [Change(columns.table, REMOVED, item, old=columns.json_of(row)) for row in gone]
    added = [Change(columns.table, ADDED, item, new=columns.json_of(row)) for row in come]
    yield Differences([*removed, *added], [], [])
    if columns.extra is not None:
        yield from (extra_differences(columns, was[columns.extra], now[columns.extra], item) for was, now in same)


def _of_one(columns: Columns, item: str, old: Row, new: Row) -> Differences:
    """How an item's values differ."""
    changes = [
        Change(columns.table, CHANGED, item, columns.names[n], text_of(old[n]), text_of(new[n]))
        for n in columns.values
        if old[n] != new[n]
    ]
    if columns.extra is None:
        return Differences(changes, [], [])
    extra = extra_differences(columns, old[columns.extra], new[columns.extra], item)
    return extra._replace(changes=[*changes, *extra.changes])


def _paired(
    old: list[Row], new: list[Row], comparable: Callable[[Row], object]
) -> tuple[list[tuple[Row, Row]], list[Row], list[Row]]:
    """Pairs of rows that are the same by what `comparable` gives, and the rows of both sides that have no partner."""
    waiting: dict[object, deque[Row]] = {}
    for row in new:
        waiting.setdefault(comparable(row), deque()).append(row)
    pairs: list[tuple[Row, Row]] = []
    gone: list[Row] = []
    for row in old:
        others = waiting.get(comparable(row))
        if others:
            pairs.append((row, others.popleft()))
        else:
            gone.append(row)
    return pairs, gone, [row for others in waiting.values() for row in others]


def _with_plain_extra(columns: Columns) -> Callable[[Row], object]:
    """What two rows have in common that differ in nothing but how PHP has written it."""
    bare = _without_extra(columns)
    if columns.extra is None:
        return bare
    extra = itemgetter(columns.extra)
    return lambda row: (bare(row), frozenset(extra_cells(extra(row)).items()))


def _without_extra(columns: Columns) -> Callable[[Row], object]:
    positions = (*columns.identity, *columns.values)
    return lambda row: tuple(row[n] for n in positions)

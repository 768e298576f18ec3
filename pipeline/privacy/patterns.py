"""Patterns of columns, and the columns that they name.

| pattern | names |
| `leads.phone` | one column |
| `*.extra`, `leads.gdpr_*` | every column that matches; `*`, `?` and `[…]` as in file names |
| `transactions`, `transactions.*` | a whole table |
| `custom.NAME` | a custom field by its identifier or its id; also a pattern |
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from pipeline.errors import UsageError
from pipeline.schema import LEAD_TABLES, OUTCOMES, REPLIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pipeline.columns import Column, Table

CUSTOM = "custom"
"""What stands for the table in the pattern of a custom field."""
TABLES = (*LEAD_TABLES, OUTCOMES)
"""The tables that patterns are about; where raw replies go is a setting of its own."""
COLUMNS = {(table.name, column.name): column for table in TABLES for column in table.columns}


@dataclass(frozen=True, slots=True)
class Named:
    """What the patterns of a setting name.

    Attributes:
        exactly: the columns that are named in full.
        by_pattern: the columns that each pattern matches, in order; those that are named in full among them.
        custom: the patterns of custom fields.
    """

    exactly: frozenset[tuple[str, str]]
    by_pattern: Mapping[str, Sequence[tuple[str, str]]]
    custom: tuple[str, ...]

    @property
    def columns(self) -> frozenset[tuple[str, str]]:
        """Every column that is named."""
        return frozenset(place for places in self.by_pattern.values() for place in places)

    def is_custom(self, identifier: str) -> bool:
        """Whether a custom field is named, by its identifier or its id."""
        return any(fnmatchcase(identifier, pattern) for pattern in self.custom)


def named(setting: str, patterns: Sequence[str]) -> Named:
    """What the patterns of the setting called `setting` name.

    Raises:
        UsageError: a pattern names nothing; the message has the nearest name that there is.
    """
    exactly: set[tuple[str, str]] = set()
    by_pattern: dict[str, Sequence[tuple[str, str]]] = {}
    custom = []
    for pattern in patterns:
        table, dot, column = pattern.partition(".")
        if table == CUSTOM and column:
            custom.append(column)
            continue
        found = [(one.name, each.name) for one, each in _matches(table, column if dot else "*")]
        if not found:
            raise UsageError(f"{setting}: {_problem(pattern)}")
        by_pattern[pattern] = found
        exactly |= {*found} & {(table, column)}
    return Named(frozenset(exactly), by_pattern, tuple(custom))


def _matches(table: str, column: str) -> Iterator[tuple[Table, Column]]:
    for one in TABLES:
        if fnmatchcase(one.name, table):
            yield from ((one, each) for each in one.columns if fnmatchcase(each.name, column))


def _problem(pattern: str) -> str:
    """Why a pattern is none."""
    table, _, column = pattern.partition(".")
    if table == REPLIES.name:
        return f"there are no columns of {REPLIES.name} to choose; the setting replies says where they go."
    names = [f"{one}.{each}" for one, each in COLUMNS]
    same = [name for name in names if name.partition(".")[2] == pattern]
    near = same[:1] or difflib.get_close_matches(pattern, [*(one.name for one in TABLES), *names], 1, cutoff=0.5)
    several = f" or '*.{pattern}'" if len(same) > 1 else ""
    known = f" Did you mean {near[0]!r}{several}?" if near else f" Tables: {', '.join(one.name for one in TABLES)}."
    return f"there is no column {pattern!r}.{known}" if column else f"there is no table {pattern!r}.{known}"

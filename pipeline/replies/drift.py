"""What the lead tables have no column for: the values themselves, per row, and counts of the keys they came under."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

Extras = dict[str, dict[int, dict[str, Any]]]
"""The content of the `extra` columns: table name, row index within the lead, key, value as received."""

_MAX_KEYS = 500
_FIELD_NAME = re.compile(r"(reply\.)?[A-Za-z_][A-Za-z0-9_-]{0,63}")
_OTHERS = "(others)"


@dataclass(slots=True)
class Drift:
    """How replies differ from the documented shape: counts by `table.key`, never values.

    Keys that do not look like field names may be lead data, so they are counted together as `table.(others)`.
    """

    unknown_keys: Counter[str] = field(default_factory=Counter)
    unreadable_values: Counter[str] = field(default_factory=Counter)

    def __bool__(self) -> bool:
        """Whether anything was counted."""
        return bool(self.unknown_keys or self.unreadable_values)

    def count_unknown(self, table: str, key: str, times: int = 1) -> None:
        """Count a key that has no column."""
        self.unknown_keys[safe_name(table, key)] += times

    def count_unreadable(self, table: str, key: str) -> None:
        """Count a value that does not fit its column's type."""
        self.unreadable_values[safe_name(table, key)] += 1

    def add(self, other: Drift) -> None:
        """Add the counts of `other`; beyond 500 distinct keys the rest are counted together."""
        for mine, theirs in (
            (self.unknown_keys, other.unknown_keys),
            (self.unreadable_values, other.unreadable_values),
        ):
            for key, count in theirs.items():
                mine[key if key in mine or len(mine) < _MAX_KEYS else _OTHERS] += count


def looks_like_a_key(key: str) -> bool:
    """Whether a key looks like the name of a field, rather than like data."""
    return _FIELD_NAME.fullmatch(key) is not None


def safe_name(table: str, key: str) -> str:
    """How a key of a table is called where it is counted; keys that may be lead data are all called the same."""
    return f"{table}.{key if looks_like_a_key(key) else _OTHERS}"

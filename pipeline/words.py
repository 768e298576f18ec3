"""Words that messages of all parts share."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """A number of things: `1 row`, `2,000 rows`, `3 addresses`."""
    ending = "" if number == 1 else "es" if noun.endswith("s") else "s"
    return f"{number:,} {noun}{ending}"

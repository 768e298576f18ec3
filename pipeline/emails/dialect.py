"""Which character stands between the cells, by what the first lines agree on.

The standard library's `csv.Sniffer` was tried: of a list of one column it takes a letter for the delimiter, and of
`1,5;joe@example.com` the comma. So it is not asked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

DELIMITERS = ",;\t|"
_QUOTED = re.compile(r'(?<![^,;\t|\r\n])"[^"]*(?:""[^"]*)*"')
"""A cell in quotes, which may hold any of the delimiters and line breaks."""
_ADDRESS = re.compile(r'(?:^|[,;\t|])[ "\']*[^\s,;\t|"\'@]+@[^\s,;\t|"\'@]+[ "\']*(?=$|[,;\t|])')
"""An address that fills a cell, whatever the delimiter."""
_SEP = re.compile(r'"?sep=([^"\r\n])"?(?:\r\n?|\n)?', re.IGNORECASE)


def announced(line: str) -> str | None:
    """The delimiter that a first line `sep=;` announces to spreadsheets; None if it is no such line."""
    match = _SEP.fullmatch(line)
    return match[1] if match else None


def guess(head: Sequence[str]) -> str:
    """The delimiter that most of the first lines agree on, or at least the very first uses; else a comma.

    Where two stand in as many lines, as in `1,5;joe@example.com`, it is the one with which more addresses are cells,
    then the one that is there as often in each line, then the one that is there more often.
    """
    bare = re.split(r"[\r\n]+", _QUOTED.sub("", "".join(head)).strip("\r\n"))
    lines = {mark: sum(mark in line for line in bare) for mark in DELIMITERS}

    def rank(mark: str) -> tuple[int, int, int, int]:
        counts = [line.count(mark) for line in bare]
        return lines[mark], _beside_addresses(mark, bare), counts.count(counts[0]) if counts[0] else 0, counts[0]

    best = max(DELIMITERS, key=rank)
    return best if best in bare[0] or lines[best] > len(bare) / 2 else ","


def _beside_addresses(mark: str, bare: Sequence[str]) -> int:
    """How many lines have an address with nothing but this mark, or the line's end, at its sides."""
    found = 0
    for line in bare:
        match = _ADDRESS.search(line)
        found += match is not None and {line[match.start()], line[match.end() : match.end() + 1]} & {*DELIMITERS} == {
            mark
        }
    return found

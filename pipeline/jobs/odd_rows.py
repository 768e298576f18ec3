"""Rows that people should look at: those without an address, and addresses that are probably mistyped."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from pipeline.emails.suspicion import suspicion

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pipeline.emails.lists import EmailList
    from pipeline.journal.store import Journal

MAX_SHOWN = 10
"""Rows named: invalid ones, and suspicious ones."""


class OddRow(msgspec.Struct, frozen=True):
    """A row of the list `input`: its number from 1, its line in the file (or row of the sheet), and what is odd."""

    input: str
    row: int
    unit: str
    line: int
    code: str


class OddRows(msgspec.Struct, frozen=True):
    """Rows of all lists that people should look at.

    Attributes:
        suspicious: how many distinct addresses are probably mistyped; they are looked up all the same.
        first_suspicious: where the first ten of them are.
        first_invalid: where the first ten rows without an address are.
    """

    suspicious: int
    first_suspicious: list[OddRow]
    first_invalid: list[OddRow]


def find_odd_rows(journal: Journal, lists: Sequence[EmailList]) -> OddRows | None:
    """The odd rows of the lists that the journal holds; None if there are none.

    Raises:
        UsageError: a list cannot be read any more.
        StorageError: the journal cannot be read.
    """
    rows = journal.rows()
    doubts = ((number, row, suspicion(email)) for number, row, email in rows.addressed())
    suspicious = ((number, row, code) for number, row, code in doubts if code)
    first = [*itertools.islice(suspicious, MAX_SHOWN)]
    count = len(first) + sum(1 for _ in suspicious)
    invalid = [*itertools.islice(rows.invalid(), MAX_SHOWN)]
    if not count and not invalid:
        return None
    return OddRows(count, _named(first, lists), _named(invalid, lists))


def _named(rows: Iterable[tuple[int, int, str]], lists: Sequence[EmailList]) -> list[OddRow]:
    """Rows, each with the number of its list from 0, with the names and lines that people know them by."""
    named: list[OddRow] = []
    for number, group in itertools.groupby(rows, key=lambda row: row[0]):
        codes = {row: code for _, row, code in group}
        lines = lists[number].line_numbers(codes)
        named += [OddRow(lists[number].name, row, lists[number].unit, lines[row], code) for row, code in codes.items()]
    return named

"""Rows that people should look at: those without an address, and addresses that are probably mistyped."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec

from pipeline.emails.suspicion import suspicion
from pipeline.journal.rows import OddRow  # noqa: TC001 - msgspec resolves it

if TYPE_CHECKING:
    from pipeline.journal.store import Journal

MAX_SHOWN = 10
"""Rows named: invalid ones, and suspicious ones."""


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


def find_odd_rows(journal: Journal) -> OddRows | None:
    """The odd rows of the lists that the journal holds; None if there are none.

    Raises:
        StorageError: the journal cannot be read.
    """
    rows = journal.rows()
    suspicious = ((row, code) for row, email in rows.emails() if (code := suspicion(email)))
    first = dict(itertools.islice(suspicious, MAX_SHOWN))
    count = len(first) + sum(1 for _ in suspicious)
    invalid = rows.first_invalid(MAX_SHOWN)
    return OddRows(count, rows.odd(first), invalid) if count or invalid else None

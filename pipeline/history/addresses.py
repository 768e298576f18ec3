"""The distinct addresses of a published run, in the order of its lists, with what became of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.emails.address import key
from pipeline.files.published import open_table
from pipeline.journal.addresses import AddressBook, Addresses
from pipeline.outcomes import Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator
    from pathlib import Path

CHUNK = 4_000
"""Addresses that are worked on at a time: as many as a row group of the replies usually has."""
_REPEATED = pa.array([Outcome.INVALID.value, Outcome.DUPLICATE.value])
_COLUMNS = ["email", "outcome", "answered_at"]


def published_addresses(outcomes: Path, chunk: int = CHUNK) -> Iterator[Addresses]:
    """The addresses in the table `outcomes` of a run, at most `chunk` at a time; `numbers` count its replies.

    Raises:
        StorageError: the table cannot be read.
    """
    position = number = 0
    with open_table(outcomes) as file:
        for batch in file.iter_batches(chunk, columns=_COLUMNS):
            repeated = pc.is_in(batch.column("outcome"), value_set=_REPEATED)
            # Of people who are suppressed or were erased there is no address.
            first = batch.filter(pc.and_not(batch.column("email").is_valid(), repeated))
            emails, names, times = (first.column(name) for name in _COLUMNS)
            has_answer = times.is_valid().to_numpy(zero_copy_only=False)
            numbers = np.where(has_answer, number - 1 + np.cumsum(has_answer), -1)
            yield Addresses(
                range(position, position + first.num_rows),
                [key(str(email)) for email in emails.to_pylist()],
                list(map(str, names.to_pylist())),
                [moment or 0 for moment in times.cast(pa.int64()).to_pylist()],
                numbers.tolist(),
            )
            position += first.num_rows
            number += int(has_answer.sum())


def indexed_addresses(outcomes: Path, db: sqlite3.Connection) -> AddressBook:
    """The same, to be looked up, in a table of an otherwise empty database.

    Raises:
        StorageError: the table cannot be read.
    """
    db.execute(
        "CREATE TABLE addresses (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, outcome, answered_at, number)"
    )
    for part in published_addresses(outcomes):
        db.executemany("INSERT INTO addresses VALUES (? + 1, ?, ?, ?, ?)", zip(*part, strict=True))
    return AddressBook(db, "SELECT id - 1, key, outcome, answered_at, number FROM addresses")

"""The rows of the lists with their outcomes, read back from a journal.

Each reader opens a connection of its own, so readers can be pickled and used in several processes at once.
"""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pipeline.journal.database import connect, reading, rows_of
from pipeline.journal.records import Carried, select
from pipeline.outcomes import RowOutcome, column_names, from_row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_SELECT_ROWS = select(column_names(RowOutcome), "row_outcomes")


class RowAddress(NamedTuple):
    """A row of a list and what became of its address.

    Attributes:
        address: the number of the address; None if there is none.
        outcome: that of the address; `invalid` without one.
        line: the number of its line, or row of the sheet, as a person counts them, from 1.
        code: why, in one word; None if there is nothing to say.
        message: the same as a sentence.
    """

    address: int | None
    outcome: str
    line: int
    code: str | None
    message: str | None


class FailedLine(msgspec.Struct, frozen=True):
    """A row that failed, as a person finds it.

    Attributes:
        input: name of the list.
        unit: what `line` counts: `line`, or `row` of a sheet or a table.
        line: its number, from 1.
        code: why it failed, as in `outcomes`.
    """

    input: str
    unit: str
    line: int
    code: str | None


class OddRow(msgspec.Struct, frozen=True):
    """A row of the list `input`: its number from 1, its line in the file (or row of the sheet), and what is odd."""

    input: str
    row: int
    unit: str
    line: int
    code: str


@dataclass(frozen=True, slots=True)
class JournalRows:
    """The rows of all lists with their outcomes, numbered from 0 in the order in which they were read.

    Attributes:
        path: the journal.
        count: how many there are.
    """

    path: Path
    count: int

    def __iter__(self) -> Iterator[RowOutcome]:
        """Every row."""
        return self.slice(0, self.count)

    def slice(self, first: int, last: int) -> Iterator[RowOutcome]:
        """The rows with numbers from `first` up to, but not including, `last`.

        Raises:
            StorageError: the journal cannot be read, or is damaged.
        """
        with reading(self.path), closing(connect(self.path)) as db:
            for row in rows_of(db, f"{_SELECT_ROWS} WHERE id > ? AND id <= ? ORDER BY id", first, last):
                yield from_row(row, RowOutcome)

    def addresses(self, first: int, last: int) -> list[RowAddress]:
        """What became of the address of each row; a duplicate has what became of the first row.

        Raises:
            StorageError: the journal cannot be read.
        """
        query = (
            "SELECT rows.address, coalesce(outcome, 'invalid'), coalesce(line, row),"
            " coalesce(answers.code, rows.code), coalesce(answers.message, rows.message) FROM rows"
            " LEFT JOIN answers ON answers.address = rows.address WHERE id > ? AND id <= ? ORDER BY id"
        )
        with reading(self.path), closing(connect(self.path)) as db:
            return [RowAddress(*row) for row in db.execute(query, (first, last))]

    def first_failed(self, most: int) -> list[FailedLine]:
        """The first rows that failed, or keep an older answer because asking again failed; duplicates are left out.

        Raises:
            StorageError: the journal cannot be read.
        """
        query = (
            "SELECT name, unit, coalesce(line, row), answers.code FROM answers"
            " JOIN addresses ON addresses.id = answers.address JOIN rows ON rows.id = first_row"
            " JOIN lists ON lists.id = list WHERE outcome = 'failed' OR carried = ? ORDER BY answers.address LIMIT ?"
        )
        with reading(self.path), closing(connect(self.path)) as db:
            return [FailedLine(*row) for row in db.execute(query, (int(Carried.KEPT), most))]

    def emails(self) -> Iterator[tuple[int, str]]:
        """Every distinct address that is not suppressed, with the number of its first row, over all lists from 1.

        Raises:
            StorageError: the journal cannot be read.
        """
        with reading(self.path), closing(connect(self.path)) as db:
            yield from db.execute("SELECT first_row, email FROM addresses WHERE email <> '' ORDER BY id")

    def first_invalid(self, most: int) -> list[OddRow]:
        """The first rows without an address.

        Raises:
            StorageError: the journal cannot be read.
        """
        query = "SELECT id, CAST(code AS TEXT) FROM rows WHERE address IS NULL ORDER BY id LIMIT ?"
        with reading(self.path), closing(connect(self.path)) as db:
            return self.odd(dict(db.execute(query, (most,))))

    def odd(self, codes: Mapping[int, str]) -> list[OddRow]:
        """Rows by their numbers, over all lists from 1, as a person finds them; `codes` say what is odd about each.

        Raises:
            StorageError: the journal cannot be read.
        """
        query = (
            "SELECT rows.id, name, row, unit, coalesce(line, row) FROM rows JOIN lists ON lists.id = list"
            " WHERE rows.id IN (SELECT value FROM json_each(?)) ORDER BY rows.id"
        )
        with reading(self.path), closing(connect(self.path)) as db:
            places = db.execute(query, (json.dumps([*codes]),))
            return [OddRow(name, row, unit, line, codes[id_]) for id_, name, row, unit, line in places]

    def codes(self) -> dict[str, dict[str, int]]:
        """How many rows there are by outcome and code, the most frequent code first; rows without a code do not count.

        Raises:
            StorageError: the journal cannot be read.
        """
        query = (
            "SELECT outcome, CAST(code AS TEXT), count(*) FROM row_outcomes WHERE code IS NOT NULL"
            " GROUP BY outcome, code ORDER BY outcome, count(*) DESC, code"
        )
        counts: dict[str, dict[str, int]] = {}
        with reading(self.path), closing(connect(self.path)) as db:
            for outcome, code, count in db.execute(query):
                counts.setdefault(outcome, {})[code] = count
        return counts

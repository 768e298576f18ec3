"""The rows of the lists with their outcomes, read back from a journal.

Each reader opens a connection of its own, so readers can be pickled and used in several processes at once.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pipeline.journal.database import connect, reading, rows_of
from pipeline.journal.records import select
from pipeline.outcomes import RowOutcome, column_names, from_row

if TYPE_CHECKING:
    from collections.abc import Iterator
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


class FailedRow(NamedTuple):
    """A row that failed, as a person finds it.

    Attributes:
        input: name of the list.
        unit: what `line` counts: `line`, or `row` of a sheet or a table.
        line: its number, from 1.
        code: why it failed.
    """

    input: str
    unit: str
    line: int
    code: str | None


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

    def first_failed(self, most: int) -> list[FailedRow]:
        """The first rows that failed; duplicates are left out.

        Raises:
            StorageError: the journal cannot be read.
        """
        query = (
            "SELECT name, unit, coalesce(line, row), answers.code FROM answers"
            " JOIN addresses ON addresses.id = answers.address JOIN rows ON rows.id = first_row"
            " JOIN lists ON lists.id = list WHERE outcome = 'failed' ORDER BY answers.address LIMIT ?"
        )
        with reading(self.path), closing(connect(self.path)) as db:
            return [FailedRow(*row) for row in db.execute(query, (most,))]

    def addressed(self) -> Iterator[tuple[int, int, str]]:
        """Where each distinct address is first: the number of the list from 0, that of the row from 1, and the address.

        Raises:
            StorageError: the journal cannot be read.
        """
        return self._positions("addresses JOIN rows ON rows.id = addresses.first_row ORDER BY addresses.id", "email")

    def invalid(self) -> Iterator[tuple[int, int, str]]:
        """The rows without an address, likewise, with the code of the reason.

        Raises:
            StorageError: the journal cannot be read.
        """
        return self._positions("rows WHERE address IS NULL ORDER BY id", "code")

    def _positions(self, source: str, column: str) -> Iterator[tuple[int, int, str]]:
        with reading(self.path), closing(connect(self.path)) as db:
            yield from db.execute(select(("list - 1", "row", column), source))

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

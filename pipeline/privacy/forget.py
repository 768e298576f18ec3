"""The answers and rows of a run without some people: what the existing writer makes its tables of, once more.

Answers are dropped; their rows stay as `erased`, with the list and the number of the row and nothing else, so that
every row that was read is still accounted for.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, TypeVar

from pipeline.outcomes import Answer, Outcome, RowOutcome
from pipeline.privacy.redaction import redacted_answer, redacted_cell, redacted_row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.privacy.needles import Needles

T_co = TypeVar("T_co", covariant=True)


class _Sliceable(Protocol[T_co]):
    @property
    def count(self) -> int: ...
    def slice(self, first: int, last: int) -> Iterator[T_co]: ...


class _Records(Protocol):
    def rows_read(self) -> int: ...
    def answers(self) -> _Sliceable[Answer]: ...
    def rows(self) -> _Sliceable[RowOutcome]: ...


def erased_row(row: RowOutcome) -> RowOutcome:
    """What is left of a row: its list, its number, and that it was erased."""
    return RowOutcome(
        input=row.input,
        row=row.row,
        given=None,
        email=None,
        outcome=Outcome.ERASED,
        code=None,
        message=None,
        lead_id=None,
        attempts=0,
        answered_at_ms=None,
    )


@dataclass(frozen=True)
class KeptAnswers:
    """Answers without those that are dropped, numbered anew from 0; picklable.

    Attributes:
        answers: all of them.
        dropped: the numbers of those that are left out.
        needles: addresses to replace in the others; None leaves them as they are.
    """

    answers: _Sliceable[Answer]
    dropped: frozenset[int]
    needles: Needles | None = None

    @property
    def count(self) -> int:
        """How many stay."""
        return self.answers.count - len(self.dropped)

    @cached_property
    def _before(self) -> list[int]:
        """For each dropped answer how many stay before it."""
        return [number - position for position, number in enumerate(sorted(self.dropped))]

    def slice(self, first: int, last: int) -> Iterator[Answer]:
        """The kept answers with numbers from `first` up to, but not including, `last`."""
        start, end = self._original(first), self._original(last - 1) + 1
        for number, answer in enumerate(self.answers.slice(start, end), start):
            if number not in self.dropped:
                yield answer if self.needles is None else redacted_answer(answer, self.needles)

    def _original(self, number: int) -> int:
        return number + bisect_right(self._before, number)


@dataclass(frozen=True, slots=True)
class KeptRows:
    """Rows of which some are erased; picklable.

    Attributes:
        rows: all of them.
        erased: the numbers of those that are erased.
        needles: addresses to replace in the others; None leaves them as they are.
        in_cells: addresses to replace in the cells of the others in any case.
    """

    rows: _Sliceable[RowOutcome]
    erased: frozenset[int]
    needles: Needles | None = None
    in_cells: Needles | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return self.rows.count

    def slice(self, first: int, last: int) -> Iterator[RowOutcome]:
        """The rows with numbers from `first` up to, but not including, `last`."""
        for number, row in enumerate(self.rows.slice(first, last), first):
            if number in self.erased:
                yield erased_row(row)
                continue
            kept = row if self.in_cells is None else redacted_cell(row, self.in_cells)
            yield kept if self.needles is None else redacted_row(kept, self.needles)


@dataclass(frozen=True, slots=True)
class RecordsWithout:
    """What tables are made of, without some people.

    Attributes:
        records: of everybody.
        answers_dropped: the numbers of the answers that are theirs.
        rows_erased: the numbers of the rows that are theirs.
        needles: addresses to replace in what others have; None leaves that as it is.
        in_cells: addresses to replace in the cells of the lists of others in any case.
    """

    records: _Records
    answers_dropped: frozenset[int] = field(repr=False)
    rows_erased: frozenset[int] = field(repr=False)
    needles: Needles | None = field(default=None, repr=False)
    in_cells: Needles | None = field(default=None, repr=False)

    def rows_read(self) -> int:
        """Rows of all lists together."""
        return self.records.rows_read()

    def answers(self) -> KeptAnswers:
        """The answers that stay."""
        return KeptAnswers(self.records.answers(), self.answers_dropped, self.needles)

    def rows(self) -> KeptRows:
        """Every row."""
        return KeptRows(self.records.rows(), self.rows_erased, self.needles, self.in_cells)

"""How old the answers of a run are said to be once people were erased from it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from pipeline.history.due import NIGHT_MS
from pipeline.jobs.freshness import Freshness, KnownAnswer
from pipeline.outcomes import CONCLUSIVE, Outcome, iso

if TYPE_CHECKING:
    from collections.abc import Sequence

STARTED_MS = 1_795_003_200_000
MAX_AGE = 2


class Kind(NamedTuple):
    """What an address can be, with the fields in which it counts."""

    outcome: Outcome
    code: str | None
    counts: tuple[str, ...]


ASKED = Kind(Outcome.FOUND, None, ("asked",))
CARRIED = Kind(Outcome.NOT_FOUND, "234", ("carried",))
KEPT = Kind(Outcome.FOUND, "kept:http_502", ("asked", "refresh_failed"))
FAILED = Kind(Outcome.FAILED, "http_502", ("asked",))
KINDS = (
    ASKED,
    CARRIED,
    KEPT,
    FAILED,
    Kind(Outcome.PENDING, None, ("pending",)),
    *(Kind(outcome, None, ()) for outcome in (Outcome.SUPPRESSED, Outcome.ERASED, Outcome.INVALID, Outcome.DUPLICATE)),
)


class Row(NamedTuple):
    """A row of a run; `nights` is the age of its answer."""

    kind: Kind
    nights: int

    @property
    def at_ms(self) -> int | None:
        """When its answer was given; a minute after the start, or an hour before it minus whole nights."""
        if self.kind in (ASKED, FAILED):
            return STARTED_MS + 60_000
        return STARTED_MS - self.nights * NIGHT_MS - 3_600_000 if self.kind in (CARRIED, KEPT) else None

    @property
    def age(self) -> int:
        """Its age in nights as a manifest says it."""
        return 0 if self.kind is ASKED else self.nights

    @property
    def answer(self) -> KnownAnswer:
        """What the table says about it."""
        return KnownAnswer(self.kind.outcome, self.kind.code, self.at_ms)


def freshness(rows: Sequence[Row]) -> Freshness:
    """That of a run with these rows, counted anew."""
    answered = [row for row in rows if row.kind.outcome in CONCLUSIVE]
    ages = sorted(row.age for row in answered)
    counts = Counter(name for row in rows for name in row.kind.counts)
    return Freshness(
        asked=counts["asked"],
        carried=counts["carried"],
        refresh_failed=counts["refresh_failed"],
        pending=counts["pending"],
        overdue=sum(age > MAX_AGE for age in ages),
        oldest_answered_at=iso(oldest) if (oldest := oldest_ms(rows)) is not None else None,
        ages={str(age): ages.count(age) for age in dict.fromkeys(ages)},
        ended_by="max_calls",
    )


def oldest_ms(rows: Sequence[Row]) -> int | None:
    """When the oldest answer was given."""
    return min((row.at_ms for row in rows if row.kind.outcome in CONCLUSIVE and row.at_ms is not None), default=None)


ROWS = st.lists(st.builds(Row, st.sampled_from(KINDS), st.integers(0, 5)), max_size=12)


@given(left=ROWS, gone=ROWS)
def test_it_is_what_the_others_would_have_without_them(left: list[Row], gone: list[Row]) -> None:
    """Every count, age and date is that of a run in which they never were."""
    before = freshness([*left, *gone])
    after = before.without([row.answer for row in gone], started_at=iso(STARTED_MS), oldest_ms=oldest_ms(left))
    assert after == freshness(left)


def test_ages_stay_where_no_dates_are_known() -> None:
    """Where they are left out of the table or hashed: an answer then counts as one that was asked for."""
    before = freshness([Row(ASKED, 0), Row(CARRIED, 1), Row(KEPT, 3)])
    gone = [KnownAnswer(Outcome.FOUND, None, None), KnownAnswer(Outcome.FOUND, "kept:http_502", None)]
    after = before.without(gone, started_at=iso(STARTED_MS), oldest_ms=None)
    assert (after.asked, after.carried, after.refresh_failed) == (0, 1, 0)
    assert (after.ages, after.overdue) == (before.ages, before.overdue)
    assert after.oldest_answered_at == before.oldest_answered_at

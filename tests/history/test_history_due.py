"""Whom to ask tonight."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.history.carrying import carry_over
from pipeline.history.due import (
    HOUR_MS,
    NIGHT_MS,
    choice_of,
    count_due,
    cycle_nights,
    nights,
    share_of,
    smallest_age,
)
from pipeline.journal.records import ListRow, RunRecord
from pipeline.journal.selection import Choice, select_due
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

TONIGHT_MS = 400 * NIGHT_MS
Dates = st.lists(st.none() | st.integers(-10 * 24, 30).map(lambda hours: TONIGHT_MS + hours * HOUR_MS), max_size=30)


def settings(max_age_days: int = 3, fresh_hours: float = 12) -> Settings:
    """Settings with these."""
    return Settings(max_age_days=max_age_days, fresh_hours=fresh_hours)


def due(dates: list[int | None], choice: Choice) -> list[int]:
    """The rule once more, in plain words: what is due of addresses with answers of these dates, as numbers from 0."""
    kinds: list[tuple[int, int, int]] = []
    for number, date in enumerate(dates):
        if date is None:
            kinds.append((0, choice.new_ms, number))
        elif date > choice.ahead_ms:
            kinds.append((0, choice.must_ms, number))
        elif date <= choice.may_ms:
            kinds.append((0 if date <= choice.must_ms else 1, date, number))
    must = [(since, number) for kind, since, number in kinds if kind == 0]
    may = sorted((since, number) for kind, since, number in kinds if kind == 1)
    room = max(choice.share, most_of_any_night(dates, choice))
    return [number for _, number in sorted(must) + may[: max(0, room - len(must))]]


def most_of_any_night(dates: list[int | None], choice: Choice) -> int:
    """How many a night must ask for, if all nights from tonight on ask for as many and nothing grows too old."""
    most = 0
    for night in range(40):
        later_ms = choice.must_ms + night * NIGHT_MS
        late = [date for date in dates if date is None or date <= later_ms or date > choice.ahead_ms]
        fresh = [date for date in late if not night and date is not None and choice.may_ms < date <= choice.ahead_ms]
        most = max(most, -(-(len(late) - len(fresh)) // (night + 1)))
    return most


def chosen(folder: Path, dates: list[int | None], choice: Choice) -> list[int]:
    """What a journal whose answers have these dates asks for, in its order, by numbers from 0."""
    emails = [f"p{number}@example.com" for number in range(len(dates))]
    with Journal.create(folder / "x.journal") as journal:
        journal.add_list("a", [ListRow(email, email, email) for email in emails], sha256=lambda: "a")
        known = zip(emails, dates, strict=True)
        answers = [Answer(email, Outcome.FOUND, answered_at_ms=date) for email, date in known if date is not None]
        carry_over(journal.path, [answers])
        journal.start(RunRecord("x", 1, "{}", selected=select_due(journal.path, choice).selected))
        return [address.id - 1 for address in journal.pending()]


@given(Dates, st.integers(0, 6), st.integers(0, 60), st.booleans())
@hypothesis_settings(max_examples=40)
def test_a_journal_chooses_as_the_rule_says(
    tmp_path_factory: pytest.TempPathFactory, dates: list[int | None], age: int, fresh: int, limited: bool
) -> None:
    """Any history: the same addresses in the same order, and as many as `plan` counts."""
    choice = choice_of(settings(age, fresh), len(dates), TONIGHT_MS, is_limited=limited)
    expected = due(dates, choice)
    assert chosen(tmp_path_factory.mktemp("due"), dates, choice) == expected
    assert count_due((date for date in dates if date is not None), len(dates), choice) == len(expected)


@given(Dates, st.integers(1, 6), st.integers(0, 40))
def test_a_choice_keeps_its_promises(dates: list[int | None], age: int, fresh: int) -> None:
    """New addresses and what would be too old before the next night are asked, nobody fresh, and else a share."""
    choice = choice_of(settings(age, fresh), len(dates), TONIGHT_MS)
    asked = due(dates, choice)
    waiting = [dates[number] for number in range(len(dates)) if number not in asked]
    assert len(asked) == len(set(asked))
    fresh_ms = TONIGHT_MS - fresh * HOUR_MS
    for date in waiting:
        assert date is not None
        assert nights(date, TONIGHT_MS) < age or date > fresh_ms
    spare = [date for number in asked if (date := dates[number]) is not None and date > choice.must_ms]
    for date in spare:
        assert date <= fresh_ms or date > TONIGHT_MS + 2 * HOUR_MS
        assert len(asked) <= max(share_of(len(dates), age), most_of_any_night(dates, choice))


@given(st.integers(1, 5), st.integers(1, 60), st.lists(st.integers(-110, 110), min_size=20, max_size=20))
def test_nights_that_start_a_little_early_or_late_ask_for_equal_shares(
    age: int, addresses: int, minutes: list[int]
) -> None:
    """After the first, no night asks for more than its share, and no answer grows older than was promised."""
    dates: list[int | None] = [None] * addresses
    for night, late in enumerate(minutes):
        start_ms = TONIGHT_MS + night * NIGHT_MS + late * 30_000
        asked = due(dates, choice_of(settings(age), addresses, start_ms))
        for place, number in enumerate(asked):
            dates[number] = start_ms + place * 1_000
        assert len(asked) == addresses if night == 0 else len(asked) <= share_of(addresses, age)
        assert max(nights(date or 0, start_ms) for date in dates) <= age - 1


@pytest.mark.parametrize(
    ("hours", "expected"), [(0, 0), (21.9, 0), (22, 1), (23, 1), (25.9, 1), (46, 2), (71, 3), (-30, 0)]
)
def test_nights_are_counted_with_two_hours_of_tolerance(hours: float, expected: int) -> None:
    """A run that starts early, or on the night when clocks change, finds the same ages."""
    assert nights(TONIGHT_MS - round(hours * HOUR_MS), TONIGHT_MS) == expected


def test_what_fits_into_a_night() -> None:
    """A million in four nights of 259,200 calls, and not in three; without a call there is no cycle."""
    assert (share_of(1_000_000, 3), share_of(1_000_000, 0)) == (333_334, 1_000_000)
    assert (cycle_nights(1_000_000, 259_200), smallest_age(1_000_000, 259_200)) == (4, 4)
    assert (cycle_nights(5, 0), smallest_age(5, 0), cycle_nights(0, 0), smallest_age(0, 10)) == (None, None, 0, 1)

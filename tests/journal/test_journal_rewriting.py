"""A journal that is written anew without some people: whom its run still asks for, and how its answers count."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from journal_samples import NOON_MS, RUN, answer, append, imported, numbered

from pipeline.journal.ages import answer_dates, count_ages
from pipeline.journal.carried import CarriedWriter
from pipeline.journal.replay import JournalSummary, read_summary
from pipeline.journal.rewriting import rewrite
from pipeline.journal.selection import Choice, select_due
from pipeline.journal.store import Journal
from pipeline.outcomes import Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

NIGHT_MS = 86_400_000
LATER_MS = NOON_MS + NIGHT_MS
EMAILS = numbered(8)
ALL_DUE = Choice(must_ms=LATER_MS, may_ms=LATER_MS, ahead_ms=LATER_MS, new_ms=0, share=0, night_ms=NIGHT_MS)
NUMBERS = st.sets(st.integers(1, len(EMAILS)))


def journal_of(path: Path, carried: set[int], asked: dict[int, Outcome]) -> None:
    """A journal that carried these answers over, chose to ask for everybody, and got as far as `asked`."""
    with imported(path, EMAILS) as journal:
        if carried:
            with CarriedWriter(path) as writer:
                writer.write({number: answer(EMAILS[number - 1], body=b"{}") for number in sorted(carried)})
        journal.start(RUN._replace(selected=select_due(path, ALL_DUE).selected))
        given = {n: Answer(EMAILS[n - 1], outcome, "code", answered_at_ms=LATER_MS) for n, outcome in asked.items()}
        asyncio.run(append(journal, given))


def summary(path: Path) -> JournalSummary:
    """The summary of a journal."""
    seen = read_summary(path)
    assert seen is not None
    return seen


def kind_of(number: int, carried: set[int], asked: dict[int, Outcome]) -> str:
    """What the address with this number counts as; an older answer stays where asking again failed."""
    if number not in asked:
        return "carried" if number in carried else "open"
    return "failed" if asked[number] is Outcome.FAILED and number not in carried else "answered"


@settings(max_examples=25)  # each makes three files safe on the disk
@given(
    carried=NUMBERS,
    asked=st.dictionaries(st.integers(1, len(EMAILS)), st.sampled_from((Outcome.NOT_FOUND, Outcome.FAILED))),
    erased=NUMBERS,
    again=NUMBERS,
)
def test_the_others_are_asked_for_as_before(
    tmp_path_factory: pytest.TempPathFactory,
    carried: set[int],
    asked: dict[int, Outcome],
    erased: set[int],
    again: set[int],
) -> None:
    """Nobody who was erased, once or twice, is asked for, and each answer of the others counts once, as what it was."""
    path = tmp_path_factory.mktemp("journal") / "x.journal"
    journal_of(path, carried, asked)
    gone = erased | again
    with Journal.open(path) as journal:
        left = [address for address in journal.pending() if address.id not in gone]
    for numbers in (erased, again):
        rewrite(path, addresses=numbers, rows=(), clear=str)
    with Journal.open(path) as journal:
        assert list(journal.pending()) == left
        rows = Counter(row.outcome for row in journal.rows())
    seen = summary(path)
    others = set(range(1, len(EMAILS) + 1)) - gone
    kinds = Counter(kind_of(number, carried, asked) for number in others)
    assert (seen.answered, seen.failed, seen.carried) == (kinds["answered"], kinds["failed"], kinds["carried"])
    assert (seen.suppressed, seen.to_ask) == (len(gone), len(left))
    assert rows["erased"] == len(gone)
    dates = dict(answer_dates(path))
    assert set(dates) == {EMAILS[n - 1] for n in others if kind_of(n, carried, asked) in ("answered", "carried")}
    ages = count_ages(path, as_of_ms=LATER_MS, tolerance_ms=0, night_ms=NIGHT_MS)
    assert (ages.asked, ages.carried) == (kinds["answered"] + kinds["failed"], kinds["carried"])
    assert ages.oldest_ms == min(dates.values(), default=None)

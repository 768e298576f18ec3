"""Any number of instants told as a few spells."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.spells import MOST_SPELLS, Spell, Spells


def spells_of(*instants: float) -> Spells:
    """The spells of these instants."""
    spells = Spells()
    for instant in instants:
        spells.add(instant)
    return spells


def test_what_is_close_together_is_one_spell() -> None:
    """A pause longer than the gap begins another one; what lasts counts to its end."""
    spells = spells_of(0, 1, 2.5, 10)
    spells.add(20, 30)
    spells.add(31)
    assert spells.spells == [Spell(0, 2.5, 3), Spell(10, 10, 1), Spell(20, 31, 2)]


@given(st.lists(st.floats(0, 1e6), max_size=300))
def test_spells_are_few_and_complete(pauses: list[float]) -> None:
    """However many instants and whatever lies between them: few spells, in order, that count and cover them all."""
    now, instants = 0.0, []
    for pause in pauses:
        now += pause
        instants.append(now)
    found = spells_of(*instants).spells
    assert len(found) <= MOST_SPELLS
    assert sum(spell.times for spell in found) == len(instants)
    assert all(first.until < second.since for first, second in pairwise(found))
    assert all(any(spell.since <= instant <= spell.until for spell in found) for instant in instants)

"""When something happened, told in a bounded number of spells however often it did."""

from __future__ import annotations

from dataclasses import dataclass, field

MOST_SPELLS = 40
"""More are joined with those nearest to them."""
_FIRST_GAP_S = 2.0


@dataclass(slots=True)
class Spell:
    """A time in which something happened, `times` times; seconds of any clock."""

    since: float
    until: float
    times: int = 1


@dataclass(slots=True)
class Spells:
    """What happens within `gap_s` seconds is one spell; the gap grows as there would be too many.

    Attributes:
        spells: in the order of time.
        gap_s: the longest pause within a spell.
    """

    spells: list[Spell] = field(default_factory=list)
    gap_s: float = _FIRST_GAP_S

    def add(self, since: float, until: float | None = None) -> None:
        """Add what happened at an instant, or lasted; not before what was added last."""
        self._append(Spell(since, since if until is None else until))
        while len(self.spells) > MOST_SPELLS:
            self.gap_s *= 2
            spells, self.spells = self.spells, []
            for spell in spells:
                self._append(spell)

    def _append(self, spell: Spell) -> None:
        last = self.spells[-1] if self.spells else None
        if last is None or spell.since > last.until + self.gap_s:
            self.spells.append(spell)
        else:
            last.until = max(last.until, spell.until)
            last.times += spell.times

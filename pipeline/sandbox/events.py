"""What happens to people as they age: they change, are merged, leave, are deleted, come back.

Every event makes a difference: no part of a person is changed and changed back within it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from pipeline.sandbox.alterations import FIELDS, altered_collections, altered_everywhere
from pipeline.sandbox.people import ID_LIMIT, Draw
from pipeline.sandbox.replies import Lead

Status: TypeAlias = Literal["found", "not_found", "deleted"]

# Of a hundred events of people who are found; all others change some of what they are.
_LEAVE, _ARE_DELETED, _ARE_MERGED = 0.06, 0.06, 0.06
# Of a hundred events of people who are not; the others go from deleted to not found or the other way round.
_COME_BACK = 0.7
_AS_ANOTHER_LEAD = 0.3


@dataclass(frozen=True, slots=True)
class Life:
    """A person at one time."""

    status: Status
    lead: Lead  # the facts, all values as strings; those last known while the person is not found
    manner: int = 0  # since which epoch the person is written in this manner; 0 if as at first


@dataclass(frozen=True)
class Plan:
    """An event that an address asks for by its name."""

    before: Status
    happen: Callable[[Life, Draw, int], Life]
    least: int = 0  # items that each collection has before


def happen(life: Life, draw: Draw, epoch: int) -> Life:
    """What one event makes of a person; `epoch` dates it."""
    if life.status != "found":
        return _happen_away(life, draw)
    chance = draw()
    if chance < _LEAVE:
        return replace(life, status="not_found")
    if chance < _LEAVE + _ARE_DELETED:
        return replace(life, status="deleted")
    if chance < _LEAVE + _ARE_DELETED + _ARE_MERGED:
        merged = _merged(life, draw, epoch)
        return _altered(merged, draw, epoch) if draw() < 0.5 else merged
    return _altered(life, draw, epoch)


def _happen_away(life: Life, draw: Draw) -> Life:
    if draw() < _COME_BACK:
        back = replace(life, status="found")
        return _merged(back, draw, 0) if draw() < _AS_ANOTHER_LEAD else back
    return replace(life, status="deleted" if life.status == "not_found" else "not_found")


def _merged(life: Life, draw: Draw, _: int) -> Life:
    """The address belongs to another lead from now on: its id is another one."""
    return replace(life, lead=life.lead | {"id": str(int(draw() * ID_LIMIT))})


def _altered(life: Life, draw: Draw, epoch: int) -> Life:
    """Change one to three parts: the lead's own fields, or a collection."""
    count = 1 + int(draw() * 3)
    if draw() >= 0.5:
        lead = altered_collections(life.lead, draw, epoch, count)
        if lead != life.lead:
            return replace(life, lead=lead)
    alter = FIELDS[int(draw() * len(FIELDS))]
    lead = life.lead | alter(life.lead, draw, epoch)
    return replace(life, lead=altered_collections(lead, draw, epoch, count - 1))


def _becomes(status: Status) -> Callable[[Life, Draw, int], Life]:
    return lambda life, _draw, _epoch: replace(life, status=status)


def _altered_everywhere(life: Life, draw: Draw, epoch: int) -> Life:
    return replace(life, lead=altered_everywhere(life.lead, draw, epoch))


PLANNED: Mapping[str, Plan] = {
    "joins": Plan("not_found", _becomes("found")),
    "leaves": Plan("found", _becomes("not_found")),
    "gets-deleted": Plan("found", _becomes("deleted")),
    "merges": Plan("found", _merged),
    "changes": Plan("found", _altered_everywhere, least=3),
}

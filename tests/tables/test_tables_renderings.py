"""The tables of people are the same, however the API writes them."""

from typing import Any

import pytest
from lead_shapes import content, reply

from pipeline.sandbox.people import lead_details
from pipeline.sandbox.renderings import RENDERINGS, rendered
from pipeline.tables.flatten import flatten

PEOPLE = [lead_details(f"person{number}@example.com", 1) for number in range(150)]


def values(bodies: list[bytes]) -> dict[str, Any]:
    """All tables and parents without what no column is for."""
    tables = content(flatten(bodies))
    del tables["drift"]
    return {
        name: part.drop_columns("extra") if hasattr(part, "drop_columns") else part for name, part in tables.items()
    }


@pytest.mark.parametrize("shape", sorted({*RENDERINGS} - {"text"}))
def test_people_in_any_shape_give_the_same_tables(shape: str) -> None:
    """All values, rows and types are those of people whose values are strings, but for `extra` and drift."""
    assert values([reply(rendered(person, shape, 1)) for person in PEOPLE]) == values([*map(reply, PEOPLE)])


def test_a_shape_that_changes_halfway_gives_the_same_tables() -> None:
    """Text first, then native integers and a key that is new; only the second half has it."""
    half = len(PEOPLE) // 2
    bodies = [
        *map(reply, PEOPLE[:half]),
        *(reply(rendered(person, "changed", 1)) for person in PEOPLE[half:]),
    ]
    assert values(bodies) == values([*map(reply, PEOPLE)])
    frames = flatten(bodies)
    assert frames.leads["extra"].notna().tolist() == [False] * half + [True] * half
    assert frames.drift.unknown_keys == {"leads.account_tier": half}

"""The fast path of reading replies beside the lenient one."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from lead_shapes import reply

from pipeline.errors import MalformedReply
from pipeline.replies.drift import Drift
from pipeline.replies.read import FoundLead, read_leniently, read_normal
from pipeline.sandbox import shapes
from pipeline.sandbox.people import lead_details
from pipeline.tables.gather import Gathered, gather

KEPT = Path(__file__).parents[2] / "data" / "replies"
SHAPES = [
    shapes.absent_collections,
    shapes.absent_keys,
    shapes.aliases,
    shapes.bare_tags,
    shapes.details_as_text,
    shapes.keyed_objects,
    shapes.minimal,
    shapes.native_numbers,
    shapes.new_keys,
    shapes.nulls,
    shapes.soft_deleted,
    shapes.wrong_types,
    shapes.zero_dates,
    *map(shapes.collections_as, ["", None, False, {}, []]),
]
PEOPLE = [lead_details(f"p{n}@example.com", n, least=n % 4) for n in range(20)]
BODIES = [
    *(path.read_bytes() for path in sorted(KEPT.iterdir()) if path.suffix != ".md"),
    *map(reply, PEOPLE),
    *(reply(shape(person)) for person in PEOPLE for shape in SHAPES),
]


def leniently(body: bytes) -> bytes:
    """The same reply, with a blank around its status that only the lenient path takes off."""
    return body.replace(b'"Success"', b'" Success"', 1)


def content(gathered: Gathered) -> dict[str, Any]:
    """Everything that was gathered, in a form that compares."""
    return gathered.tables | gathered.parents | {"drift": gathered.drift, "skipped": gathered.skipped}


@pytest.mark.parametrize("timezone", [None, "America/New_York"])
def test_both_paths_give_the_same_tables(timezone: str | None) -> None:
    """Of hundreds of replies in every shape at once: rows, order, extra, parents, drift and what is skipped."""
    assert content(gather(BODIES, timezone=timezone)) == content(gather(map(leniently, BODIES), timezone=timezone))


def test_the_replies_take_both_paths() -> None:
    """So that the comparison is one: many replies are normal, many are odd, and none is normal after it was bent."""
    normal = [read_normal(body) is not None for body in BODIES]
    assert sum(normal) > 50
    assert normal.count(False) > 200
    assert not any(read_normal(leniently(body)) for body in BODIES)


def test_of_a_normal_reply_nothing_is_left_over() -> None:
    """What the fast path takes has no extra and no drift when it is read leniently."""
    for body in filter(read_normal, BODIES):
        found = read_leniently(body)
        assert isinstance(found, FoundLead)
        assert (found.extras, found.drift) == ({}, Drift())


def test_a_table_is_the_same_in_any_portions() -> None:
    """Cells are taken in by the dozen: no row is lost or moved where one portion ends, whatever is skipped."""
    whole = gather(BODIES)
    for size in (1, 63, 64, 65, 128):
        parts = [gather(BODIES[start : start + size]) for start in range(0, len(BODIES), size)]
        for name, table in whole.tables.items():
            assert pa.concat_tables([part.tables[name] for part in parts]) == table


def test_of_a_body_that_holds_no_lead_nothing_is_left() -> None:
    """Neither drift nor a row, though it may have keys that nobody knows."""
    body = reply({"help": "me"})
    with pytest.raises(MalformedReply):
        read_leniently(body)
    gathered = gather([body])
    assert (gathered.skipped, gathered.drift.unknown_keys, len(gathered.tables["leads"])) == (1, {}, 0)

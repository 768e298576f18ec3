"""The fast path of reading replies compared with the lenient one."""

from pathlib import Path

import pandas as pd
import pytest
from lead_shapes import content, reply

from pipeline.errors import MalformedReply
from pipeline.replies.drift import Drift
from pipeline.replies.read import FoundLead, read_leniently, read_normal
from pipeline.sandbox import shapes
from pipeline.sandbox.people import lead_details
from pipeline.tables.flatten import flatten

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
    """The same reply, with a space in its status that only the lenient path strips."""
    return body.replace(b'"Success"', b'" Success"', 1)


@pytest.mark.parametrize("timezone", [None, "America/New_York"])
def test_both_paths_give_the_same_tables(timezone: str | None) -> None:
    """Of hundreds of replies in every shape at once: rows, order, extra, parents, drift and what is skipped."""
    assert content(flatten(BODIES, timezone=timezone)) == content(flatten(map(leniently, BODIES), timezone=timezone))


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


@pytest.mark.parametrize(("size", "count"), [(1, 40), (63, 400), (64, 400), (65, 400), (128, 400)])
def test_a_table_is_the_same_in_any_portions(size: int, count: int) -> None:
    """Leads are collected in chunks of 64: no row is lost or moved where one ends, whatever is skipped."""
    bodies = BODIES[:count]
    parts = [flatten(bodies[start : start + size]) for start in range(0, count, size)]
    for name, frame in flatten(bodies).by_name().items():
        joined = pd.concat([part.by_name()[name] for part in parts], ignore_index=True)
        pd.testing.assert_frame_equal(joined, frame)


def test_of_a_body_that_holds_no_lead_nothing_is_left() -> None:
    """Neither drift nor a row, though it may have keys that nobody knows."""
    body = reply({"help": "me"})
    with pytest.raises(MalformedReply):
        read_leniently(body)
    frames = flatten([body])
    assert (frames.skipped, frames.drift.unknown_keys, len(frames.leads)) == (1, {}, 0)

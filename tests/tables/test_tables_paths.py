"""The fast path of reading replies compared with the lenient one."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from lead_shapes import content, leniently, reply

from pipeline.errors import MalformedReply
from pipeline.replies.read import MAX_LEARNED, ReplyReader, read_directly, read_leniently
from pipeline.sandbox import shapes
from pipeline.sandbox.people import lead_details
from pipeline.tables.flatten import flatten

KEPT = Path(__file__).parents[2] / "data" / "replies"
SHAPES = [
    shapes.absent_collections,
    shapes.absent_keys,
    shapes.aliases,
    shapes.amounts,
    shapes.bare_tags,
    shapes.details_as_text,
    shapes.documented_integers,
    shapes.keyed_objects,
    shapes.keyed_tags,
    shapes.minimal,
    shapes.native_numbers,
    shapes.new_key,
    shapes.new_keys,
    shapes.nulls,
    shapes.soft_deleted,
    shapes.transaction_ids,
    shapes.wrong_types,
    shapes.zero_dates,
    shapes.none_as(False),
    *map(shapes.collections_as, ["", None, False, {}, []]),
]
USUAL = [shape for shape in SHAPES if shape is not shapes.wrong_types]
PEOPLE = [lead_details(f"p{n}@example.com", n, least=n % 4) for n in range(20)]
BODIES = [
    *(path.read_bytes() for path in sorted(KEPT.iterdir()) if path.suffix != ".md"),
    *map(reply, PEOPLE),
    *(reply(shape(person)) for person in PEOPLE for shape in SHAPES),
]


@pytest.mark.parametrize("timezone", [None, "America/New_York"])
def test_both_paths_give_the_same_tables(timezone: str | None) -> None:
    """Of hundreds of replies in every shape at once: rows, order, extra, parents, drift and what is skipped."""
    assert content(flatten(BODIES, timezone=timezone)) == content(flatten(map(leniently, BODIES), timezone=timezone))


def taking_the_lenient_path(bodies: list[bytes]) -> list[bytes]:
    """Those of the replies that a reader does not read directly after it has seen all of them twice."""
    reader = ReplyReader()
    for body in bodies * 2:
        with suppress(MalformedReply):
            reader.read(body)
    return [body for body in bodies if read_directly(body, reader.shape) is None]


@pytest.mark.parametrize("shape", USUAL, ids=lambda shape: shape.__name__)
def test_no_usual_shape_takes_the_lenient_path(shape: Callable[[Any], Any]) -> None:
    """Whatever the API is documented or suspected to send is read directly, once its keys are known."""
    assert taking_the_lenient_path([reply(shape(person)) for person in PEOPLE]) == []


def test_a_mixture_of_usual_shapes_does_not_take_the_lenient_path() -> None:
    """One account may send all of them, with and without undocumented keys."""
    assert taking_the_lenient_path([reply(shape(person)) for person in PEOPLE for shape in USUAL]) == []


@pytest.mark.parametrize("encode", [b"\xef\xbb\xbf%s", b"\n %s"], ids=["byte order mark", "whitespace"])
def test_what_comes_before_the_reply_does_not_matter(encode: bytes) -> None:
    """A byte order mark or whitespace is skipped."""
    body = reply(PEOPLE[0])
    assert taking_the_lenient_path([encode % body]) == []
    assert content(flatten([encode % body])) == content(flatten([body]))


def test_a_key_with_a_scalar_may_hold_a_list_later() -> None:
    """And an object, or a scalar again: none of them stays on the lenient path, and all are in extra."""
    values = ["a", 1, ["a"], {"b": [None]}, None, "a"]
    bodies = [reply(PEOPLE[n] | {"added": value}) for n, value in enumerate(values * 2)]
    assert taking_the_lenient_path(bodies) == []
    assert [json.loads(extra)["added"] for extra in flatten(bodies).leads["extra"]] == values * 2


@pytest.mark.parametrize("added", [{"added": "text"}, {"added": ["list"]}])
def test_known_keys_do_not_lift_the_limit_of_nesting(added: dict[str, Any]) -> None:
    """A reply nested too deeply is skipped, whatever came under its keys before."""
    deep: Any = "x"
    for _ in range(200):
        deep = [deep]
    bodies = [reply(person | added) for person in PEOPLE[:3]]
    frames = flatten([*bodies, reply(PEOPLE[3] | {"added": deep}), *bodies])
    assert (frames.skipped, len(frames.leads)) == (1, 6)


def test_only_odd_replies_take_the_lenient_path() -> None:
    """So that the comparison of both paths is one."""
    assert taking_the_lenient_path([*map(leniently, BODIES)]) == [*map(leniently, BODIES)]


def test_keys_without_end_stay_on_the_lenient_path() -> None:
    """Their number is bounded, they lose nothing, and what an account sends with each lead is still learned."""
    people = [PEOPLE[n % 20] | {"amount": n, f"new{n % 300}": n, f"new{n // 2}": n} for n in range(1_200)]
    bodies = [reply(person) for person in people]
    reader = ReplyReader()
    for body in bodies:
        reader.read(body)
    fields = [key for keys in reader.shape.undocumented.values() for key in keys]
    assert "amount" in fields
    assert len(fields) <= MAX_LEARNED
    assert content(flatten(bodies)) == content(flatten(map(leniently, bodies)))


def test_a_hundred_thousand_keys_in_one_reply_are_one_row() -> None:
    """All of them are in extra, whatever comes before and after."""
    hostile = {f"key{n}": "" for n in range(100_000)}
    frames = flatten([reply(person) for person in (PEOPLE[0], PEOPLE[1] | hostile, PEOPLE[2] | hostile, PEOPLE[3])])
    (first, second, third, fourth) = frames.leads["extra"].tolist()
    assert json.loads(second) == json.loads(third) == hostile
    assert pd.isna(first)
    assert pd.isna(fourth)


@pytest.mark.parametrize(("size", "count"), [(1, 40), (31, 400), (32, 400), (33, 400), (64, 400)])
def test_a_table_is_the_same_in_any_portions(size: int, count: int) -> None:
    """Leads are collected in chunks of 32: no row is lost or moved where one ends, whatever is skipped."""
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

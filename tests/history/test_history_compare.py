"""What changed in the tables of a lead: cells, items that are multisets, and how PHP writes values."""

from __future__ import annotations

import json
from copy import deepcopy
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import pytest
from feed_apply import Row, Tables, applied, multisets, tables_of
from hypothesis import given, settings
from hypothesis import strategies as st
from lead_shapes import odd_people, people, reply

from pipeline.history.compare import COMPARED, Compared, Ignored, Pair, compare
from pipeline.sandbox import shapes
from pipeline.sandbox.people import lead_details
from pipeline.sandbox.renderings import RENDERINGS, rendered
from pipeline.schema import IDENTITIES, LEAD_TABLES
from pipeline.tables.flatten import Frames, flatten

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Leads = Sequence["Lead | None"]

patient = settings(deadline=None, max_examples=30)
brief = settings(patient, max_examples=8)
Lead = dict[str, Any]


def flat(leads: Leads) -> Frames:
    """The tables of the leads that there are."""
    return flatten([reply(lead) for lead in leads if lead is not None])


def compared(old: Leads, new: Leads, *ignored: str) -> Compared:
    """What changed between two nights; None where there is no lead."""
    sides: list[list[int | None]] = []
    for leads in (old, new):
        numbers = iter(range(len(leads)))
        sides.append([None if lead is None else next(numbers) for lead in leads])
    return compare(flat(old), flat(new), list(map(Pair, *sides)), Ignored(ignored))


def changes(old: Lead | None, new: Lead | None, *ignored: str) -> list[tuple[Any, ...]]:
    """What changed of one lead, as plain tuples."""
    return list(map(tuple, compared([old], [new], *ignored).changes[0]))


def feed(old: Leads, new: Leads) -> list[Row]:
    """The rows of the feed; addresses are numbers."""
    return [
        {
            "requested_email": str(number),
            "table_name": change.table,
            "change": change.change,
            "item": change.item,
            "column_name": change.column,
            "old_value": change.old,
            "new_value": change.new,
        }
        for number, of_lead in enumerate(compared(old, new).changes)
        for change in of_lead
    ]


def tables(leads: Leads) -> Tables:
    """The tables of a night."""
    frames, numbers = flat(leads), [str(number) for number, lead in enumerate(leads) if lead is not None]
    parents = {"leads": range(len(numbers)), **frames.parents}
    return tables_of(frames.by_name(), {name: [numbers[lead] for lead in parents[name]] for name in parents})


@st.composite
def nights(draw: st.DrawFn) -> tuple[Leads, Leads]:
    """Some leads of two nights: the second is another one, the same with defects, or there is none."""
    old: list[Lead | None] = []
    new: list[Lead | None] = []
    for _ in range(draw(st.integers(1, 3))):
        before = draw(odd_people())
        after = draw(st.one_of(st.just(deepcopy(before)), odd_people(), st.none()))
        for lead in (before, after):
            if lead is not None:
                _repeat_items(draw, lead)
        old.append(before)
        new.append(after)
        if draw(st.booleans()):
            old[-1], new[-1] = new[-1], old[-1]
    return old, new


def _repeat_items(draw: st.DrawFn, lead: Lead) -> None:
    """Give a lead an id, and make some of its items come twice, change, go or lose what they are known by."""
    lead["id"] = "4035"
    for table, identity in IDENTITIES.items():
        items = lead.get(table)
        if not isinstance(items, list) or not items:
            continue
        for _ in range(draw(st.integers(0, 2))):
            item = draw(st.sampled_from(items))
            how = draw(st.sampled_from(["twice", "without", "changed", "gone"]))
            if how == "gone":
                items.remove(item)
                break
            if how == "twice":
                items.insert(draw(st.integers(0, len(items))), deepcopy(item))
            elif isinstance(item, dict):
                key = {"transactions": "id", "custom_fields": "field_id"}.get(table, identity[0])
                item.update({key: None} if how == "without" else {"active": draw(st.sampled_from(["0", "1", 1]))})


@patient
@given(nights())
def test_the_old_tables_with_the_feed_are_the_new_ones(leads: tuple[Leads, Leads]) -> None:
    """As multisets of rows, for all seven tables, with items that come twice or have no identity, and odd values."""
    old, new = leads
    assert multisets(applied(tables(old), feed(old, new))) == multisets(tables(new))


@brief
@given(st.lists(odd_people(), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_the_order_of_items_is_no_change(leads: list[Lead], random: Any) -> None:
    """Nor is the order of anything else."""
    shuffled = deepcopy(leads)
    for lead in shuffled:
        for table in IDENTITIES:
            if isinstance(lead.get(table), list):
                random.shuffle(lead[table])
    assert [of_lead for of_lead in compared(leads, shuffled).changes if of_lead] == []


LENIENT: dict[str, Callable[[Lead], object]] = {
    **{name: partial(rendered, shape=name, seed=1) for name in RENDERINGS},
    "keyed": shapes.keyed_objects,
    "aliases": shapes.aliases,
    "bare tags": shapes.bare_tags,
    "text": shapes.details_as_text,
    "numbers": shapes.native_numbers,
    "nulls": shapes.none_as(None),
    "false": shapes.none_as(False),
    "empty list": shapes.none_as([]),
    "absent": shapes.absent_values,
    "amounts": shapes.amounts,
    "new key": shapes.new_key,
}
EVERYBODY = [lead_details(f"person.{number}@example.com", 1) for number in range(25)]


@cache
def written(shape: str) -> Frames:
    """The tables of everybody, as one shape writes them."""
    return flatten([reply(LENIENT[shape](deepcopy(one))) for one in EVERYBODY])


@pytest.mark.parametrize("before", LENIENT)
def test_another_way_to_write_the_same_is_no_change(before: str) -> None:
    """Every shape of the sandbox flipped into every other one makes no row; keys that only one of them has count."""
    for after in LENIENT:
        found = compare(written(before), written(after), [Pair(n, n) for n in range(len(EVERYBODY))])
        assert [of_lead for of_lead in found.changes if of_lead] == []
    assert written(before).leads["first_name"].notna().all()


ANN: Lead = {"id": "7", "email": "ann@example.com", "score": "5", "date_joined": "2024-02-29 23:59:59"}


def test_a_cell_is_a_row_with_both_values() -> None:
    """In the order of the columns, as text; what is empty is null."""
    now = ANN | {"score": 8, "date_joined": "0000-00-00 00:00:00", "city": "Bath", "email": "Ann@example.com"}
    assert changes(ANN, now) == [
        ("leads", "changed", None, "email", "ann@example.com", "Ann@example.com"),
        ("leads", "changed", None, "city", None, "Bath"),
        ("leads", "changed", None, "score", "5", "8"),
        ("leads", "changed", None, "date_joined", "2024-02-29 23:59:59", None),
    ]


def test_a_lead_that_came_or_went_is_one_row_with_its_items() -> None:
    """The whole row as JSON, without what is null, and what has no column within it."""
    lead = {"id": "7", "email": "ann@example.com", "score": "5", "tier": {"b": 1, "a": None}, "tags": ["vip"]}
    whole = '{"id":"7","email":"ann@example.com","score":5,"extra":{"tier":{"a":null,"b":1}}}'
    tag = '{"tag_name":"vip"}'
    assert changes(None, lead) == [
        ("leads", "added", None, None, None, whole),
        ("tags", "added", '["vip"]', None, None, tag),
    ]
    assert changes(lead, None) == [
        ("leads", "removed", None, None, whole, None),
        ("tags", "removed", '["vip"]', None, tag, None),
    ]


def test_items_are_known_by_their_identity() -> None:
    """Levels of a membership by both names, options by field and option; the rest are values. Code points sort them."""
    levels = [{"name": "Club", "level_name": level, "active": "1"} for level in ("b", "a", "É")]
    field = {"field_id": "3", "field_identifier": "f", "field_type": "checkbox"}
    options = [{"option_id": number, "option_value": f"o{number}"} for number in ("1", "2")]
    old = ANN | {"memberships": levels[:2], "custom_fields": [field | {"field_value": options}]}
    new = ANN | {
        "memberships": [levels[0] | {"active": "0"}, levels[2]],
        "custom_fields": [field | {"field_value": [options[1]]}],
    }
    assert [change[:4] for change in changes(old, new)] == [
        ("memberships", "removed", '["Club","a"]', None),
        ("memberships", "changed", '["Club","b"]', "active"),
        ("memberships", "added", '["Club","É"]', None),
        ("custom_fields", "removed", '["3","1"]', None),
    ]


def test_items_that_share_an_identity_come_and_go_as_a_whole() -> None:
    """Nobody can tell which of them has become which; those that are the same on both sides are no change."""
    twice = [{"transaction_type": "Sale"}, {"transaction_type": "Rebill"}, {"transaction_type": "Sale"}]
    for number in ("9", None):
        old: Lead = ANN | {"transactions": [{"id": number, "product_name": "Kit", **item} for item in twice]}
        new: Lead = ANN | {"transactions": [{"id": number, "product_name": "Kit", **item} for item in twice[:2]]}
        item = json.dumps([number])
        assert [change[:4] for change in changes(old, new)] == [("transactions", "removed", item, None)]
        new["transactions"][0]["product_name"] = "Set"
        assert [change[1:4] for change in changes(old, new)] == [
            ("removed", item, None),
            ("removed", item, None),
            ("added", item, None),
        ]


def test_extra_is_compared_by_key() -> None:
    """Keys that come and go are counted by name, as they may only be unknown; what is no name is not repeated."""
    tag = {"tag_name": "vip", "color": "red", "shape": "round"}
    old = ANN | {"tier": "1", "plan": {"a": [1, None]}, "old": 1, "x@example.com": 1, "tags": [tag]}
    new = ANN | {"tier": 2, "plan": {"a": {"0": "1", "1": ""}}, "new": 1, "tags": [tag | {"color": "blue", "size": 2}]}
    found = compared([old], [new])
    assert list(map(tuple, found.changes[0])) == [
        ("leads", "changed", None, "extra.tier", "1", "2"),
        ("tags", "changed", '["vip"]', "extra.color", "red", "blue"),
    ]
    assert found.appeared == {"leads.new": 1, "tags.size": 1}
    assert found.vanished == {"leads.old": 1, "leads.(others)": 1}


def test_ignored_columns_make_no_rows() -> None:
    """By name or by pattern: a column, a key of `extra`, or all columns of a table."""
    old = ANN | {"tier": 1, "plan": 1, "tags": ["a"], "lists": [{"list_name": "l", "active": "1"}]}
    new = ANN | {"score": "6", "tier": 2, "plan": 2, "tags": ["b"], "lists": [{"list_name": "l", "active": "0"}]}
    ignored = ("leads.score", "leads.extra.t*", "tags.*", "lists.active")
    assert [change[3] for change in changes(old, new, *ignored)] == ["extra.plan"]
    assert changes(old, new, "*") == []


def test_every_column_of_the_api_is_compared() -> None:
    """All but what says where a row belongs, and when it came."""
    names = {f"{table.name}.{column.name}" for table in LEAD_TABLES for column in table.api_columns}
    assert {*COMPARED} == names | {f"{table.name}.extra" for table in LEAD_TABLES}


@brief
@given(people())
def test_the_same_lead_is_no_change(lead: Lead) -> None:
    """However often it is read."""
    assert changes(lead, deepcopy(lead)) == []

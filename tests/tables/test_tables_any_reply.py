"""Properties of every reply, whether normal, odd or broken."""

import json
from random import Random
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lead_shapes import TABLES, cells, content, leniently, odd_people, reply, rows, scalars

from pipeline.calls.kartra import judge
from pipeline.errors import LeadExportError
from pipeline.outcomes import Answer, Outcome
from pipeline.replies.values import is_keyed_list
from pipeline.schema import LEAD_TABLES
from pipeline.tables.flatten import flatten
from pipeline.tables.frames import arrow_type

patient = settings(deadline=None, max_examples=60)  # making seven frames takes milliseconds
twice = settings(patient, max_examples=30)  # or more than twice that


@twice
@given(st.lists(odd_people(), max_size=4), st.sampled_from([None, "America/New_York"]))
def test_both_paths_give_the_same_frames(leads: list[dict[str, Any]], timezone: str | None) -> None:
    """Of any leads, also once their undocumented keys have become known: rows, order, extra, parents and drift."""
    bodies = [*map(reply, leads)] * 3
    assert content(flatten(bodies, timezone=timezone)) == content(flatten(map(leniently, bodies), timezone=timezone))


@twice
@given(odd_people(), st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_nothing(lead: dict[str, Any], random: Random) -> None:
    """Not in the lead, nor in its items; items themselves have an order."""
    ordered, shuffled = ([reply(each)] * 3 for each in (lead, _shuffled(lead, random)))
    assert content(flatten(ordered)) == content(flatten(shuffled)) == content(flatten(map(leniently, shuffled)))


def _shuffled(value: Any, random: Random) -> Any:
    """The same JSON with the keys of objects in another order, but for those of objects that stand for a list."""
    if isinstance(value, list):
        return [_shuffled(each, random) for each in value]
    if not isinstance(value, dict):
        return value
    keys = list(value)
    if not is_keyed_list(value):
        random.shuffle(keys)
    return {key: _shuffled(value[key], random) for key in keys}


@patient
@given(odd_people())
def test_no_value_is_lost(lead: dict[str, Any]) -> None:
    """Every value of a reply is in a column or in extra, as often as it came."""
    lead |= {"id": "4035"}
    assert scalars(lead) - cells(flatten([reply(lead)])) == {}


@patient
@given(odd_people())
def test_rows_belong_to_their_lead(lead: dict[str, Any]) -> None:
    """Every row of another table has the lead's id and address, and its position."""
    frames = flatten([reply({"id": "1", "tags": ["other"]}), reply(lead | {"id": "4035"})])
    ((_, _), (lead_id, email)) = rows(frames.leads, "id", "email")
    for name in TABLES[1:]:
        own = rows(getattr(frames, name), "lead_id", "email", "position")[1 if name == "tags" else 0 :]
        assert own == [(lead_id, email, position) for position in range(len(own))]


@patient
@given(odd_people(), st.sampled_from([None, "EST", "America/New_York"]))
def test_columns_and_types_never_depend_on_the_replies(lead: dict[str, Any], timezone: str | None) -> None:
    """Each table has exactly the declared columns, in order, in Arrow types."""
    frames = flatten([reply(lead)], timezone=timezone)
    for table in LEAD_TABLES:
        assert dict(getattr(frames, table.name).dtypes) == {
            column.name: pd.ArrowDtype(arrow_type(column.type, timezone)) for column in table.columns
        }


@st.composite
def broken_bodies(draw: st.DrawFn) -> bytes:
    """A good body of which a part is missing, or replaced by other bytes."""
    body = reply(draw(odd_people()), status=draw(st.sampled_from(["Success", "success", "Error"])))
    start = draw(st.integers(0, len(body)))
    return body[:start] + draw(st.binary(max_size=6)) + body[start + draw(st.integers(0, 12)) :]


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
any_leads = st.dictionaries(st.sampled_from(["id", "email", "score", "date_joined", *TABLES[1:]]), any_json, max_size=4)


@patient
@given(
    st.one_of(broken_bodies(), st.binary(max_size=80), any_leads.map(reply), any_json.map(reply)),
    st.sampled_from([200, 302, 403, 429, 500]),
)
@example(json.dumps({"status": "Success", "lead_details": {"email": "\ud800@example.com"}}).encode(), 200)
@example(reply({"id": "1", "date_joined": "2019-03-26 06:35:31.000001"}), 200)
@example(reply({"id": "1", "date_joined": "2019-03-26 06:35:31+00:00"}), 200)
def test_what_is_judged_found_is_one_row_of_leads(body: bytes, status: int) -> None:
    """For any bytes: flatten never fails, and gives a row exactly where a lead counts as found."""
    try:
        answer = judge(status, body, email="ann@example.com", accept_mismatch=True)
    except LeadExportError:
        answer = Answer("ann@example.com", Outcome.FAILED)
    frames = flatten([body], timezone="America/New_York")
    found = answer.outcome is Outcome.FOUND
    assert rows(frames.leads, "id") == [(answer.lead_id,)] * found
    assert frames.skipped == 1 - found


@pytest.mark.parametrize("table", LEAD_TABLES, ids=TABLES)
def test_every_typed_column_is_checked_before_it_is_cast(table: Any) -> None:
    """A word in place of a number or a date costs its column only: no typed column slips past the reader."""
    typed = [
        column.name
        for column in table.columns
        if column.type != "string" and column.name not in ("position", "fetched_at")
    ]
    for name in typed:
        odd = {name: "maybe"}
        details = {"id": "1"} | odd if table.name == "leads" else {"id": "1", table.name: [odd]}
        frame = getattr(flatten([reply(details)]), table.name)
        assert rows(frame, name, "extra") == [(None, json.dumps(odd, separators=(",", ":")))]

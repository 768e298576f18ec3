"""Leads as single rows."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.tables.flatten import flatten
from pipeline.tables.wide import (
    ALWAYS,
    BASIC,
    FIELDS,
    SCALARS,
    column_name,
    custom_field_identifiers,
    expand_custom_fields,
    field_types,
    select_fields,
    widen,
)

STRINGS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)


def reply(**details: object) -> bytes:
    """A Success with a lead."""
    return json.dumps({"status": "Success", "lead_details": {"id": "7", "email": "a@example.com", **details}}).encode()


def cells(field: str, *replies: bytes, separator: str = "|") -> list[Any]:
    """The cells of one column."""
    column: Any = pa.array(widen(flatten(replies), [field], separator=separator)[field].array)
    values: list[Any] = column.to_pylist()
    return values


NOBODY = reply()


def test_scalars_are_as_they_are() -> None:
    """Each column of leads with its type; numbers stay numbers."""
    frame = widen(flatten([reply(first_name="Ann", score="35"), NOBODY]), ["first_name", "score", "date_joined"])
    assert pa.Table.from_pandas(frame.drop(columns="id")).to_pydict() == {
        "first_name": ["Ann", None],
        "score": [35, None],
        "date_joined": [None, None],
    }
    assert frame["score"].dtype == pd.ArrowDtype(pa.int64())


def test_names_share_a_cell() -> None:
    """Joined in order; a lead without any has null, not an empty string."""
    tagged = reply(tags=[{"tag_name": "a, b"}, {"tag_name": ""}, {"tag_name": "c"}])
    assert cells("tags", NOBODY, tagged, NOBODY, tagged) == [None, "a, b|c", None, "a, b|c"]
    steps = reply(sequences=[{"sequence_name": "s1", "status": "active"}, {"sequence_name": "s2"}])
    assert cells("sequences", steps) == ["s1|s2"]


def test_only_active_lists_and_memberships_are_named() -> None:
    """Those that the lead has left are left out; a membership has its level."""
    lists = [{"list_name": "in", "active": "1"}, {"list_name": "out", "active": "0"}, {"list_name": "unknown"}]
    assert cells("lists", reply(lists=lists)) == ["in|unknown"]
    clubs = [
        {"name": "Club", "level_name": "gold", "active": "1"},
        {"name": "Club", "level_name": "", "active": 1},
        {"name": "Old", "level_name": "x", "active": "0"},
    ]
    assert cells("memberships", reply(memberships=clubs), NOBODY) == ["Club: gold|Club", None]


def test_transactions_are_counted_and_the_latest_is_dated() -> None:
    """Also where some have no date, or none has."""
    dates = ["2024-01-01 10:00:00", "2025-06-01 00:00:00", "0000-00-00 00:00:00"]
    three, none = reply(transactions=[{"id": "1", "transaction_date": d} for d in dates]), reply(transactions=[{}])
    assert cells("transaction_count", three, NOBODY, none) == [3, 0, 1]
    assert [str(cell) for cell in cells("last_transaction_date", NOBODY, three, none)] == [
        "None",
        "2025-06-01 00:00:00",
        "None",
    ]


def test_custom_fields_have_columns_of_their_own() -> None:
    """Strings as they are, chosen options joined; null where the field is empty or missing."""
    fields = [
        {"field_id": "1", "field_identifier": "dish", "field_type": "input_field", "field_value": "rice|peas"},
        {
            "field_id": "2",
            "field_identifier": "sizes",
            "field_type": "checkbox",
            "field_value": [{"option_id": "1", "option_value": "s|m"}, {"option_id": "2", "option_value": "l"}],
        },
        {"field_id": "3", "field_identifier": "", "field_type": "input_field", "field_value": "by id"},
        {"field_id": "4", "field_identifier": "empty", "field_type": "input_field", "field_value": ""},
    ]
    replies = [NOBODY, reply(custom_fields=fields)]
    assert custom_field_identifiers(flatten(replies)) == ["dish", "sizes", "3", "empty"]
    assert cells("custom.dish", *replies) == [None, "rice|peas"]
    assert cells("custom.sizes", *replies) == [None, r"s\|m|l"]
    assert cells("custom.3", *replies) == [None, "by id"]
    assert cells("custom.empty", *replies) == cells("custom.none", *replies) == [None, None]


@given(st.lists(st.lists(STRINGS, max_size=4), max_size=5), st.sampled_from(["|", ";", ", ", "\\", "||"]))
def test_a_joined_cell_can_be_split_again(names: list[list[str]], separator: str) -> None:
    """Whatever the names contain, including the separator and the backslash."""
    replies = [reply(tags=[{"tag_name": name} for name in tags]) for tags in names]
    for tags, cell in zip(names, cells("tags", *replies, separator=separator) if replies else [], strict=True):
        escaped = [tag.replace("\\", "\\\\").replace(separator, f"\\{separator}") for tag in tags]
        if separator != "\\":
            assert cell == (separator.join(escaped) if tags else None)


def test_fields_are_picked_by_name_and_pattern() -> None:
    """In the order in which they are named, each once; nothing named is everything."""
    assert select_fields(["score", "first_name", "score"]) == ["score", "first_name"]
    assert select_fields(["gdpr_*", "tags"])[-1] == "tags"
    assert select_fields(["custom.*", "custom.x"]) == ["custom.*", "custom.x"]
    assert select_fields() == [*FIELDS, "custom.*"]
    assert "id" not in SCALARS


def test_presets_and_names_of_columns_are_understood() -> None:
    """`basic`, `all`, and a field by the name that its column has; what every row has anyway needs no name."""
    assert select_fields(["basic"]) == list(BASIC)
    assert set(BASIC) <= set(FIELDS)
    assert select_fields(["all"]) == select_fields(["*"]) == select_fields()
    assert select_fields(["lead_score", "lead_picture", "lead_id", "reason"], "lead_") == ["score", "lead_picture"]
    assert select_fields(["lead_*"], "lead_") == list(FIELDS)
    assert select_fields(["k_gdpr_*", "k_lead_deleted"], "k_")[-1] == "lead_deleted"


@given(st.sampled_from(["lead_", "", "x", "s", "first_", "last-", "lead", "date_joined_"]) | st.text(max_size=6))
def test_no_two_fields_share_a_column(prefix: str) -> None:
    """Whatever the prefix is, and it is never put before itself if it ends in a separator."""
    names = [column_name(field, prefix) for field in (*ALWAYS, *FIELDS)]
    if prefix in ("lead_", "", "x", "s", "last-", "lead"):
        assert len(set(names)) == len(names)
    if prefix and not prefix[-1].isalnum():
        assert [name for name in names if name.startswith(prefix * 2)] == []
    assert all(name.startswith(prefix) for name in names)
    assert column_name("custom.x", prefix) == "custom.x"


@pytest.mark.parametrize(("word", "hint"), [("scor", "Did you mean 'score'"), ("qqqq", "Fields are email, first_name")])
def test_a_field_that_there_is_not_is_refused(word: str, hint: str) -> None:
    """The nearest name, or all of them."""
    with pytest.raises(UsageError, match=hint):
        select_fields([word])


def test_patterns_of_custom_fields_are_resolved() -> None:
    """By what there is, in its order; one that fits nothing gives no column."""
    assert expand_custom_fields(["score", "custom.a*", "custom.*"], ["b", "a1", "a2"]) == [
        "score",
        "custom.a1",
        "custom.a2",
        "custom.b",
    ]
    assert expand_custom_fields(["custom.none*"], ["b"]) == []
    assert expand_custom_fields(["custom.none"], ["b"]) == ["custom.none"]


def test_types_are_known_before_there_is_a_lead() -> None:
    """`field_types` names the types that `widen` makes, with and without a zone."""
    fields = [*FIELDS, "custom.x"]
    for zone in (None, "EST"):
        made = widen(flatten([NOBODY], timezone=zone), fields)
        assert dict(made.dtypes[fields]) == {n: pd.ArrowDtype(kind) for n, kind in field_types(fields, zone).items()}
    assert len(widen(flatten([]), fields)) == 0

"""What counts as found at a glance, and what comes of it on reading."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.replies.read import FoundLead, glance_at_lead, read_leniently, read_normal, read_reply
from pipeline.schema import LEADS, TRANSACTIONS

CELLS = st.none() | st.text(max_size=8) | st.sampled_from(["35", "2024-01-01 10:00:00", "0000-00-00", "1", "9" * 30])
LEAD = st.fixed_dictionaries(
    {"id": CELLS, "email": CELLS},
    optional={column.source_key: CELLS for column in LEADS.api_columns if column.name not in ("id", "email")},
)
SALE = st.fixed_dictionaries({}, optional={column.source_key: CELLS for column in TRANSACTIONS.api_columns})


@given(LEAD, st.lists(SALE, max_size=3))
def test_what_is_a_lead_at_a_glance_is_one_on_reading(
    details: dict[str, object], transactions: list[dict[str, object]]
) -> None:
    """Whatever its numbers and dates are like: the same lead by id and address, and never none."""
    body = json.dumps({"status": "Success", "lead_details": {**details, "transactions": transactions}}).encode()
    glanced = glance_at_lead(body)
    if glanced is None:
        assert read_normal(body) is None
        return
    read = read_reply(body)
    assert isinstance(read, FoundLead)
    assert (read.lead.id or "", read.lead.email or "") == (glanced.id or "", glanced.email or "")


def test_a_glance_sees_leads() -> None:
    """Also one whose date is none, which only the lenient reader can read."""
    body = b'{"status":"Success","lead_details":{"id":"7","email":"a@example.com","date_joined":"soon"}}'
    glanced = glance_at_lead(body)
    assert glanced is not None
    assert (glanced.id, read_normal(body)) == ("7", None)


WHOLE = (
    b'{"status":"Success","message":"ok","lead_details":{"id":"35","email":"a@example.com","score":"5","new":%s,'
    b'"tags":[{"tag_name":"x"}],"custom_fields":[{"field_value":[{"option_value":"y"}]}]}}'
)
PIECES = [
    *(
        b'"',
        b"\\",
        b"\\ud800",
        b"\\q",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
    ),
    *(b"NaN", b"Infinity", b"-", b"1e999", b"01", b"1.", b"null", b"true", b"nul", b"9" * 5_000, b'"a":1,', b'"":"",'),
    *(
        b'"id":"5",',
        b'"id":5,',
        b'"email":"x@y",',
        b'"status":"Error",',
        b'"lead_details":{"id":"9"},',
        b'"type":"234",',
    ),
]


@given(
    st.sampled_from([b"1", b'"abc"', b'{"a":[1,2.5,"x"]}']),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), st.sampled_from(PIECES)), min_size=1, max_size=3),
)
@example(b"[" * 110 + b"]" * 110, [(1.0, 0, b" ")])
@example(b'{"a":' * 110 + b"1" + b"}" * 110, [(1.0, 0, b" ")])
def test_damage_does_not_make_a_lead_at_a_glance_only(new: bytes, damages: list[tuple[float, int, bytes]]) -> None:
    """However a reply is damaged: what a glance takes for a lead is read as the same one, and depth is no exception."""
    body = WHOLE % new
    for place, length, piece in damages:
        at = int(place * len(body))
        body = body[:at] + piece + body[at + length :]
    glanced = glance_at_lead(body)
    if glanced is not None:
        read = read_leniently(body)
        assert isinstance(read, FoundLead)
        assert (read.lead.id or "", read.lead.email or "") == (glanced.id or "", glanced.email or "")


@pytest.mark.parametrize("new", [b'{"a":[1,2.5,"x"]}', b"1e999", b'"\xff"', b"[" * 90 + b"]" * 90])
def test_a_glance_does_not_mind_what_is_new(new: bytes) -> None:
    """A key that no documentation has costs no second look."""
    glanced = glance_at_lead(WHOLE % new)
    assert glanced is not None
    assert glanced.id == "35"


@pytest.mark.parametrize("depth", range(94, 104))
@pytest.mark.parametrize(("before", "inside", "after"), [(b"[", b"1", b"]"), (b'{"a":', b"1", b"}"), (b"[", b"", b"]")])
def test_the_deepest_lead_at_a_glance_can_be_read(depth: int, before: bytes, inside: bytes, after: bytes) -> None:
    """At the very bound too: what is taken for a lead, and asked for no more, is never too deep for the tables."""
    body = b'{"status":"Success","lead_details":{"id":"7","new":%s}}' % (before * depth + inside + after * depth)
    if glance_at_lead(body) is not None:
        assert isinstance(read_leniently(body), FoundLead)

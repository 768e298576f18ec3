"""The identity peeked from a reply is that of the lead which is read from it later."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.errors import MalformedReply
from pipeline.replies.read import FoundLead, ReplyReader, peek_identity, read_directly, read_leniently
from pipeline.replies.shape import DOCUMENTED
from pipeline.schema import LEADS, TRANSACTIONS

CELLS = st.none() | st.text(max_size=8) | st.sampled_from(["35", "2024-01-01 10:00:00", "0000-00-00", "1", "9" * 30])
LEAD = st.fixed_dictionaries(
    {"id": CELLS, "email": CELLS},
    optional={column.source_key: CELLS for column in LEADS.api_columns if column.name not in ("id", "email")},
)
SALE = st.fixed_dictionaries({}, optional={column.source_key: CELLS for column in TRANSACTIONS.api_columns})


@given(LEAD, st.lists(SALE, max_size=3))
def test_a_peeked_identity_is_that_of_the_lead(
    details: dict[str, object], transactions: list[dict[str, object]]
) -> None:
    """Whatever its numbers and dates, the lead is found, with the same id and address."""
    body = json.dumps({"status": "Success", "lead_details": {**details, "transactions": transactions}}).encode()
    peeked = peek_identity(body)
    if peeked is None:
        assert read_directly(body, DOCUMENTED) is None
        return
    read = ReplyReader().read(body)
    assert isinstance(read, FoundLead)
    assert (read.lead.id or "", read.lead.email or "") == (peeked.id or "", peeked.email or "")


def test_peeking_ignores_values() -> None:
    """A lead with a date that only the lenient path can read is recognized."""
    body = b'{"status":"Success","lead_details":{"id":"7","email":"a@example.com","date_joined":["soon"]}}'
    assert read_directly(body, DOCUMENTED) is None
    peeked = peek_identity(body)
    assert peeked == ("7", "a@example.com")


WHOLE = (
    b'{"status":"Success","message":"ok","lead_details":{"id":"35","email":"a@example.com","score":"5","new":%s,'
    b'"tags":[{"tag_name":"x"}],"custom_fields":[{"field_value":[{"option_value":"y"}]}]}}'
)
FRAGMENTS = [
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
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 5), st.sampled_from(FRAGMENTS)), min_size=1, max_size=3),
)
@example(b"[" * 110 + b"]" * 110, [(1.0, 0, b" ")])
@example(b'{"a":' * 110 + b"1" + b"}" * 110, [(1.0, 0, b" ")])
def test_damage_never_makes_a_lead_that_cannot_be_read(new: bytes, damages: list[tuple[float, int, bytes]]) -> None:
    """However a reply is damaged or nested, an identity that is peeked is that of a lead which is read."""
    body = WHOLE % new
    for position, length, fragment in damages:
        at = int(position * len(body))
        body = body[:at] + fragment + body[at + length :]
    peeked = peek_identity(body)
    if peeked is not None:
        read = read_leniently(body)
        assert isinstance(read, FoundLead)
        assert (read.lead.id or "", read.lead.email or "") == (peeked.id or "", peeked.email or "")


@pytest.mark.parametrize("new", [b'{"a":[1,2.5,"x"]}', b"1e999", b'"\xff"', b"[" * 90 + b"]" * 90])
def test_peeking_ignores_unknown_keys(new: bytes) -> None:
    """An undocumented key, whatever its value, does not hide the lead."""
    peeked = peek_identity(WHOLE % new)
    assert peeked is not None
    assert peeked.id == "35"


@pytest.mark.parametrize("depth", range(94, 104))
@pytest.mark.parametrize(("before", "inside", "after"), [(b"[", b"1", b"]"), (b'{"a":', b"1", b"}"), (b"[", b"", b"]")])
def test_a_lead_nested_up_to_the_limit_can_be_read(depth: int, before: bytes, inside: bytes, after: bytes) -> None:
    """Around the nesting limit too, a peeked lead is never too deep for the tables."""
    body = b'{"status":"Success","lead_details":{"id":"7","new":%s}}' % (before * depth + inside + after * depth)
    if peek_identity(body) is not None:
        assert isinstance(read_leniently(body), FoundLead)


@pytest.mark.parametrize("depth", [50, 94, 98, 99, 101, 110, 300])
@pytest.mark.parametrize("brackets", [b"[]", b"\\u005b\\u005d"], ids=["plain", "escaped"])
def test_json_text_nested_too_deeply_is_never_found(depth: int, brackets: bytes) -> None:
    """Not even where its brackets are escaped: what counts as found can be read, also with known keys."""
    opening, closing = brackets[: len(brackets) // 2], brackets[len(brackets) // 2 :]
    text = b'{\\"id\\":\\"7\\",\\"new\\":' + opening * depth + closing * depth + b"}"
    body = b'{"status":"Success","lead_details":"%s"}' % text
    reader = ReplyReader()
    for _ in range(2):
        reader.read(b'{"status":"Success","lead_details":{"id":"7","new":1}}')
    if peek_identity(body) is None:
        with pytest.raises(MalformedReply):
            read_leniently(body)
        with pytest.raises(MalformedReply):
            reader.read(body)
    else:
        assert isinstance(read_leniently(body), FoundLead)
        assert isinstance(reader.read(body), FoundLead)

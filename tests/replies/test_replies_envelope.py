import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lead_structs import Lead

from pipeline.errors import MalformedReply
from pipeline.replies.envelope import Envelope, parse_envelope
from pipeline.replies.read import FoundLead, ReplyReader, read_leniently

SUCCESS = b'{"status":"Success","lead_details":{"id":"1"}}'
DEEP = 100_000


def envelope(**keys: Any) -> Envelope:
    """The envelope of a reply with these keys."""
    return parse_envelope(json.dumps(keys).encode())


def verdict(body: bytes) -> str:
    """What `body` is read as: a lead, another reply, or the error code of a malformed one."""
    try:
        reply = ReplyReader().read(body)
    except MalformedReply as error:
        return error.code if error.body == body else "the error lacks the body"
    return "lead" if isinstance(reply, FoundLead) else "other reply"


@pytest.mark.parametrize("status", ["Success", "success", "SUCCESS", " Success "])
def test_success_is_recognized_in_any_case(status: str) -> None:
    """Case and surrounding whitespace are ignored."""
    assert ReplyReader().read(SUCCESS.replace(b"Success", status.encode())) == FoundLead(Lead(id="1"))


@pytest.mark.parametrize(
    ("type_", "text"),
    [("234", "234"), (" 234 ", "234"), (234, "234"), (234.0, "234"), (None, ""), (True, ""), ([234], "")],
)
def test_an_error_type_is_a_string_or_a_number(type_: object, text: str) -> None:
    """A number means the same as the equivalent string; anything else is ignored."""
    assert envelope(status="Error", message="No lead found", type=type_) == Envelope(
        status="Error", message="No lead found", type=text, details=None, unknown_keys={}
    )


def test_an_error_needs_only_a_status() -> None:
    """Message and type default to the empty string."""
    assert envelope(status="error") == Envelope(status="error", message="", type="", details=None, unknown_keys={})


def test_details_of_an_error_are_ignored() -> None:
    """An error with broken details is still that error."""
    assert envelope(status="Error", type="245", lead_details="{broken").type == "245"


def test_unknown_keys_of_the_envelope_are_kept() -> None:
    """Any key other than status, message, type and lead_details is passed on."""
    assert envelope(status="Success", lead_details={"id": 1}, quota=5).unknown_keys == {"quota": 5}


@pytest.mark.parametrize(
    "details",
    [
        {"id": "1"},
        [{"id": "1"}],
        '{"id":"1"}',
        '\ufeff\r\n {"id":"1"}',
        '[{"id":"1"}]',
    ],
)
def test_details_may_be_an_object_a_list_of_one_or_either_as_a_json_string(details: object) -> None:
    """The same lead is read from every encoding."""
    assert ReplyReader().read(json.dumps({"status": "Success", "lead_details": details}).encode()) == FoundLead(
        Lead(id="1")
    )


@pytest.mark.parametrize(
    "details",
    [
        [],
        {},
        "",
        " ",
        "[]",
        "{}",
        "null",
        '"{}"',
        None,
        False,
        True,
        7,
        [[]],
        [None],
        [{"id": "1"}, {"id": "2"}],
        {"id": "", "email": "", "tags": []},
        {"id": None, "email": ["a"], "first_name": "Joe"},
    ],
)
def test_success_without_a_lead_is_malformed(details: object) -> None:
    """Details that are empty or identify nobody are an error rather than an empty lead."""
    assert verdict(json.dumps({"status": "Success", "lead_details": details}).encode()) == "empty_success"


def test_success_without_details_is_malformed() -> None:
    """So is a Success that lacks the key."""
    assert verdict(b'{"status":"Success"}') == "empty_success"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b" \r\n\t", "empty_body"),
        (b"\xef\xbb\xbf", "empty_body"),
        (SUCCESS[:-5], "cut_off"),
        (b'[{"status":', "cut_off"),
        (b'{"status":"Success","lead_details":"{\\"id\\":\\"1"}', "cut_off"),
        (b"<br />\n<b>Warning</b>: Undefined array key 3<br />\n" + SUCCESS, "not_json"),
        (b"<html><body>502</body></html>", "not_json"),
        (SUCCESS + SUCCESS, "not_json"),
        (b"\x00\xff\xfe", "not_json"),
        (b'{"status":"Success","lead_details":' + b"[" * DEEP + b"]" * DEEP + b"}", "not_json"),
        (b'{"status":"Success","lead_details":' + b"[" * 110 + b"]" * 110 + b"}", "not_an_answer"),
        (b'["Success"]', "not_an_answer"),
        (b'"Success"', "not_an_answer"),
        (b"null", "not_an_answer"),
        (b"{}", "not_an_answer"),
        (b'{"status":null}', "not_an_answer"),
        (b'{"status":1,"lead_details":{"id":"1"}}', "not_an_answer"),
    ],
)
def test_anything_but_a_reply_is_malformed(body: bytes, code: str) -> None:
    """The code tells the defects apart, and the error carries the bytes."""
    assert verdict(body) == code


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n\n \t", b"\xef\xbb\xbf\r\n "])
def test_a_byte_order_mark_and_whitespace_before_the_json_are_skipped(before: bytes) -> None:
    """Editors and PHP files leave both before the first brace."""
    assert ReplyReader().read(before + SUCCESS) == FoundLead(Lead(id="1"))


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"Zo\xeb", "Zo\ufffd"),
        (rb"\ud83d", "?"),
        (rb"\ude00 \ud83d", "? ?"),
        (rb"\ud83d\ude00", "😀"),
        (rb"\/ \u00e9", "/ é"),
        (rb"\u0000", "\0"),
        ("é\u2028".encode(), "é\u2028"),
    ],
)
def test_invalid_unicode_is_replaced(raw: bytes, text: str) -> None:
    """Invalid UTF-8 and unpaired surrogates cost only those characters; PHP's escapes are decoded as usual."""
    reply = ReplyReader().read(SUCCESS.replace(b'"1"', b'"1","first_name":"' + raw + b'"'))
    assert isinstance(reply, FoundLead)
    assert (reply.lead, reply.extras) == (Lead(id="1", first_name=text), {})


def test_invalid_utf_8_is_counted_as_drift() -> None:
    """The count is the only trace of a character that was lost."""
    reply = ReplyReader().read(SUCCESS.replace(b'"1"', b'"1","first_name":"Zo\xeb"'))
    assert isinstance(reply, FoundLead)
    assert reply.drift.unreadable_values == {"reply.text": 1}


@pytest.mark.parametrize(
    ("number", "score", "extra"),
    [
        (b"35", "35", None),
        (b"3.5e1", "35", None),
        (b"NaN", None, "NaN"),
        (b"-Infinity", None, "-Infinity"),
        (b"1e999", None, "1e999"),
        (b"9" * 30, None, int("9" * 30)),
        (b"9" * 5000, None, "9" * 5000),
    ],
    ids=lambda value: str(value)[:12],
)
def test_unrepresentable_numbers_go_into_extra(number: bytes, score: str | None, extra: object) -> None:
    """NaN, infinities and huge numbers leave their column null; the rest of the reply is read."""
    reply = read_leniently(SUCCESS.replace(b'"1"', b'"1","score":' + number))
    assert isinstance(reply, FoundLead)
    assert reply.lead == Lead(id="1", score=score)
    assert reply.extras == ({"leads": {0: {"score": extra}}} if extra else {})


any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.binary(max_size=80) | any_json.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_malformed(body: bytes) -> None:
    """Whatever the bytes, the result is a reply or MalformedReply."""
    assert verdict(body) in {"empty_body", "cut_off", "not_json", "not_an_answer", "other reply"}


@given(any_json, st.sampled_from(["Success", "SUCCESS", "Error"]))
def test_any_details_are_read_or_malformed(details: object, status: str) -> None:
    """Whatever is in place of the lead, a Success is a lead or malformed, and an error is an error."""
    possible = {"other reply"} if status == "Error" else {"lead", "empty_success", "not_json", "cut_off"}
    assert verdict(json.dumps({"status": status, "lead_details": details}).encode()) in possible

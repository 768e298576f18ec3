import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import MalformedReply
from pipeline.replies.envelope import Envelope, open_envelope
from pipeline.replies.lead import Lead
from pipeline.replies.read import FoundLead, read_reply

SUCCESS = b'{"status":"Success","lead_details":{"id":"1"}}'
DEEP = 100_000


def envelope(**keys: Any) -> Envelope:
    """The envelope of a reply with these keys."""
    return open_envelope(json.dumps(keys).encode())


def verdict(body: bytes) -> str:
    """What `body` is read as: a lead, another answer, or the code under which it is malformed."""
    try:
        reply = read_reply(body)
    except MalformedReply as error:
        return error.code if error.body == body else "the error lost the body"
    return "lead" if isinstance(reply, FoundLead) else "other answer"


@pytest.mark.parametrize("status", ["Success", "success", "SUCCESS", " Success "])
def test_success_is_recognised_in_any_case(status: str) -> None:
    """The case of the status and blanks around it do not matter."""
    assert read_reply(SUCCESS.replace(b"Success", status.encode())) == FoundLead(Lead(id="1"))


@pytest.mark.parametrize(
    ("type_", "text"),
    [("234", "234"), (" 234 ", "234"), (234, "234"), (234.0, "234"), (None, ""), (True, ""), ([234], "")],
)
def test_an_error_type_is_text_or_a_number(type_: object, text: str) -> None:
    """A native number means the same as its text; anything else is no type."""
    assert envelope(status="Error", message="No lead found", type=type_) == Envelope(
        status="Error", message="No lead found", type=text, details=None, others={}
    )


def test_an_error_needs_nothing_but_its_status() -> None:
    """Without message and type both are empty."""
    assert envelope(status="error") == Envelope(status="error", message="", type="", details=None, others={})


def test_details_of_an_error_are_not_read() -> None:
    """An error with broken details is still that error."""
    assert envelope(status="Error", type="245", lead_details="{broken").type == "245"


def test_other_keys_of_the_envelope_are_kept() -> None:
    """What is neither status, message, type nor lead_details is handed on."""
    assert envelope(status="Success", lead_details={"id": 1}, quota=5).others == {"quota": 5}


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
def test_details_are_an_object_or_its_json_text_or_a_list_of_one(details: object) -> None:
    """However the lead is wrapped, the same lead comes out."""
    assert read_reply(json.dumps({"status": "Success", "lead_details": details}).encode()) == FoundLead(Lead(id="1"))


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
    """Details that are missing, empty, or name nobody are no empty lead but no answer."""
    assert verdict(json.dumps({"status": "Success", "lead_details": details}).encode()) == "empty_success"


def test_success_without_details_is_malformed() -> None:
    """The key may even be absent."""
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
def test_what_is_no_answer_is_malformed(body: bytes, code: str) -> None:
    """Each way to be no answer has its code; the bytes are kept with the error."""
    assert verdict(body) == code


@pytest.mark.parametrize("before", [b"\xef\xbb\xbf", b"\n\n \t", b"\xef\xbb\xbf\r\n "])
def test_a_byte_order_mark_and_blanks_before_the_json_are_skipped(before: bytes) -> None:
    """What editors and PHP files leave before the first brace does not matter."""
    assert read_reply(before + SUCCESS) == FoundLead(Lead(id="1"))


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
def test_text_that_is_no_unicode_is_put_right(raw: bytes, text: str) -> None:
    """Invalid UTF-8 and halves of characters cost these characters, not the reply; the escapes of PHP are normal."""
    reply = read_reply(SUCCESS.replace(b'"1"', b'"1","first_name":"' + raw + b'"'))
    assert isinstance(reply, FoundLead)
    assert (reply.lead, reply.extras) == (Lead(id="1", first_name=text), {})


def test_bytes_that_are_no_utf_8_are_counted_as_drift() -> None:
    """A character that was lost shows in the manifest, for nothing else tells of it."""
    reply = read_reply(SUCCESS.replace(b'"1"', b'"1","first_name":"Zo\xeb"'))
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
def test_numbers_that_nothing_can_hold_stay_in_extra(number: bytes, score: str | None, extra: object) -> None:
    """NaN, infinities and huge numbers cost their column, not the reply."""
    reply = read_reply(SUCCESS.replace(b'"1"', b'"1","score":' + number))
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
    """No bytes and no JSON get anything out of the reader but an answer or MalformedReply."""
    assert verdict(body) in {"empty_body", "cut_off", "not_json", "not_an_answer", "other answer"}


@given(any_json, st.sampled_from(["Success", "SUCCESS", "Error"]))
def test_any_details_are_read_or_malformed(details: object, status: str) -> None:
    """Whatever stands where the lead should be, a Success is a lead or malformed, and an error is an error."""
    possible = {"other answer"} if status == "Error" else {"lead", "empty_success", "not_json", "cut_off"}
    assert verdict(json.dumps({"status": status, "lead_details": details}).encode()) in possible

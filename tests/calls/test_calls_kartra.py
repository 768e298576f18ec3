"""The wire contract without a network: what goes out byte for byte, and what each reply means."""

from __future__ import annotations

import json
from contextlib import suppress
from urllib.parse import parse_qs

import pytest
from calls_wire import settings
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.calls.kartra import RULES, judge, refuses_the_app, request_body, request_prefix, retry_after_s
from pipeline.errors import (
    AddressRefused,
    CredentialsRefused,
    EmailMismatch,
    FirewallPage,
    InternalError,
    LeadExportError,
    MalformedReply,
    PermissionRefused,
    ServerTrouble,
    Throttled,
    UnknownApiError,
    WrongEndpoint,
)
from pipeline.outcomes import Outcome

ASKED = "ann@example.com"
PAGE = b"<html><head><title>Trouble</title></head><body>No API today.</body></html>"

Verdict = Outcome | type[LeadExportError]

# The contract's own table, written down once more: type, what it means for a batch, what must be named.
BY_TYPE: dict[int, tuple[Verdict, str]] = {
    234: (Outcome.NOT_FOUND, ""),
    243: (Outcome.NOT_FOUND, ""),
    245: (Outcome.DELETED, ""),
    206: (AddressRefused, ""),
    429: (Throttled, ""),
    201: (WrongEndpoint, "api_url"),
    202: (CredentialsRefused, "KARTRA_API_KEY"),
    203: (CredentialsRefused, "KARTRA_API_KEY"),
    204: (CredentialsRefused, "KARTRA_API_KEY"),
    233: (CredentialsRefused, "KARTRA_API_PASSWORD"),
    238: (CredentialsRefused, "KARTRA_APP_ID"),
    239: (CredentialsRefused, "KARTRA_APP_ID"),
    240: (CredentialsRefused, "KARTRA_APP_ID"),
    242: (PermissionRefused, "IP address"),
    262: (PermissionRefused, "permission"),
    236: (InternalError, "report"),
    223: (InternalError, "report"),
    224: (InternalError, "report"),
    254: (InternalError, "report"),
}
BY_MESSAGE: dict[str, tuple[Verdict, str | None]] = {
    "no lead found": (Outcome.NOT_FOUND, None),
    "lead not found": (Outcome.NOT_FOUND, None),
    "too many requests": (Throttled, "429"),
}
BY_STATUS: dict[int, tuple[Verdict, str]] = {
    429: (Throttled, "429"),
    408: (ServerTrouble, "http_408"),
    **{status: (ServerTrouble, f"http_{status}") for status in (500, 502, 503, 504, 520, 599)},
    403: (FirewallPage, "http_403"),
    401: (WrongEndpoint, "http_401"),
    404: (WrongEndpoint, "http_404"),
    **{status: (WrongEndpoint, f"http_{status}") for status in (300, 301, 302, 303, 307, 308, 399)},
    **{status: (UnknownApiError, f"http_{status}") for status in (400, 402, 405, 410, 413, 418, 600)},
}
WORDINGS = [str.lower, str.upper, "  {}\n".format, "Sorry: {}. Try later.".format]


def error_reply(message: str = "", **fields: object) -> bytes:
    """An error as the API sends it."""
    return json.dumps({"status": "Error", "message": message, **fields}).encode()


def success(**details: object) -> bytes:
    """A success with these details."""
    return json.dumps({"status": "Success", "lead_details": details}).encode()


def verdict(body: bytes, status: int = 200) -> tuple[Verdict, str | None, str]:
    """What a reply means, its code and its message, whether it is an answer or an error."""
    kept: bytes | None
    seen: tuple[Verdict, str | None, str]
    try:
        answer = judge(status, body, email=ASKED)
    except LeadExportError as error:
        kept, seen = error.body, (type(error), error.code, str(error))
    else:
        kept, seen = answer.body, (answer.outcome, answer.code, answer.message or "")
    assert kept == body
    return seen


# What goes out.


def test_credentials_and_address_are_one_form_with_php_brackets() -> None:
    """Plus signs, ampersands, percent signs, umlauts and brackets are escaped; a blank is a plus sign."""
    prefix = request_prefix(settings(app_id="a+p p", api_key="k&=%", api_password="pä/ss"))
    expected = (
        b"app_id=a%2Bp+p&api_key=k%26%3D%25&api_password=p%C3%A4%2Fss"
        b"&get_lead%5Bemail%5D=joe.smith%2Btag%40b%C3%BCcher.example.com"
    )
    assert request_body(prefix, "joe.smith+tag@bücher.example.com") == expected


def test_bytes_of_the_environment_that_are_no_text_go_out_as_they_are() -> None:
    """A password in Latin-1 reaches the program as an escaped byte and leaves it as that byte."""
    latin_1 = b"p\xe4ss".decode(errors="surrogateescape")
    prefix = request_prefix(settings(api_password=SecretStr(latin_1)))
    assert b"&api_password=p%E4ss&" in prefix


@given(st.text() | st.text("ab1.-_~@+% ", max_size=20))
def test_any_address_survives_the_form(email: str) -> None:
    """PHP reads back the address that went in, whatever it is."""
    body = request_body(b"get_lead%5Bemail%5D=", email)
    assert parse_qs(body.decode("ascii"), keep_blank_values=True)["get_lead[email]"] == [email]


@given(st.text(st.characters(categories=["Cs", "L"])))
def test_half_a_character_in_an_address_does_no_harm(email: str) -> None:
    """What cannot be UTF-8 is replaced, and the body stays plain ASCII."""
    assert request_body(b"x=", email).isascii()


# What comes back: the body first.


def test_the_tables_of_this_test_have_every_type_and_phrase_of_the_rules() -> None:
    """A rule that is new in the code is missing here until it is written down."""
    assert {kind for rule in RULES for kind in rule.types} == set(map(str, BY_TYPE))
    assert {phrase for rule in RULES for phrase in rule.phrases} == set(BY_MESSAGE)


def test_the_tables_of_this_test_have_every_status_of_the_rules() -> None:
    """Both ends of each range of statuses are covered, with the verdict of the rule."""
    ends = {status: rule.verdict for rule in RULES for status in rule.statuses or ()}
    assert ends == {status: BY_STATUS[status][0] for status in ends}


@pytest.mark.parametrize("kind", BY_TYPE)
@pytest.mark.parametrize("spelling", [str, int, float, " {} ".format])
def test_type_of_an_error_decides(kind: int, spelling: type) -> None:
    """A type means the same as text and as number, and its code is kept as text."""
    expected, named = BY_TYPE[kind]
    actual, code, message = verdict(error_reply("whatever", type=spelling(kind)))
    assert (actual, code) == (expected, str(kind))
    assert named in message


@pytest.mark.parametrize("kind", BY_TYPE)
@pytest.mark.parametrize("status", [204, 302, 401, 403, 404, 429, 500, 503])
def test_body_counts_before_the_status(kind: int, status: int) -> None:
    """A known type means the same whatever HTTP status comes with it."""
    reply = error_reply(type=str(kind))
    assert verdict(reply, status) == verdict(reply, 200)


@pytest.mark.parametrize("status", [200, 302, 401, 403, 404, 429, 500])
def test_lead_counts_before_the_status(status: int) -> None:
    """A lead in the body is a lead, whatever HTTP status comes with it."""
    assert verdict(success(id="1", email=ASKED), status) == (Outcome.FOUND, None, "")


@pytest.mark.parametrize("phrase", BY_MESSAGE)
@pytest.mark.parametrize("wording", WORDINGS)
def test_message_decides_where_there_is_no_known_type(phrase: str, wording: type) -> None:
    """The phrase counts in any case and inside of a longer message."""
    expected, code = BY_MESSAGE[phrase]
    assert verdict(error_reply(wording(phrase)))[:2] == (expected, code)


@pytest.mark.parametrize(
    ("reply", "status"),
    [(PAGE, 429), (error_reply("Too many requests", type="429"), 200), (error_reply("Too many requests"), 200)],
    ids=["http", "body", "message"],
)
def test_every_kind_of_429_is_understood(reply: bytes, status: int) -> None:
    """However the API says that it is too much."""
    assert verdict(reply, status)[:2] == (Throttled, "429")


def test_type_counts_before_the_message() -> None:
    """A wrong key stays a wrong key, even if the message also says that no lead was found."""
    assert verdict(error_reply("No lead found", type="203"))[:2] == (CredentialsRefused, "203")


def test_unknown_type_with_a_known_message_keeps_its_code() -> None:
    """The message decides, the code stays for the record."""
    assert verdict(error_reply("Lead not found", type="777"))[:2] == (Outcome.NOT_FOUND, "777")


@pytest.mark.parametrize(
    ("reply", "code", "says"),
    [
        (error_reply("Something  else\nwent wrong", type="987"), "987", "Something else went wrong"),
        (error_reply("Something else", type=987), "987", "Something else"),
        (error_reply(type="987"), "987", "no message"),
        (error_reply("Something else"), "unknown", "Something else"),
        (error_reply(), "unknown", "no message"),
        (b'{"status":"Pending"}', "unknown", "no message"),
        (error_reply("Something else", type=["987"]), "unknown", "Something else"),
        (error_reply("x" * 1000), "unknown", "x" * 200),
    ],
)
def test_unknown_error_fails_its_row_and_keeps_its_code(reply: bytes, code: str, says: str) -> None:
    """An error that nobody documented fails the address, with the API's own code and the start of what it says."""
    actual, actual_code, message = verdict(reply)
    assert (actual, actual_code) == (UnknownApiError, code)
    assert message.endswith(f": {says}")


# What comes back: only the status.


@pytest.mark.parametrize("status", BY_STATUS)
@pytest.mark.parametrize("body", [PAGE, b"", b"[1]", b'{"no":"status"}', b'{"status":"Success"}', b"\xff\x00"])
def test_status_decides_where_the_body_is_no_answer(status: int, body: bytes) -> None:
    """With a page, nothing, or JSON that is no answer, the HTTP status says what to do."""
    assert verdict(body, status)[:2] == BY_STATUS[status]


@pytest.mark.parametrize("status", [429, 408, 503, 403, 401, 404, 302])
def test_status_decides_where_the_error_is_unknown(status: int) -> None:
    """An error of an unknown type that comes with a telling status means what the status means."""
    assert verdict(error_reply("Service down", type="9999"), status)[:2] == BY_STATUS[status]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b" \r\n", "empty_body"),
        (PAGE, "not_json"),
        (success(id="1")[:-5], "cut_off"),
        (b"[1]", "not_an_answer"),
        (b'{"no":"status"}', "not_an_answer"),
        (b'{"status":"Success"}', "empty_success"),
        (success(), "empty_success"),
        (b'{"status":"Success","lead_details":[]}', "empty_success"),
        (success(id="", email="", first_name="Ann"), "empty_success"),
    ],
)
@pytest.mark.parametrize("status", [200, 204, 299])
def test_malformed_reply_is_asked_again(status: int, body: bytes, code: str) -> None:
    """A 2xx reply that cannot be an answer is transient, and its code says what was wrong with it."""
    assert verdict(body, status)[:2] == (MalformedReply, code)


def test_redirect_is_a_wrong_endpoint_that_names_the_setting() -> None:
    """The one thing to look at is named."""
    kind, code, message = verdict(PAGE, 302)
    assert (kind, code) == (WrongEndpoint, "http_302")
    assert all(fact in message for fact in ("api_url", "302"))


def test_errors_about_credentials_and_permissions_are_known_by_their_code() -> None:
    """A run that one of them has stopped begins differently when it is resumed."""
    codes = [str(code) for code, (kind, _) in BY_TYPE.items() if kind in (CredentialsRefused, PermissionRefused)]
    assert len(codes) == 9
    assert [code for code in (*codes, "236", "201", "http_302", "disk", None) if refuses_the_app(code)] == codes


# A lead.


@pytest.mark.parametrize(
    ("details", "lead_id"),
    [
        ({"id": "35", "email": ASKED}, "35"),
        ({"id": 35, "email": " ANN@Example.com "}, "35"),
        ({"id": "35"}, "35"),
        ({"email": ASKED}, None),
    ],
)
def test_found_lead(details: dict[str, object], lead_id: str | None) -> None:
    """A lead is found under its own address in any case, or without any address."""
    body = success(**details)
    answer = judge(200, body, email=ASKED)
    assert (answer.outcome, answer.code, answer.lead_id, answer.body) == (Outcome.FOUND, None, lead_id, body)


@pytest.mark.parametrize(
    ("asked", "replied"),
    [
        ("zo\u00e9@example.com", "ZOE\u0301@example.com"),
        ("ann@example.com", "\ufeffan\u200bn@exam\u00adple.com\u00a0"),
        ("jo.o'brien@example.com", "jo.o&#039;brien@example.com"),
        ("a&b@example.com", "a&amp;b@example.com"),
        ("info@stra\u00dfe.example.com", "info@xn--strae-oqa.example.com"),
        ("info@xn--bcher-kva.example.com", "info@B\u00fccher.example.com"),
    ],
)
def test_another_spelling_is_the_same_address(asked: str, replied: str) -> None:
    """A server may store an address in another normal form, escaped, or with its domain encoded."""
    assert judge(200, success(id="35", email=replied), email=asked).code is None


@pytest.mark.parametrize(
    ("asked", "replied"),
    [
        (ASKED, "bob@example.com"),
        (ASKED, "ann@example.org"),
        (ASKED, "nobody"),
        ("info@stra\u00dfe.example.com", "info@strasse.example.com"),
        ("info@stra\u00dfe.example.com", "info@xn--strasse.example.com"),
        ("joe+tag@example.com", "joe@example.com"),
    ],
)
def test_the_lead_of_another_address_is_nobodys(asked: str, replied: str) -> None:
    """It is asked for again, and never becomes the address's lead; with `accept_mismatch` it does, and is marked."""
    body = success(id="35", email=replied)
    with pytest.raises(EmailMismatch) as caught:
        judge(200, body, email=asked)
    assert (caught.value.code, caught.value.body) == ("email_mismatch", body)
    assert replied not in str(caught.value)
    answer = judge(200, body, email=asked, accept_mismatch=True)
    assert (answer.outcome, answer.code, answer.lead_id) == (Outcome.FOUND, "email_mismatch", "35")


@given(st.text(), st.text())
def test_any_two_addresses_can_be_compared(asked: str, replied: str) -> None:
    """Whatever a server calls an address, the reply is the lead asked for or somebody else's."""
    with suppress(EmailMismatch):
        assert judge(200, success(id="35", email=replied), email=asked).outcome is Outcome.FOUND


@given(st.integers(100, 599), st.binary() | st.text().map(str.encode))
def test_any_reply_is_an_answer_or_one_of_our_errors(status: int, body: bytes) -> None:
    """Whatever a server sends, the verdict is an answer or an error with a code, and keeps the body."""
    assert verdict(body, status)[1] != ""


@given(
    st.integers(100, 599),
    st.dictionaries(
        st.sampled_from(["status", "message", "type", "lead_details"]),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.sampled_from(["Success", "Error"]),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
            max_leaves=6,
        ),
    ),
)
def test_any_json_object_is_an_answer_or_one_of_our_errors(status: int, reply: dict[str, object]) -> None:
    """The same for objects with the keys of the API and any values under them."""
    assert verdict(json.dumps(reply).encode(), status)[1] != ""


# Retry-After.


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("99999999999999999999", 999_999_999.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 60.0),
        ("Thu, 01 Jan 1970 00:01:40 -0000", 60.0),
        ("Thu, 01 Jan 1970 00:01:40", 60.0),
        ("Thu, 01 Jan 1970 01:01:40 +0100", 60.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
        ("3.7", 4.0),
        ("2.0", 2.0),
        ("5.", 5.0),
        (".5", None),
        ("1,5", None),
        ("1.5.2", None),
        ("1e3", None),
        ("٣", None),
        ("Thu, 99 Jan 1970 00:01:40 GMT", None),
    ],
)
def test_retry_after(header: str | None, expected: float | None) -> None:
    """A number of seconds or a date becomes seconds from now, 40 s after the epoch; anything else is no advice."""
    assert retry_after_s(header, now=40.0) == expected


_HEADER_WORDS = st.sampled_from(["Mon,", "23", "Nov", "2026", "10:00:00", "99:99", "GMT", "-0000", "+9999", "(", '"'])


@given(st.text() | st.lists(_HEADER_WORDS).map(" ".join))
def test_any_retry_after_header_is_read_or_ignored(header: str) -> None:
    """No header can do harm, and none asks for time before now."""
    assert (retry_after_s(header, now=0.0) or 0.0) >= 0.0


def test_an_error_type_that_could_be_data_is_no_code() -> None:
    """Codes go into logs; a `type` that does not look like one stays in the message only."""
    body = b'{"status":"Error","message":"sorry","type":"no such subscriber: joe@example.com\\nkey=1"}'
    with pytest.raises(UnknownApiError) as caught:
        judge(200, body, email="joe@example.com")
    assert caught.value.code == "unknown"
    assert str(caught.value).endswith("no such subscriber: joe@example.com key=1 sorry")

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sandbox.form import MAX_DEPTH, MAX_FIELDS, Form, parse_form


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&a=2", {"a": "2"}),
        (b"a", {"a": ""}),
        (b"a=x=y", {"a": "x=y"}),
        (b"&&=1&a=1&", {"a": "1"}),
        (b"get_lead[email]=x", {"get_lead": {"email": "x"}}),
        (b"get_lead%5Bemail%5D=x", {"get_lead": {"email": "x"}}),
        (b"a[b][c]=1&a[b][d]=2", {"a": {"b": {"c": "1", "d": "2"}}}),
        (b"a[]=1&a[]=2", {"a": {"0": "1", "1": "2"}}),
        (b"a[1]=x&a[]=y", {"a": {"1": "x", "2": "y"}}),
        (b"a=1&a[b]=2", {"a": {"b": "2"}}),
        (b"a[b]=2&a=1", {"a": "1"}),
        (b"a.b c=1", {"a_b_c": "1"}),
        (b"a[b=1", {"a_b": "1"}),
        (b"a[b]c[d]=1", {"a": {"b": "1"}}),
        (b"+a=1", {"a": "1"}),
        (b"[a]=1", {}),
        (b"a%00b=1", {"a": "1"}),
    ],
)
def test_bodies_are_read_as_php_reads_them(body: bytes, form: Form) -> None:
    """Brackets nest, later keys win, dots and blanks in names become underscores."""
    assert parse_form(body) == form


def test_a_plus_sign_is_a_blank_unless_it_is_encoded() -> None:
    """An address with a raw `+` arrives damaged, as it does at the real API."""
    assert parse_form(b"raw=joe+tag@example.com&encoded=joe%2Btag%40example.com") == {
        "raw": "joe tag@example.com",
        "encoded": "joe+tag@example.com",
    }


def test_bytes_that_are_no_utf8_become_replacement_characters() -> None:
    """Invalid UTF-8 and broken percent signs damage a value, never the request."""
    assert parse_form(b"a=%FFx&b=%zz&c=\xc3\xa9") == {"a": "\ufffdx", "b": "%zz", "c": "é"}


def test_endless_forms_are_cut() -> None:
    """More fields or deeper brackets than PHP allows are ignored."""
    assert len(parse_form(b"&".join(b"k%d=1" % i for i in range(MAX_FIELDS + 50)))) == MAX_FIELDS
    assert parse_form(b"a" + b"[b]" * MAX_DEPTH + b"=1&c=1") == {"c": "1"}


@given(st.binary(max_size=300) | st.text("ab[]=&%+.\0 0", max_size=80).map(str.encode))
def test_any_bytes_give_a_form(body: bytes) -> None:
    """Whatever comes in, nothing crashes and every name is a non-empty text."""
    assert all(parse_form(body))


@given(st.dictionaries(st.text("abc_-09é", min_size=1), st.text(st.characters(exclude_categories=["Cs"]))))
def test_encoded_forms_come_back_unchanged(fields: dict[str, str]) -> None:
    """What a correct client encodes is read as it was meant."""
    assert parse_form(urlencode(fields).encode()) == fields

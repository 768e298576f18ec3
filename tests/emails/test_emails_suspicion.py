"""Addresses that are probably mistyped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.emails.address import Refusal, clean
from pipeline.emails.suspicion import SUSPICIONS, suspicion


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("joe@localhost", "no_dot"),
        ("joe@example", "no_dot"),
        ("joe@example..com", "odd_domain"),
        ("joe@example.com.", "odd_domain"),
        ("joe@.example.com", "odd_domain"),
        ("joe@-example.com", "odd_domain"),
        ("joe@example-.com", "odd_domain"),
        ("joe@exam_ple.com", "odd_domain"),
        ("joe@192.168.0.1", "odd_domain"),
        ("joe@gmial.com", "typo"),
        ("joe@GMAI.com", "typo"),
        ("joe@gmaill.com", "typo"),
        ("joe@gnail.com", "typo"),
        ("joe@gmail.con", "typo"),
        ("joe@gmail.co", "typo"),
        ("joe@hotmial.com", "typo"),
        ("joe@yaho.com", "typo"),
        ("joe@outlok.com", "typo"),
        ("joe@example.con", "typo_in_ending"),
        ("joe@example.comm", "typo_in_ending"),
        (".joe@example.com", "odd_name"),
        ("joe.@example.com", "odd_name"),
        ("jo..e@example.com", "odd_name"),
        ("'joe@example.com", "odd_name"),
        ("“joe@example.com", "odd_name"),
        ("Ada|joe@example.com", "odd_name"),
    ],
)
def test_what_is_hardly_ever_meant_is_suspicious(address: str, code: str) -> None:
    """Domains that cannot exist or resemble a large provider's, and local parts with what copying leaves."""
    assert clean(address) == address
    assert suspicion(address) == code


@pytest.mark.parametrize(
    "address",
    [
        *(
            f"joe@{provider}.com"
            for provider in ("gmail", "mail", "email", "ymail", "yahoo", "hotmail", "outlook", "aol")
        ),
        *(f"joe@{domain}" for domain in ("yahoo.co.uk", "hotmail.co.uk", "gmx.de", "web.de", "mail.ru", "qq.com")),
        *(
            f"joe@{domain}"
            for domain in ("a.co", "x.company", "b-c.example.com", "xn--bcher-kva.example", "bücher.example")
        ),
        "o'brien@example.com",
        "joe.smith+tag@example.com",
        '"joe..smith"@example.com',
        "用户@例子.example",
    ],
)
def test_ordinary_addresses_are_not(address: str) -> None:
    """A notice that is mostly wrong is not read."""
    assert suspicion(address) is None


@given(st.text("abcgmilo.@-_|'\"é1", max_size=20))
def test_any_address_is_suspicious_or_not(text: str) -> None:
    """Whatever was cleaned, the answer is a known code or None, and case does not matter."""
    address = clean(text)
    if not isinstance(address, Refusal):
        assert suspicion(address) in (None, *SUSPICIONS)
        assert suspicion(address.upper()) == suspicion(address)

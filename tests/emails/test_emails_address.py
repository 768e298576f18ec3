import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.emails.address import (
    EMPTY,
    MANY_AT,
    MARK_INSIDE,
    MAX_LENGTH,
    NO_AT,
    NO_NAME,
    REFUSALS,
    TOO_LONG,
    WHITESPACE,
    Refusal,
    clean,
    key,
)

ANY_TEXT = st.text() | st.text("\"'<>()[]@+=-,;\\| \t\u200b\u200c\u094d\u0301\ufeffmailto:?%2Aé", max_size=40)


@pytest.mark.parametrize(
    "wrapped",
    [
        "joe@example.com",
        "  joe@example.com\t",
        "\u00a0joe@example.com\u3000",
        "\ufeffjoe@example.com",
        "\u200bjoe@example.com\u200b ",
        "<joe@example.com>",
        "< joe@example.com >",
        "Joe Smith <joe@example.com>",
        '"Smith, Joe" <joe@example.com>',
        '"joe@work" <joe@example.com>',
        "mailto:joe@example.com",
        "MailTo: joe@example.com",
        "mailto:joe@example.com?subject=Hi&body=Dear+Joe",
        "<mailto:joe@example.com>",
        '"joe@example.com"',
        "'joe@example.com'",
        "`joe@example.com`",
        "“joe@example.com”",
        "„joe@example.com“",
        "\N{LEFT SINGLE QUOTATION MARK}joe@example.com\N{RIGHT SINGLE QUOTATION MARK}",
        "«joe@example.com»",
        "\u1fefjoe@example.com\u1fef",
        """ "'<mailto:joe@example.com>'" """,
        "joe@example.com,",
        "joe@example.com;",
        "; joe@example.com ,;",
        "<joe@example.com>;",
        '"joe@example.com",',
        "joe@example.com\N{IDEOGRAPHIC COMMA}",
        "(joe@example.com)",
        "[joe@example.com],",
        "{joe@example.com}",
        "Joe Smith (joe@example.com)",
        "Joe Smith [mailto:joe@example.com]",
        "joe@example.com (Joe Smith)",
        "[joe@example.com](mailto:joe@example.com)",
        "<mailto:joe@example.com|joe@example.com>",
        "mailto:joe%40example.com",
    ],
)
def test_wrapping_is_removed(wrapped: str) -> None:
    """Whitespace, quotes, angle brackets with a name before them and `mailto:` go, however they are nested."""
    assert clean(wrapped) == "joe@example.com"


INVISIBLE = "\u00a0\u00ad\u200b\u200c\u200d\u200e\u200f\u202a\u202e\u2060\u2066\u2069\ufeff\ufe0f\u034f\u180e"


@pytest.mark.parametrize("hidden", INVISIBLE, ids=lambda character: f"{ord(character):04X}")
def test_invisible_characters_are_removed(hidden: str) -> None:
    """Soft hyphens, zero-width and bidirectional marks go inside an address as at its ends, so it is a duplicate."""
    for text in (f"ada{hidden}@example.com", f"a{hidden}da@exam{hidden}ple.com", f"{hidden}ada@example.com{hidden}"):
        assert clean(text) == "ada@example.com"
    assert clean(f"{hidden} <{hidden}>;") == EMPTY


@pytest.mark.parametrize("address", ["=joe@example.com", "+joe@example.com", "-joe@example.com"])
def test_the_formula_guard_is_removed(address: str) -> None:
    """A list that we wrote ourselves, with `'` before what a spreadsheet would run, reads back as it was."""
    assert clean(f"'{address}") == address


@pytest.mark.parametrize(
    "address",
    [
        "Joe.Smith+Tag@Example.COM",
        "o'brien@example.com",
        "'joe@example.com",
        "joe@localhost",
        "jürgen@bücher.example",
        "joe!#$%&*/=?^_`{|}~-@example.com",
        "用户@例子.example",
        "\u0936\u094d\u200d\u0937@example.com",  # a joiner that shapes a Devanagari letter
        "\u0645\u06cc\u200c\u0631\u0648\u0645@example.com",  # and one in a Persian word
        '"ada lovelace"@example.com',
        '"a@b;c,<d>"@example.com',
        "joe.@example.com.",
    ],
)
def test_everything_else_stays_as_written(address: str) -> None:
    """Case, dots, plus tags and odd characters are the API's business."""
    assert clean(address) == address


def test_addresses_are_composed() -> None:
    """Two ways to write é in Unicode are one address."""
    assert clean("jose\u0301@example.com") == "josé@example.com"


@pytest.mark.parametrize(
    ("given", "refusal"),
    [
        ("", EMPTY),
        (" \t\u00a0", EMPTY),
        ("\ufeff", EMPTY),
        ('""', EMPTY),
        ("<>", EMPTY),
        ("mailto:", EMPTY),
        ("n/a", NO_AT),
        ("joe.example.com", NO_AT),
        ("joe＠example.com", NO_AT),  # noqa: RUF001 - a full-width @ is not an @
        ("joe@@example.com", MANY_AT),
        ("joe@example.com, jim@example.com", MANY_AT),
        ("@example.com", NO_NAME),
        ("joe@", NO_NAME),
        ("@", NO_NAME),
        ("joe smith@example.com", WHITESPACE),
        ("joe@exam\u2003ple.com", WHITESPACE),
        ('"joe\n"@example.com', WHITESPACE),
        *((f"jo{mark}e@example.com", MARK_INSIDE) for mark in ',;<>()[]"\\'),
        ("x@example,com", MARK_INSIDE),
        ('"joe@example.com', MARK_INSIDE),
        ("<joe@example.com", MARK_INSIDE),
        ('joe"x y"@example.com', WHITESPACE),
        ('"joe"@jim@example.com', MANY_AT),
        ("joe\x00@example.com", WHITESPACE),
        ("joe\n@example.com", WHITESPACE),
        ("joe\x7f@example.com", WHITESPACE),
        ("joe\ud83d@example.com", WHITESPACE),
        ("joe\uffff@example.com", WHITESPACE),
        ("j" * (MAX_LENGTH - 11) + "@example.com", TOO_LONG),
    ],
)
def test_what_cannot_be_an_address_is_refused(given: str, refusal: Refusal) -> None:
    """Each refusal has its own reason."""
    assert clean(given) == refusal


def test_the_longest_address_is_taken() -> None:
    """The limit is inclusive, and wrapping does not count."""
    address = "j" * (MAX_LENGTH - 12) + "@example.com"
    assert len(address) == MAX_LENGTH
    assert clean(f"Joe <{address}>") == address


@pytest.mark.parametrize("layer", ['"', "mailto:", "<", "x", " @ "])
def test_a_huge_cell_is_refused(layer: str) -> None:
    """A cell of nothing but wrapping is not taken apart layer by layer."""
    assert clean(layer * 1_000_000) == TOO_LONG


@given(ANY_TEXT)
@example("'=")
@example("\u1fef\u1fef")
def test_any_text_is_an_address_or_refused(text: str) -> None:
    """Whatever a cell contains, an address has one @ with visible characters around it and cleans to itself."""
    address = clean(text)
    if isinstance(address, Refusal):
        assert address in REFUSALS
    else:
        name, _, domain = address.rpartition("@")
        assert name
        assert domain
        assert name.startswith('"') or ("@" not in name and address.split() == [address])
        assert domain.split() == [domain]
        assert key(key(address)) == key(address)
        assert unicodedata.is_normalized("NFC", address)
        assert clean(address) == address


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("joe@example.com", "JOE@Example.COM"),
        ("info@straße.de", "INFO@STRAẞE.de"),
        ("ÉMILE@example.com", "émile@example.com"),
        ("ΣΊΣΥΦΟΣ@example.com", "σίσυφος@example.com"),
    ],
)
def test_spellings_of_an_address_share_a_key(one: str, other: str) -> None:
    """Addresses that are equal without case are the same."""
    assert key(one) == key(other)


@pytest.mark.parametrize("other", ["joe+tag@example.com", "j.oe@example.com", "joe@example.org"])
def test_different_addresses_have_different_keys(other: str) -> None:
    """Dots and plus tags make another address."""
    assert key(other) != key("joe@example.com")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("info@straße.de", "info@strasse.de"),
        ("ﬁ@example.com", "fi@example.com"),
        ("\u017f@example.com", "s@example.com"),
    ],
)
def test_other_letters_make_another_address(one: str, other: str) -> None:
    """Only case is ignored: `ß` is not `ss`, because these are two domains, and no ligature is two letters."""
    assert key(one) != key(other)


@given(st.text("ab.@'=+-_%<>\"mailto: \u00e9\ufb01", max_size=12))
def test_plain_addresses_need_no_cleaning(given_: str) -> None:
    """Plain addresses that skip the cleaning are those that the cleaning leaves as they are."""
    quick = clean(given_)
    assert quick == clean(f" {given_} ")  # with whitespace around it, nothing takes the short way

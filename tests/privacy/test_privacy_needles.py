"""Addresses looked for in bytes: however they are encoded, and only whole ones."""

from __future__ import annotations

import base64
import html
import json
import unicodedata
import urllib.parse
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.emails.address import key
from pipeline.privacy.needles import Needles
from pipeline.privacy.redaction import ERASED, redacted

if TYPE_CHECKING:
    from collections.abc import Callable

ADDRESS = "ada.o'brien+x@example.com"
NEEDLES = Needles([ADDRESS, *(f"p{number}@domain{number}.org" for number in range(50))])
WHOLE: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "upper case": lambda text: text.upper().encode(),
    "JSON at sign": lambda text: text.replace("@", "\\u0040").encode(),
    "JSON throughout": lambda text: "".join(f"\\u{ord(one):04X}" for one in text).encode(),
    "JSON in JSON": lambda text: json.dumps(json.dumps({"a": text.replace("@", "\\u0040")})).encode(),
    "percent": lambda text: urllib.parse.quote(text, safe="").encode(),
    "percent twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe="").encode(),
    "percent throughout": lambda text: "".join(f"%{ord(one):02x}" for one in text).encode(),
    "HTML decimal": lambda text: text.replace("@", "&#64;").encode(),
    "HTML hexadecimal": lambda text: text.replace("@", "&#x40;").encode(),
    "HTML name": lambda text: html.escape(text).replace("@", "&commat;").encode(),
    "quoted-printable": lambda text: text.replace("@", "=40").encode(),
    "backslash x": lambda text: text.replace("@", "\\x40").encode(),
    "UTF-7": lambda text: text.replace("@", "+AEA-").encode(),
    "zero-width space": lambda text: text.replace("@", "\u200b@").encode(),
}
PACKED: dict[str, Callable[[str], bytes]] = {
    "UTF-16 little": lambda text: text.encode("utf-16-le"),
    "UTF-16 big": lambda text: text.encode("utf-16-be"),
    "UTF-16 with mark": lambda text: text.encode("utf-16"),
    "UTF-32": lambda text: text.encode("utf-32-be"),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, shifted by one": lambda text: base64.b64encode(f"x {text} y".encode()),
    "base64, shifted by two": lambda text: base64.b64encode(f": {text}".encode()),
    "base64url": lambda text: base64.urlsafe_b64encode(f"~~ {text}".encode()),
    "base64 of JSON": lambda text: base64.b64encode(json.dumps({"e": text.replace("@", "\\u0040")}).encode()),
    "hexadecimal": lambda text: text.encode().hex().encode(),
}
PLACES = [(b"", b""), (b'{"notes":"ask ', b' about it"}'), (b'x,"', b'",y'), (b'"line\\n', b'\\r\\nmore"')]


@pytest.mark.parametrize("way", [*WHOLE, *PACKED])
def test_an_address_is_found_in_any_encoding(way: str) -> None:
    """In bytes, and in a column, where the number of the value is told."""
    encoded = {**WHOLE, **PACKED}[way](ADDRESS)
    for before, after in PLACES if way in WHOLE else PLACES[:1]:
        value = before + encoded + after
        assert NEEDLES.in_bytes(value) == {ADDRESS}
        assert NEEDLES.in_column(pa.array([b"other", None, value, b"bob"])) == {2: {ADDRESS}}


@pytest.mark.parametrize("way", WHOLE)
def test_a_mention_is_replaced_in_any_escape(way: str) -> None:
    """What is around it stays; in JSON the string stays one."""
    for before, after in PLACES:
        value = before + WHOLE[way](ADDRESS) + after
        changed = redacted(value, NEEDLES)
        assert NEEDLES.in_bytes(changed) == set()
        assert changed.startswith(before)
        assert changed.endswith(after)
        assert changed.count(ERASED.encode()) == 1


@pytest.mark.parametrize("other", ["x{}", "mary.{}", "mary-{}", "{}.br", "{}x", "x_{}"])
def test_other_addresses_are_not_taken_for_it(other: str) -> None:
    """A longer name or domain is that of somebody else, and is not replaced."""
    text = f"ask {other.format(ADDRESS)} today".encode()
    assert NEEDLES.in_bytes(text) == set()
    assert redacted(text, NEEDLES) == text


@pytest.mark.parametrize(
    "around", ["<{}>", "'{}'", '"{}"', "mailto:{}", "({})", "{}.", "{}, and", "to={};", "-{}", "{}.csv"]
)
def test_marks_around_an_address_do_not_hide_it(around: str) -> None:
    """Whatever people write around it."""
    assert NEEDLES.in_bytes(around.format(ADDRESS).encode()) == {ADDRESS}


@pytest.mark.parametrize("odd", ["müller@bücher.de", '"ada lovelace"@example.com', "i@x.y", "ada@xn--bcher-kva.de"])
def test_odd_addresses_are_found(odd: str) -> None:
    """With letters beyond ASCII, composed or not, and with quotes."""
    needles = Needles([key(odd)])
    ways = [
        odd.encode(),
        odd.upper().encode(),
        json.dumps({"a": odd}).encode(),
        urllib.parse.quote(odd).encode(),
        odd.encode("utf-16-le"),
        unicodedata.normalize("NFD", odd).encode(),
        base64.b64encode(f"to {odd} from".encode()),
        ('"' + odd.replace('"', '""') + '"').encode(),
    ]
    assert [needles.in_bytes(b"a " + way + b" b") for way in ways] == [{key(odd)}] * len(ways)


NAMES = st.from_regex(r"[a-z][a-z0-9._+-]{0,8}[a-z0-9]", fullmatch=True)


@settings(max_examples=40)
@given(
    names=st.lists(NAMES, min_size=1, max_size=5, unique=True),
    words=st.lists(st.text(st.characters(codec="utf-8"), max_size=30), max_size=6),
    at=st.integers(0, 6),
)
def test_any_text_around_an_address(names: list[str], words: list[str], at: int) -> None:
    """It is found among words of any kind, and once it is replaced it is found no more; nobody else is found."""
    keys = [f"{name}@example.com" for name in names]
    needles = Needles(keys)
    text = " ".join([*words[:at], f" {keys[0]} ", *words[at:]])
    encoded = json.dumps({"notes": text}).encode()
    assert keys[0] in needles.in_bytes(encoded)
    assert needles.in_bytes(redacted(encoded, needles)) == set()
    assert isinstance(json.loads(redacted(encoded, needles)), dict)


@settings(max_examples=40)
@given(st.binary(max_size=400))
def test_any_bytes_can_be_searched(raw: bytes) -> None:
    """Nothing that is not an address is found, and nothing raises."""
    assert Needles(["ada.lovelace@analytical-engine.example"]).in_bytes(raw) == set()

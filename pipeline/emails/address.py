"""Cleans the cell of a list: returns the address in it, or the reason why there is none.

Only what cannot be an address is refused here; the API decides about the rest. Only the wrapping is removed: case, dots
and plus tags of the address stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import unquote

MAX_LENGTH = 254
"""Characters in the longest address that mail can carry (RFC 5321, 4.5.3.1)."""
_MAX_WRAPPED = 4_000
"""Characters in the longest cell that is unwrapped: that is done layer by layer, and a cell may consist of layers."""

_PLAIN = re.compile(r"[A-Za-z0-9._%+-]{1,100}@[A-Za-z0-9.-]{1,100}")
"""What nearly every cell holds: a plain address that needs no cleaning."""
_INVISIBLE = re.compile(
    "[\u00a0\u2007\u202f"  # spaces that do not break a line
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
"""What nobody sees: Unicode's Default_Ignorable_Code_Point, and spaces that do not break a line."""
_ZERO_WIDTH_NON_JOINER, _JOINERS = "\u200c", "\u200c\u200d"
_VIRAMA = 9  # Unicode's canonical combining class
_SEPARATORS = ",;\N{FULLWIDTH COMMA}\N{FULLWIDTH SEMICOLON}\N{IDEOGRAPHIC COMMA}\N{ARABIC COMMA}"
_ENCLOSING = ("()", "[]", "{}")
_MAILTO = re.compile(r"mailto:([^?|]*).*", re.IGNORECASE | re.DOTALL)
"""A link (RFC 6068), without its parameters and without the text that chat programs put after a `|`."""
_LABEL = re.compile(r"(?:smtp|e-?mail) *:", re.IGNORECASE)
"""What Exchange (`SMTP:ada@example.com`) and people write before an address."""
_WRAPPERS = (
    re.compile(r'(?:[^<>@]*|"[^"]*"\s*)<([^<>]*)>'),  # Ada <ada@example.com>
    re.compile(r"[^()\[\]@]*\((?=[^()@]*@)([^()]*)\)"),  # Ada (ada@example.com)
    re.compile(r"[^()\[\]@]*\[(?=[^\[\]@]*@)([^\[\]]*)\]"),  # Ada [mailto:ada@example.com]
    re.compile(r"\[[^\[\]]*\]\((mailto:[^()]*)\)", re.IGNORECASE),  # [ada@example.com](mailto:ada@example.com)
    re.compile(r"([^()\s@]+@[^()\s@]+)\s*\([^()@]*\)"),  # ada@example.com (Ada)
)
_QUOTES = "\"'`“”„\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}«»"
_FORMULA = ("'=", "'+", "'-", "'@")
_QUOTED_NAME = re.compile(r'"(?:[^"\\]|\\.)+"(?=@)', re.DOTALL)
"""A local part in quotes, which may contain anything (RFC 5321, 4.1.2)."""
_MARKS = re.compile(r'[,;:<>()\[\]"\\]')
"""What an address may only contain within a local part in quotes."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a cell holds no address: a short code, and a message for people."""

    code: str
    message: str


EMPTY = Refusal("empty", "the cell is empty")
NO_AT = Refusal("no_at", "has no at sign")
MANY_AT = Refusal("many_at", "has more than one at sign")
NO_NAME = Refusal("half", "nothing before or after the at sign")
WHITESPACE = Refusal("blank_inside", "contains whitespace or a control character")
MARK_INSIDE = Refusal("mark_inside", 'contains , ; : < > ( ) [ ] " or \\, which no address does without quotes')
TOO_LONG = Refusal("too_long", f"longer than {MAX_LENGTH} characters")
REFUSALS = (EMPTY, NO_AT, MANY_AT, NO_NAME, WHITESPACE, MARK_INSIDE, TOO_LONG)


def clean(given: str) -> str | Refusal:
    """The address in `given`, unwrapped and in Unicode NFC, or why there is none."""
    return given if _PLAIN.fullmatch(given) else _cleaned(given)


def key(address: str) -> str:
    """The form in which two spellings of the same cleaned address are equal.

    Not `casefold`, for which `straße.de` and `strasse.de`, two domains, would be one.
    """
    return address.lower()


def _cleaned(given: str) -> str | Refusal:
    if len(given.strip()) > _MAX_WRAPPED:
        return TOO_LONG
    address, before = given, None
    while address != before:
        before, address = address, _without_a_layer(address)
    return _refusal(address) or address


def _refusal(address: str) -> Refusal | None:
    """Why what is left without its wrapping is no address; None if it is one."""
    if not address:
        return EMPTY
    quoted = _QUOTED_NAME.match(address)
    name, rest = (quoted[0], address[quoted.end() :]) if quoted else ("", address)
    if rest.count("@") != 1:
        return MANY_AT if "@" in rest else NO_AT
    if address.startswith("@") or address.endswith("@"):
        return NO_NAME
    if any(map(str.isspace, rest)) or not all(map(_is_text, address)):
        return WHITESPACE
    if _MARKS.search(rest):
        return MARK_INSIDE
    return TOO_LONG if len(name) + len(rest) > MAX_LENGTH else None


def _without_a_layer(given: str) -> str:
    """Strip what is invisible, whitespace, separators, and the outermost quotes, brackets, link and name."""
    address = given if given.isascii() else _visible(given)
    address = address.strip().strip(_SEPARATORS).strip()
    if address.startswith(_FORMULA):  # the `'` that guards against formulas
        address = address[1:]
    enclosing = address[:1] + address[-1:]
    if len(address) > 1 and (enclosing in _ENCLOSING or (enclosing[0] in _QUOTES and enclosing[1] in _QUOTES)):
        address = address[1:-1]
    if match := _MAILTO.fullmatch(address):
        address = unquote(match[1], errors="surrogateescape")
    address = _LABEL.sub("", address, count=1) if _LABEL.match(address) else address
    for wrapper in _WRAPPERS:
        if match := wrapper.fullmatch(address):
            return match[1]
    return address


def _visible(given: str) -> str:
    """In Unicode NFC, without the characters that nobody sees."""
    composed = unicodedata.normalize("NFC", given)
    return unicodedata.normalize("NFC", _INVISIBLE.sub(_if_it_joins, composed))


def _if_it_joins(match: re.Match[str]) -> str:
    """A joiner that shapes letters of Indic or Arabic scripts, where it is part of the spelling (RFC 5892, A.1)."""
    character, start, text = match[0], match.start(), match.string
    if character not in _JOINERS or not start:
        return ""
    if unicodedata.combining(text[start - 1]) == _VIRAMA:
        return character
    around = {unicodedata.bidirectional(each) for each in (text[start - 1], *text[start + 1 : start + 2])}
    return character if character == _ZERO_WIDTH_NON_JOINER and around == {"AL"} else ""


def _is_text(character: str) -> bool:
    """Whether it is not a control character, a surrogate or unassigned."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Cn")

"""One cell of a list in, one address or a reason why it is none out.

Refused here is only what cannot be an address; the API decides about the rest. Nothing about the address itself is
changed but its wrapping: the case stays, and so do dots and plus tags.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_LENGTH = 254
"""Characters in the longest address that mail can carry (RFC 5321, 4.5.3.1)."""
_MAX_WRAPPED = 10_000
"""Characters in the longest cell that is unwrapped; unwrapping goes layer by layer, and a cell can be all layers."""

_PLAIN = re.compile(r"[A-Za-z0-9._%+-]{1,100}@[A-Za-z0-9.-]{1,100}")
"""What nearly every cell is: an address as it should be, about which there is nothing to see to."""
_MAILTO = re.compile(r"mailto:", re.IGNORECASE)
_ANGLE = re.compile(r'(?:[^<>@]*|"[^"]*"\s*)<([^<>]*)>', re.DOTALL)
_QUOTES = "\"'`“”„\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}«»"
_FORMULA = ("'=", "'+", "'-", "'@")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a cell is no address: a short code, and a sentence for a person."""

    code: str
    message: str


EMPTY = Refusal("empty", "the cell is empty")
NO_AT = Refusal("no_at", "an address has one @, this has none")
MANY_AT = Refusal("many_at", "an address has one @, this has several")
NO_NAME = Refusal("half", "there is nothing before or after the @")
BLANK = Refusal("blank_inside", "there is a blank or a control character inside")
TOO_LONG = Refusal("too_long", f"longer than {MAX_LENGTH} characters")
REFUSALS = (EMPTY, NO_AT, MANY_AT, NO_NAME, BLANK, TOO_LONG)


def clean(given: str) -> str | Refusal:
    """The address in `given`, unwrapped and in Unicode NFC, or why there is none."""
    return given if _PLAIN.fullmatch(given) else _cleaned(given)


def _cleaned(given: str) -> str | Refusal:
    address = unicodedata.normalize("NFC", given).strip()
    if len(address) > _MAX_WRAPPED:
        return TOO_LONG
    address = _unwrap(address)
    if not address:
        return EMPTY
    if address.count("@") != 1:
        return MANY_AT if "@" in address else NO_AT
    if address.startswith("@") or address.endswith("@"):
        return NO_NAME
    if any(character.isspace() or not _is_visible(character) for character in address):
        return BLANK
    return TOO_LONG if len(address) > MAX_LENGTH else address


def key(address: str) -> str:
    """What two spellings of the same address have in common."""
    folded = address.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


def _unwrap(given: str) -> str:
    """Without blanks, quotes, `mailto:`, `Name <…>` and the `'` that guards against formulas, in any order."""
    text, before = given, None
    while text != before:
        before = text
        text = text.strip().strip("\ufeff\u200b")
        if text.startswith(_FORMULA):
            text = text[1:]
        if len(text) > 1 and text[0] in _QUOTES and text[-1] in _QUOTES:
            text = text[1:-1]
        if match := _MAILTO.match(text):
            text = text[match.end() :].partition("?")[0]
        if match := _ANGLE.fullmatch(text):
            text = match[1]
    return text


def _is_visible(character: str) -> bool:
    """Whether it is neither a control character, half of one, nor unassigned; joiners belong to some scripts."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Cn")

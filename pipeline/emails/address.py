"""Cleans the cell of a list: returns the address in it, or the reason why there is none.

Only what cannot be an address is refused here; the API decides about the rest. Only the wrapping is removed: case, dots
and plus tags of the address stay as they are.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

MAX_LENGTH = 254
"""Characters in the longest address that mail can carry (RFC 5321, 4.5.3.1)."""
_MAX_WRAPPED = 10_000
"""Characters in the longest cell that is unwrapped: that is done layer by layer, and a cell may consist of layers."""

_PLAIN = re.compile(r"[A-Za-z0-9._%+-]{1,100}@[A-Za-z0-9.-]{1,100}")
"""What nearly every cell holds: a plain address that needs no cleaning."""
_MAILTO = re.compile(r"mailto:", re.IGNORECASE)
_ANGLE = re.compile(r'(?:[^<>@]*|"[^"]*"\s*)<([^<>]*)>', re.DOTALL)
_QUOTES = "\"'`“”„\N{LEFT SINGLE QUOTATION MARK}\N{RIGHT SINGLE QUOTATION MARK}«»"
_FORMULA = ("'=", "'+", "'-", "'@")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a cell holds no address: a short code, and a message for people."""

    code: str
    message: str


EMPTY = Refusal("empty", "the cell is empty")
NO_AT = Refusal("no_at", "has no @")
MANY_AT = Refusal("many_at", "has more than one @")
NO_NAME = Refusal("half", "nothing before or after the @")
WHITESPACE = Refusal("blank_inside", "contains whitespace or a control character")
TOO_LONG = Refusal("too_long", f"longer than {MAX_LENGTH} characters")
REFUSALS = (EMPTY, NO_AT, MANY_AT, NO_NAME, WHITESPACE, TOO_LONG)


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
        return WHITESPACE
    return TOO_LONG if len(address) > MAX_LENGTH else address


def key(address: str) -> str:
    """The form in which two spellings of the same address are equal."""
    folded = address.casefold()
    return folded if folded.isascii() else unicodedata.normalize("NFC", folded)


def _unwrap(given: str) -> str:
    """Strip whitespace, quotes, `mailto:`, `Name <…>` and the `'` that guards against formulas, in any order."""
    address, before = given, None
    while address != before:
        before = address
        address = address.strip().strip("\ufeff\u200b")
        if address.startswith(_FORMULA):
            address = address[1:]
        if len(address) > 1 and address[0] in _QUOTES and address[-1] in _QUOTES:
            address = address[1:-1]
        if match := _MAILTO.match(address):
            address = address[match.end() :].partition("?")[0]
        if match := _ANGLE.fullmatch(address):
            address = match[1]
    return address


def _is_visible(character: str) -> bool:
    """Whether it is not a control character, a surrogate or unassigned; joiners are letters of some scripts."""
    return unicodedata.category(character) not in ("Cc", "Cs", "Cn")

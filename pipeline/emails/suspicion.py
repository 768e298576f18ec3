"""Addresses that are probably mistyped: they are looked up all the same, but people are told where they are.

Only what is hardly ever meant is suspicious: a notice that is mostly wrong is not read.
"""

from __future__ import annotations

import re
import string
from functools import cache, lru_cache

SUSPICIONS = {
    "no_dot": "no dot in the domain",
    "odd_domain": "a domain that cannot exist",
    "odd_name": "dots, quotes or brackets where hardly any address has them",
    "typo": "a domain like that of a large provider, but for a letter",
    "typo_in_ending": "a domain ending like .com, but for a letter",
}
"""Why an address is suspicious, by code."""

_LABEL = re.compile(r"(?!-)(?:[A-Za-z0-9-]|[^\x00-\x7f])+(?<!-)")
_END = r"[.'`“”„«»\u2018\u2019]"
_ODD_NAME = re.compile(rf"\A{_END}|{_END}\Z|\.\.|[|^{{}}]")
_PROVIDERS = {
    "gmail": ("com",),
    "googlemail": ("com",),
    "yahoo": ("com", "de", "fr", "es", "it", "in"),
    "hotmail": ("com", "de", "fr", "es", "it", "nl", "be"),
    "outlook": ("com", "de", "fr", "es"),
    "icloud": ("com",),
    "protonmail": ("com",),
    "comcast": ("net",),
    "verizon": ("net",),
}
"""Names of large providers, long enough that a name like theirs is a slip, with the endings that they use."""
_SHORT_ENDINGS = ("co", "cm", "om")
"""Endings that exist, but under which none of these providers has customers."""
_MISTYPED_ENDINGS = frozenset("con cmo ocm cim cpm vom xom comm coom ccom conm nte ner nett ogr rog orgg".split())  # noqa: SIM905
"""Like .com, .net and .org, and no ending that exists."""


def suspicion(address: str) -> str | None:
    """The code of what is odd about a cleaned address, a key of `SUSPICIONS`; None if nothing is."""
    name, _, domain = address.rpartition("@")
    code = _doubt_about(domain)
    return code or ("odd_name" if _ODD_NAME.search(name) and not name.startswith('"') else None)


@lru_cache(maxsize=10_000)
def _doubt_about(domain: str) -> str | None:
    lower = domain.lower()
    labels = lower.split(".")
    if not all(map(_LABEL.fullmatch, labels)):
        return "odd_domain"
    if len(labels) == 1:
        return "no_dot"
    if labels[-1].isdecimal():
        return "odd_domain"
    if lower in _mistyped_domains():
        return "typo"
    return "typo_in_ending" if labels[-1] in _MISTYPED_ENDINGS else None


@cache
def _mistyped_domains() -> frozenset[str]:
    """Domains of the providers with one letter left out, added, changed, or swapped with the next one."""
    wrong = {f"{near}.{ending}" for name, endings in _PROVIDERS.items() for near in _near(name) for ending in endings}
    wrong |= {f"{name}.{ending}" for name in _PROVIDERS for ending in (*_SHORT_ENDINGS, *_MISTYPED_ENDINGS)}
    right = {f"{name}.{ending}" for name, endings in _PROVIDERS.items() for ending in endings}
    return frozenset(wrong - right)


def _near(name: str) -> set[str]:
    """Names at a distance of one slip; the first letter is only ever swapped, because it is hardly ever mistyped."""
    halves = [(name[:n], name[n:]) for n in range(1, len(name) + 1)]
    letters = string.ascii_lowercase
    near = {left[:-1] + right[0] + left[-1] + right[1:] for left, right in halves if right}
    near |= {left + right[1:] for left, right in halves if right}
    near |= {left + letter + right[1:] for left, right in halves if right for letter in letters}
    return near | {left + letter + right for left, right in halves for letter in letters}

"""Which column holds the addresses: by its name, else by what stands in it; never by silent guess."""

from __future__ import annotations

import difflib
import logging
import re
from typing import TYPE_CHECKING

from pipeline.emails.address import clean
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

_EXACT = {"email", "emailaddress", "mail", "mailaddress", "emailid", "correo", "correoelectronico", "courriel"} | {
    "emailadresse", "mailadresse", "adressemail", "adresseemail", "adresseelectronique", "indirizzoemail", "епочта",
    "электроннаяпочта", "メール", "メールアドレス", "邮箱", "电子邮件", "邮件", "이메일",
}  # fmt: skip
_PLAIN_SHARE = 0.6
"""A column without a telling name is taken if at least this share of its filled cells are addresses."""


def looks_like_address(cell: str) -> bool:
    """Whether a cell plainly holds an address."""
    address = clean(cell)
    return isinstance(address, str) and "." in address.partition("@")[2]


def is_header(row: Sequence[str]) -> bool:
    """Whether a first row names columns: none of its cells has an @, so that no damaged address is lost as a name."""
    return not any("@" in cell for cell in row)


def find_column(name: str, header: Sequence[str] | None, sample: Sequence[Sequence[str]], wanted: str | None) -> int:
    """The index of the email column of the list called `name`.

    Args:
        name: the list, for messages.
        header: column names, or None if the list has none.
        sample: the first rows of data.
        wanted: the column as the user named it, or its number from 1; None to detect it.

    Raises:
        UsageError: there is no such column, none is plausible, or several are; the message names those found.
    """
    width = max((len(row) for row in [header or (), *sample]), default=0)
    titles = [*(header or ()), *(f"column {n + 1}" for n in range(len(header or ()), width))]
    if wanted is not None:
        return _stated(name, titles, wanted)
    by_name = _by_name(header or (), sample)
    if len(by_name) == 1:
        return by_name[0]
    plain = [n for n in by_name or range(width) if _holds_addresses(n, sample)]
    if len(plain) == 1:
        if header is not None and not by_name:
            logger.warning("%s: the first line is taken for the names of columns, though none says email.", name)
        return plain[0]
    found = "several columns could hold the addresses" if plain or by_name else "no column holds addresses"
    raise UsageError(f"{name}: {found}; say which with --email-column. Columns: {_listing(titles)}.")


def _stated(name: str, titles: list[str], wanted: str) -> int:
    folded = wanted.strip().casefold()
    exact = [n for n, title in enumerate(titles) if title == wanted]
    matches = exact or [n for n, title in enumerate(titles) if title.strip().casefold() == folded]
    if len(matches) == 1:
        return matches[0]
    if matches:
        numbers = ", ".join(str(n + 1) for n in matches)
        raise UsageError(f"{name}: several columns are called {wanted!r}; say which by number: {numbers}.")
    if folded.isdecimal() and 1 <= int(folded) <= len(titles):
        return int(folded) - 1
    near = difflib.get_close_matches(wanted, titles, 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"{name}: there is no column {wanted!r}.{hint} Columns: {_listing(titles)}.")


def _by_name(header: Sequence[str], sample: Sequence[Sequence[str]]) -> list[int]:
    """Columns called email or the like; failing that, columns with email in a longer name that may hold addresses."""
    words = [re.sub(r"[\W_]+", "", title.casefold()) for title in header]
    exact = [n for n, word in enumerate(words) if word in _EXACT]
    named = [n for n, word in enumerate(words) if "email" in word or "courriel" in word or "correo" in word]
    return exact or [n for n in named if not _holds_something_else(n, sample)]


def _holds_addresses(column: int, sample: Sequence[Sequence[str]]) -> bool:
    cells = _filled(column, sample)
    return bool(cells) and sum(map(looks_like_address, cells)) >= _PLAIN_SHARE * len(cells)


def _holds_something_else(column: int, sample: Sequence[Sequence[str]]) -> bool:
    """Whether a column is filled without a single @, as one called `email_opt_in` is."""
    cells = _filled(column, sample)
    return bool(cells) and not any("@" in cell for cell in cells)


def _filled(column: int, sample: Sequence[Sequence[str]]) -> list[str]:
    return [row[column] for row in sample if len(row) > column and row[column].strip()]


def _listing(titles: Sequence[str]) -> str:
    return ", ".join(repr(title[:40]) for title in titles[:20]) + (", …" if len(titles) > 20 else "")

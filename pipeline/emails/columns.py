"""Which column holds the addresses: by its name, else by what stands in it; never by silent guess."""

from __future__ import annotations

import difflib
import logging
import re
import unicodedata
from typing import TYPE_CHECKING

from pipeline.emails.address import clean
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)


def _word(title: str) -> str:
    """A title without case, accents, blanks and marks: `E-Mail` and `e_mail` are the same."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKD", title.casefold()))


_TITLES = """
email emails emailaddress emailaddresses emailadress mail mails mailaddress emailid mailid
emailadresse emailadressen mailadresse epost epostadresse epostadress emailadres mailadres
adressemail adresseemail adressemel mél courriel adressecourriel adresseélectronique courrierélectronique
correo correos correoelectrónico direccióndecorreo direccióndeemail direccióndecorreoelectrónico
correio correioeletrônico correioelectrónico endereçodeemail endereçodecorreioeletrônico
indirizzoemail indirizzomail indirizzodipostaelettronica postaelettronica
sähköposti sähköpostiosoite eposta epostaadresi epošta emailcím adresemail adresemailowy pocztaelektroniczna
почта эпочта электроннаяпочта адресэлектроннойпочты электронныйадрес емейл имейл електроннапошта
ηλεκτρονικόταχυδρομείο דואל דואראלקטרוני البريدالإلكتروني البريدالالكتروني ईमेल อีเมล thưđiệntử
メール メールアドレス eメール eメールアドレス 電子メール 電子メールアドレス
邮箱 邮箱地址 电子邮箱 电子邮箱地址 电子邮件 电子邮件地址 邮件 邮件地址
電郵 電郵地址 電子郵件 電子郵件地址 信箱 電子信箱
이메일 이메일주소 메일 메일주소 전자우편 전자메일
"""
"""What columns of addresses are called, in the languages of the world."""
_EXACT = frozenset(map(_word, _TITLES.split()))
_PARTS = tuple(map(_word, ("email", "courriel", "correo", "メールアドレス", "邮箱", "이메일", "электроннаяпочта")))
"""What longer names have in them, as `lead_email` has."""
_PLAIN_SHARE = 0.6
"""A column without a telling name is taken if at least this share of its filled cells are addresses."""
_BRACKETS = re.compile(r"[(\[][^()\[\]]*[)\]]")
"""What a title says in brackets, as `E-Mail (name@company)` does."""
_NUMBER = re.compile(r"[\s+\-(]*\d[\d\s.,:/()T+\-]*[Z%€$£]?")
"""Numbers, dates, times, prices and phones."""
_HOST = re.compile(r"\w\.(?:com|net|org|edu|gov|info|biz|co\.[a-z]{2})\W*$", re.IGNORECASE)
"""How many an address ends, and no name of a column."""


def looks_like_address(cell: str) -> bool:
    """Whether a cell plainly holds an address."""
    address = clean(cell)
    return isinstance(address, str) and "." in address.partition("@")[2]


def is_header(row: Sequence[str], sample: Sequence[Sequence[str]] = ()) -> bool:
    """Whether a first row names the columns of the rows in `sample`, so that it is no row itself.

    In doubt it is a row: that is accounted for as one without an address, while a row taken for names would be lost.
    No name is an address, or has an @ above addresses. Where nothing is called email, names are no numbers above
    numbers, no hosts above addresses, and do not come again below themselves.
    """
    if any(looks_like_address(cell) for cell in row):
        return False
    bare = [_BRACKETS.sub("", cell) for cell in row]
    says_email = any("@" not in cell and _says_email(cell, n, sample) for n, cell in enumerate(bare))
    if any("@" in cell for cell in row):
        below = [_filled(n, sample) for n, cell in enumerate(bare) if "@" in cell]
        return says_email and bool(sample) and not any(looks_like_address(cell) for cells in below for cell in cells)
    return says_email or not any(_is_value(cell, n, sample) for n, cell in enumerate(row))


def stated_title(row: Sequence[str], wanted: str | None) -> bool:
    """Whether a first row has the very name that the user stated for the email column, and no address."""
    if wanted is None or wanted.strip().isdecimal() or any(looks_like_address(cell) for cell in row):
        return False
    return wanted.strip().casefold() in (cell.strip().casefold() for cell in row)


def titles_of(header: Sequence[str], width: int) -> tuple[str, ...]:
    """A name for each of `width` columns: those in the header, and `column 3` for the third if it has none."""
    return (*header, *(f"column {n + 1}" for n in range(len(header), width)))


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
    titles = titles_of(header or (), width)
    by_name = _by_name(header or (), sample)
    if wanted is not None:
        if header is not None and not by_name and wanted.strip().isdecimal():
            _mention_header(name)
        return _stated(name, titles, wanted)
    likely = [n for n in by_name if not _holds_something_else(n, sample)]
    if len(likely) == 1:
        return likely[0]
    plain = [n for n in likely or range(width) if _holds_addresses(n, sample)]
    if len(plain) == 1:
        if header is not None and not by_name:
            _mention_header(name)
        return plain[0]
    if len(by_name) == 1 and not plain:
        return by_name[0]
    found = "several columns could hold the addresses" if plain or by_name else "no column holds addresses"
    raise UsageError(f"{name}: {found}; say which with --email-column. Columns: {_listing(titles)}.")


def _mention_header(name: str) -> None:
    logger.warning("%s: the first line is taken for the names of columns, though none says email.", name)


def _stated(name: str, titles: Sequence[str], wanted: str) -> int:
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
    near = difflib.get_close_matches(wanted, [title for title in titles if "@" not in title], 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"{name}: there is no column {wanted!r}.{hint} Columns: {_listing(titles)}.")


def _by_name(header: Sequence[str], sample: Sequence[Sequence[str]]) -> list[int]:
    """Columns called email or the like; failing that, columns with email in a longer name that may hold addresses."""
    words = [_word(title) for title in header]
    exact = [n for n, word in enumerate(words) if word in _EXACT]
    named = [n for n, word in enumerate(words) if any(part in word for part in _PARTS)]
    return exact or [n for n in named if not _holds_something_else(n, sample)]


def _says_email(title: str, column: int, sample: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of a first row is a name for addresses, and not a value that stands in other rows too."""
    word = _word(title)
    if word not in _EXACT and not any(part in word for part in _PARTS):
        return False
    return title not in _filled(column, sample) or _holds_addresses(column, sample)


def _is_value(cell: str, column: int, sample: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of a first row is plainly a value like those below it."""
    below = _filled(column, sample)
    if not below or not cell.strip():
        return False
    if _holds_addresses(column, sample):
        hosts = {other.rpartition("@")[2].strip().casefold() for other in below}
        return _HOST.search(cell) is not None or cell.strip().casefold().endswith(tuple(hosts - {""}))
    numbers = sum(_NUMBER.fullmatch(other) is not None for other in below)
    return cell in below or (_NUMBER.fullmatch(cell) is not None and numbers > _PLAIN_SHARE * len(below))


def _has_at(column: int, sample: Sequence[Sequence[str]]) -> bool:
    return any("@" in cell for cell in _filled(column, sample))


def _holds_addresses(column: int, sample: Sequence[Sequence[str]]) -> bool:
    cells = _filled(column, sample)
    return bool(cells) and sum(map(looks_like_address, cells)) >= _PLAIN_SHARE * len(cells)


def _holds_something_else(column: int, sample: Sequence[Sequence[str]]) -> bool:
    """Whether a column is filled without a single @, as one called `email_opt_in` is."""
    return bool(_filled(column, sample)) and not _has_at(column, sample)


def _filled(column: int, sample: Sequence[Sequence[str]]) -> list[str]:
    return [row[column] for row in sample if len(row) > column and row[column].strip()]


def _listing(titles: Sequence[str]) -> str:
    return ", ".join(map(_shown, range(20), titles)) + (", …" if len(titles) > 20 else "")


def _shown(index: int, title: str) -> str:
    """A title as messages may show it: what has an @ may be somebody's address, and goes by its number."""
    return f"column {index + 1}" if "@" in title else repr(title[:40])

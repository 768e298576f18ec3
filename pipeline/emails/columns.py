"""Which column holds the addresses: detected by its name or else by its contents, and an error if in doubt."""

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


def _normalize(name: str) -> str:
    """A name without case, accents, whitespace and punctuation: `E-Mail` and `e_mail` are the same."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKD", name.casefold()))


_NAMES = """
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
"""Names of columns with email addresses in the languages of the world."""
_EXACT_NAMES = frozenset(map(_normalize, _NAMES.split()))
_NAME_PARTS = tuple(
    map(_normalize, ("email", "courriel", "correo", "メールアドレス", "邮箱", "이메일", "электроннаяпочта"))
)
"""Parts of longer names, such as `lead_email`."""
_MIN_ADDRESS_SHARE = 0.6
"""A column holds addresses if at least this share of its filled cells are addresses."""
_MAX_ABOVE_HEADER = 50
"""Rows among which a header is looked for."""
_BETWEEN_ADDRESSES = re.compile(r"[,;:|\s]+")
_VALUE = re.compile(r"[@/]|\w\.\w")
"""What addresses, hosts, dates and `n/a` contain, and names of columns do not."""


def looks_like_address(cell: str) -> bool:
    """Whether a cell clearly holds an address: one with a dot in its domain."""
    address = clean(cell)
    return isinstance(address, str) and "." in address.rpartition("@")[2]


def is_header(row: Sequence[str], sample: Sequence[Sequence[str]] = ()) -> bool:
    """Whether a first row names the columns of the rows in `sample`.

    It does if no cell contains an @ and one is a name for email addresses, or all could be names. In doubt it is data:
    a header that is read as a row is reported as an invalid row, while a row that is taken for a header would be lost.
    """
    if any("@" in cell for cell in row):
        return False
    others = without(row, sample)
    return any(_names_emails(cell, n, others) for n, cell in enumerate(row)) or (
        any(map(str.strip, row)) and all(_may_be_name(cell, n, sample) for n, cell in enumerate(row))
    )


def has_stated_name(row: Sequence[str], wanted: str | None) -> bool:
    """Whether a first row has the name that the user stated for the email column, and no address."""
    if wanted is None or wanted.strip().isdecimal() or any(looks_like_address(cell) for cell in row):
        return False
    return wanted.strip().casefold() in (cell.strip().casefold() for cell in row)


def rows_above_header(rows: Sequence[Sequence[str]], wanted: str | None) -> int:
    """How many rows precede the table: a title, say, or the date of a report above its header.

    The header is the first row with the stated name; or, before any row with an address, the first that names emails
    above a column of addresses; or else the last before them, if it has names only and more than any row above it. In
    doubt there is nothing above it.
    """
    stated = next((n for n, row in enumerate(rows[:_MAX_ABOVE_HEADER]) if has_stated_name(row, wanted)), None)
    if stated is not None:
        return stated
    data = next((n for n, row in enumerate(rows) if any(map(_may_be_address, row))), len(rows))
    first, *before = [*rows[: min(data, _MAX_ABOVE_HEADER)]] or [()]
    for number, row in enumerate([first, *before]):
        below = without(row, rows[number + 1 :])
        if any(_heads_addresses(cell, n, below) for n, cell in enumerate(row)):
            return number
    if not before or data == len(rows):
        return 0
    filled = [sum(map(bool, map(str.strip, row))) for row in (first, *before)]
    is_wider = filled[-1] > max(filled[:-1]) and len(before[-1]) > 1
    return len(before) if is_wider and is_header(before[-1], rows[data:]) else 0


def misplaced_header(rows: Sequence[Sequence[str]]) -> int | None:
    """The index of a row that names emails above a column of addresses, although rows with addresses come before it."""
    for number, row in enumerate(rows[1:_MAX_ABOVE_HEADER], 1):
        if not any("@" in cell for cell in row):
            below = rows[number + 1 :]
            if any(_heads_addresses(cell, n, below) for n, cell in enumerate(row)):
                return number
    return None


def without(header: Sequence[str], sample: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    """The rows that do not repeat the header, as they do where files were joined."""
    return [row for row in sample if row != header]


class AmbiguousColumn(UsageError):
    """Several columns could hold the addresses."""


def column_names(header: Sequence[str], width: int) -> tuple[str, ...]:
    """A name for each of `width` columns: that in the header, or `column 3` for the third if it has none."""
    return (*header, *(f"column {n + 1}" for n in range(len(header), width)))


def find_column(name: str, header: Sequence[str] | None, sample: Sequence[Sequence[str]], wanted: str | None) -> int:
    """The index of the email column of the list called `name`.

    Args:
        name: the list, for messages.
        header: column names, or None if the list has none.
        sample: the first data rows.
        wanted: the column as the user stated it, by name or number (from 1); None to detect it.

    Raises:
        UsageError: there is no such column, or none or several could hold the addresses; the message lists them.
    """
    width = max((len(row) for row in [header or (), *sample]), default=0)
    columns = column_names(header or (), width)
    by_name = _by_name(header or (), sample)
    if wanted is not None:
        if header is not None and not by_name and wanted.strip().isdecimal():
            _warn_of_header(name)
        return _stated(name, columns, wanted)
    likely = [n for n in by_name if not _holds_other_values(n, sample)]
    if len(likely) == 1:
        return likely[0]
    # Of several columns with such a name one odd cell must not decide; their name says already what they hold.
    holds = _holds_an_address if likely else _holds_addresses
    found = [n for n in likely or range(width) if holds(n, sample)]
    if len(found) == 1:
        if header is not None and not by_name:
            _warn_of_header(name)
        return found[0]
    if len(by_name) == 1 and not found:
        return by_name[0]
    asking = f"pass --email-column. Columns: {_listing(columns)}."
    if found or by_name:
        raise AmbiguousColumn(f"{name}: several columns could hold the addresses; {asking}")
    raise UsageError(f"{name}: no column holds addresses; {asking}")


def _warn_of_header(name: str) -> None:
    logger.warning("%s: the first row is taken for a header, although no column in it is called email.", name)


def _stated(name: str, columns: Sequence[str], wanted: str) -> int:
    folded = wanted.strip().casefold()
    exact = [n for n, column in enumerate(columns) if column == wanted]
    matches = exact or [n for n, column in enumerate(columns) if column.strip().casefold() == folded]
    if len(matches) == 1:
        return matches[0]
    if matches:
        numbers = ", ".join(str(n + 1) for n in matches)
        raise UsageError(
            f"{name}: several columns are called {wanted!r}; pass --email-column with a number: {numbers}."
        )
    if folded.isdecimal() and 1 <= int(folded) <= len(columns):
        return int(folded) - 1
    near = difflib.get_close_matches(wanted, [column for column in columns if "@" not in column], 1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise UsageError(f"{name}: there is no column {wanted!r}.{hint} Columns: {_listing(columns)}.")


def _by_name(header: Sequence[str], sample: Sequence[Sequence[str]]) -> list[int]:
    """Columns called email or the like; failing that, columns with email in a longer name that may hold addresses."""
    names = [_normalize(name) for name in header]
    exact = [n for n, name in enumerate(names) if name in _EXACT_NAMES]
    longer = [n for n, name in enumerate(names) if any(part in name for part in _NAME_PARTS)]
    return exact or [n for n in longer if not _holds_other_values(n, sample)]


def _names_emails(cell: str, column: int, sample: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of a first row is a name for email addresses, rather than a value that recurs in its column."""
    name = _normalize(cell)
    if name not in _EXACT_NAMES and not any(part in name for part in _NAME_PARTS):
        return False
    return cell not in _filled(column, sample) or _holds_addresses(column, sample)


def _may_be_address(cell: str) -> bool:
    """Whether a cell is an address, or something like it rather than a sentence that mentions one."""
    return looks_like_address(cell) or ("@" in cell and not any(map(str.isspace, cell.strip())))


def _heads_addresses(cell: str, column: int, sample: Sequence[Sequence[str]]) -> bool:
    """Whether a cell is a name for email addresses, and those below it are some."""
    name = _normalize(cell)
    named = name in _EXACT_NAMES or any(part in name for part in _NAME_PARTS)
    return named and _holds_addresses(column, sample)


def _may_be_name(cell: str, column: int, sample: Sequence[Sequence[str]]) -> bool:
    """Whether a cell of a first row could be a name: words that do not recur in the column; empty above no address."""
    if not cell.strip():
        return not _holds_addresses(column, sample)
    return any(map(str.isalpha, cell)) and not _VALUE.search(cell) and cell not in _filled(column, sample)


def _holds_addresses(column: int, sample: Sequence[Sequence[str]]) -> bool:
    cells = _filled(column, sample)
    return bool(cells) and sum(map(looks_like_addresses, cells)) >= _MIN_ADDRESS_SHARE * len(cells)


def _holds_an_address(column: int, sample: Sequence[Sequence[str]]) -> bool:
    return any(map(looks_like_addresses, _filled(column, sample)))


def looks_like_addresses(cell: str) -> bool:
    """Whether a cell clearly holds an address, or several as address books write them."""
    parts = [part for part in _BETWEEN_ADDRESSES.split(cell) if part]
    return looks_like_address(cell) or (len(parts) > 1 and all(map(looks_like_address, parts)))


def _holds_other_values(column: int, sample: Sequence[Sequence[str]]) -> bool:
    """Whether a column has values but not a single @ in them, like one called `email_opt_in`."""
    cells = _filled(column, sample)
    return bool(cells) and not any("@" in cell for cell in cells)


def _filled(column: int, sample: Sequence[Sequence[str]]) -> list[str]:
    return [row[column] for row in sample if len(row) > column and row[column].strip()]


def _listing(columns: Sequence[str]) -> str:
    return ", ".join(map(_shown, range(20), columns)) + (", …" if len(columns) > 20 else "")


def _shown(index: int, column: str) -> str:
    """A column name for messages; one with an @ may be somebody's address, and is replaced by its number."""
    return f"column {index + 1}" if "@" in column else repr(column[:40])

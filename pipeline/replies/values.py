"""Single values: which text reads as a number or a date, and how odd ones are put right."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from pipeline.schema import ZERO_DATES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pipeline.schema import Type

_BITS = {"int8": 7, "int32": 31, "int64": 63}
_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,25})(?:\.0{1,10})?\s*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?")


class Unreadable(Exception):
    """The value does not read as its column's type; never leaves this package."""


def is_plain_date(text: str | None) -> bool:
    """Whether `text` is null, a zero date or exactly `YYYY-MM-DD HH:MM:SS` of a day that exists."""
    if not text:
        return True
    # Every third character, and the hour that newer Pythons take for midnight, reject the other ISO forms, which
    # fromisoformat takes and a column cast does not.
    if text[4::3] != "-- ::" or len(text) != 19 or " 24:" in text or text[0] == "0":
        return text in ZERO_DATES
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def is_plain_integer(text: str | None, digits: int = 18) -> bool:
    """Whether `text` is null or at most so many ASCII digits, with or without a minus."""
    if not text:
        return True
    number = text.removeprefix("-")
    return number.isascii() and number.isdigit() and len(number) <= digits


PLAIN: Mapping[Type, Callable[[str | None], bool]] = {
    "timestamp[s]": is_plain_date,
    "int64": is_plain_integer,
    "int32": partial(is_plain_integer, digits=9),
}
"""By type: whether a column can be cast from a text as it stands, and means the same as if it had been read."""


def is_nothing(value: object) -> bool:
    """Whether PHP means "no value" by it, wherever it stands; 0 and "0" are values."""
    return value is None or value is False or value in ("", [], {})


def read_value(value: object, kind: Type) -> str | None:
    """Read any JSON scalar as the text of a column of type `kind`.

    Raises:
        Unreadable: it is no such thing.
    """
    if is_nothing(value) and not (value is False and kind == "int8"):
        return None
    if kind == "string":
        return _read_text(value)
    if isinstance(value, str) and value.strip() in ("", "N/A"):
        return None
    if kind == "timestamp[s]":
        return _read_date(value)
    return _read_integer(value, _BITS[kind])


def _read_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if value is True:
        return "1"  # as PHP prints it
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    raise Unreadable


def _read_integer(value: object, bits: int) -> str:
    """Any integer that fits: native, as text, with a fraction of nothing; true and false are 1 and 0."""
    if isinstance(value, str) and (match := _INTEGER.fullmatch(value)):
        number = int(match[1])
    elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        number = int(value)
    else:
        raise Unreadable
    if not -(2**bits) <= number < 2**bits:
        raise Unreadable
    return str(number)


def _read_date(value: object) -> str | None:
    """`YYYY-MM-DD`, with or without a time, without a zone; a fraction of a second is cut off."""
    text = value.strip() if isinstance(value, str) else ""
    if text in ZERO_DATES:
        return None
    if not _DATE.fullmatch(text):
        raise Unreadable
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Unreadable from None
    return moment.replace(microsecond=0).isoformat(" ")

"""What a single JSON value means in a column: the definition, which `pipeline.tables` applies to whole columns."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING

from pipeline.columns import ZERO_DATES

if TYPE_CHECKING:
    from pipeline.columns import Type

_BITS = {"int8": 7, "int32": 31, "int64": 63}
_INTEGER = re.compile(r"\s*([+-]?[0-9]{1,25})(?:\.0{1,10})?\s*")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?)?")


class UnreadableValue(Exception):
    """The value does not fit its column's type; never leaves this package."""


def is_empty(value: object) -> bool:
    """Whether PHP means "no value", whatever the column; 0 and "0" are values."""
    return value is None or value is False or value in ("", [], {})


def is_keyed_list(value: object) -> bool:
    """Whether PHP means a list whose keys are kept: an object with numeric keys."""
    if not isinstance(value, dict):
        return False
    if "".join(value).isdigit() and "" not in value:  # takes a fraction of a look at each key
        return True
    return all(key.lstrip("-").isdigit() for key in value)


def read_value(value: object, kind: Type) -> str | None:
    """Convert any JSON value to the string for a column of type `kind`; None if it is empty.

    Raises:
        UnreadableValue: it does not fit that type.
    """
    if is_empty(value) and not (value is False and kind == "int8"):
        return None
    if kind == "string":
        return _read_string(value)
    if isinstance(value, str) and value.strip() in ("", "N/A"):
        return None
    if kind == "timestamp[s]":
        return _read_date(value)
    return _read_integer(value, _BITS[kind])


def _read_string(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if value is True:
        return "1"  # as PHP prints true
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    raise UnreadableValue


def _read_integer(value: object, bits: int) -> str:
    """Any integer that fits: a number or a string, with or without a zero fraction; true and false are 1 and 0."""
    if isinstance(value, str) and (match := _INTEGER.fullmatch(value)):
        number = int(match[1])
    elif isinstance(value, int) or (isinstance(value, float) and value.is_integer()):
        number = int(value)
    else:
        raise UnreadableValue
    if not -(2**bits) <= number < 2**bits:
        raise UnreadableValue
    return str(number)


def _read_date(value: object) -> str | None:
    """`YYYY-MM-DD` with or without a time, without a UTC offset; fractions of a second are dropped."""
    string = value.strip() if isinstance(value, str) else ""
    if string in ZERO_DATES:
        return None
    if not _DATE.fullmatch(string):
        raise UnreadableValue
    try:
        moment = datetime.fromisoformat(string)
    except ValueError:
        raise UnreadableValue from None
    return moment.replace(microsecond=0).isoformat(" ")

"""Writes `lead_details` in another way that says the same: what ageing does to people who do not change.

Keys come in another order, items in other positions, and integers as text or text as integers. `renderings` decides
everything else.
"""

import json

from pipeline.sandbox.people import Draw, T
from pipeline.sandbox.replies import Lead
from pipeline.sandbox.shapes import NUMBERS, details_as_text

_KEYS, _POSITIONS, _INTEGERS = 1, 2, 4


def rewritten(details: object, draw: Draw) -> object:
    """The same lead in one to three other ways; a lead that is a string of JSON stays one."""
    ways = 1 + int(draw() * 7)
    if isinstance(details, str):
        return details_as_text(_object(json.loads(details), ways, draw))
    return _value("", details, ways, draw)


def _value(key: str, value: object, ways: int, draw: Draw) -> object:
    if isinstance(value, dict):
        return _keyed(key, value, ways, draw) if value and all(map(str.isdigit, value)) else _object(value, ways, draw)
    if isinstance(value, list):
        return _items(key, value, ways, draw)
    if ways & _INTEGERS and key in NUMBERS and draw() < 0.5:
        return _other_type(value)
    return value


def _object(lead: Lead, ways: int, draw: Draw) -> Lead:
    written = {key: _value(key, value, ways, draw) for key, value in lead.items()}
    return dict(_shuffled(list(written.items()), draw)) if ways & _KEYS else written


def _items(key: str, items: list[object], ways: int, draw: Draw) -> list[object]:
    written = [_value(key, item, ways, draw) for item in items]
    return _shuffled(written, draw) if ways & _POSITIONS else written


def _keyed(key: str, items: Lead, ways: int, draw: Draw) -> Lead:
    """The numeric keys stay in their order; the items move among them."""
    return dict(zip(items, _items(key, list(items.values()), ways, draw), strict=True))


def _shuffled(values: list[T], draw: Draw) -> list[T]:
    return sorted(values, key=lambda _: draw())


def _other_type(value: object) -> object:
    if type(value) is int:
        return str(value)
    return int(value) if isinstance(value, str) and value.removeprefix("-").isdecimal() else value

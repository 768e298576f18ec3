"""Turns an address and a seed into an invented lead, always the same one: the facts, which `renderings` writes.

Of the generator only `random()` is used: Python guarantees its sequence, which keeps samples and tests stable across
versions. All values are strings, as PHP returns them from its database; an empty one, or an empty list, is no value.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from random import Random
from typing import TypeVar

from pipeline.sandbox import vocabulary as words
from pipeline.sandbox.replies import Lead

T = TypeVar("T")
Draw = Callable[[], float]  # returns the next random number in [0, 1)

NO_DATE = "0000-00-00 00:00:00"
ID_LIMIT = 2**53  # ids are exact even for readers that parse them as floats


def lead_details(address: str, seed: int, least: int = 0) -> Lead:
    """The person with this address, ignoring case.

    Args:
        address: the address looked up, which the lead contains unchanged.
        seed: a different seed gives a different person.
        least: the minimum number of items in each collection; custom fields are always all those of the account.
    """
    number = int.from_bytes(blake2b(f"{seed}|{address.lower()}".encode(errors="replace"), digest_size=8).digest())
    draw = Random(number).random
    lead = _scalars(address, str(number % ID_LIMIT), draw)
    lead["tags"] = _tags(draw, least)
    lead["lists"] = _lists(draw, least)
    lead["sequences"] = _sequences(draw, least)
    lead["memberships"] = _memberships(draw, least)
    lead["transactions"] = _transactions(draw, least)
    lead["custom_fields"] = _custom_fields(draw)
    return lead


def _scalars(address: str, lead_id: str, draw: Draw) -> Lead:
    first, middle, last = _pick(words.NAMES, draw)
    city, state, zip_code, country, phone_code = _pick(words.PLACES, draw)
    joined, ip = _date(draw), _ip(draw)
    deleted = draw() < 0.01
    gdpr = draw() < 0.4
    return {
        "id": lead_id,
        "first_name": first,
        "middle_name": middle,
        "last_name": last,
        "email": address,
        "date_joined": joined,
        "phone_country_code": phone_code,
        "phone": _pick(words.PHONES, draw).format(100 + int(draw() * 100)),
        "ip": ip,
        "address": _pick(words.STREETS, draw),
        "zip": zip_code,
        "city": city,
        "state": state,
        "country": country,
        "lead_picture": f"https://images.example.com/leads/{lead_id}.png" if draw() < 0.3 else "",
        "score": str(int(draw() * 300) - 20),
        "source": _pick(words.SOURCES, draw),
        "source_id": str(int(draw() * 50)),
        "ip_country": country,
        "website": _pick(words.WEBSITES, draw),
        "facebook": "",
        "twitter": "@example" if draw() < 0.1 else "",
        "linkedin": "https://linkedin.example.com/in/someone" if draw() < 0.1 else "",
        "google_plus": "",
        "lead_preferred_time_zone": _pick(words.TIME_ZONES, draw),
        "notes": _pick(words.AWKWARD, draw) if draw() < 0.3 else "",
        **_status(joined, ip, draw, deleted=deleted, gdpr=gdpr),
    }


def _status(joined: str, ip: str, draw: Draw, *, deleted: bool, gdpr: bool) -> Lead:
    return {
        "blacklisted": "1" if draw() < 0.03 else "0",
        "lead_deleted": "1" if deleted else "0",
        "lead_deleted_date": _date(draw) if deleted else NO_DATE,
        "gdpr_lead_status": str(int(draw() * 6)) if gdpr else "0",
        "gdpr_lead_status_date": joined if gdpr else NO_DATE,
        "gdpr_lead_status_ip": ip if gdpr else "",
        "gdpr_lead_communications": "1" if gdpr and draw() < 0.5 else "0",
    }


def _tags(draw: Draw, least: int) -> list[Lead]:
    count = max(least, int(draw() ** 2 * 21))  # up to 20, six on average
    size = len(words.TAGS)
    start, stride = int(draw() * size), 1 + int(draw() * (size - 1))
    return [{"tag_name": words.TAGS[(start + i * stride) % size]} for i in range(count)]


def _lists(draw: Draw, least: int) -> list[Lead]:
    names = _some(words.LISTS, max(least, int(draw() * 4)), draw)
    return [{"list_name": name, "active": _flag(draw)} for name in names]


def _sequences(draw: Draw, least: int) -> list[Lead]:
    names = _some(words.SEQUENCES, max(least, int(draw() * 4)), draw)
    return [
        {
            "sequence_name": name,
            "step": _pick(words.STEPS, draw),
            "status": _pick(words.SEQUENCE_STATUSES, draw),
        }
        for name in names
    ]


def _memberships(draw: Draw, least: int) -> list[Lead]:
    """One item per level; a membership with two levels has two."""
    names = _some(words.MEMBERSHIPS, max(least, int(draw() * 3)), draw)
    return [
        {"name": name, "level_name": level, "active": _flag(draw)}
        for name in names
        for level in _some(words.LEVELS, 1 + int(draw() * 2), draw)
    ]


def _transactions(draw: Draw, least: int) -> list[Lead]:
    count = max(least, int(draw() ** 5 * 31))  # up to 30, five on average
    first_id = 1_000 + int(draw() * 9_000_000)
    return [
        {
            "id": str(first_id + i),
            "product_name": _pick(words.PRODUCTS, draw),
            "transaction_type": _pick(words.TRANSACTION_TYPES, draw),
            "transaction_date": _date(draw),
        }
        for i in range(count)
    ]


def _custom_fields(draw: Draw) -> list[Lead]:
    return [
        {
            "field_id": str(field_id),
            "field_identifier": identifier,
            "field_type": kind,
            "field_value": _field_value(kind, choices, draw),
        }
        for field_id, (identifier, kind, choices) in enumerate(words.CUSTOM_FIELDS, start=1)
    ]


def _field_value(kind: str, choices: Sequence[str], draw: Draw) -> str | list[dict[str, str]]:
    filled = draw() < 0.6
    if kind in {"input_field", "text_area"}:
        return _pick(choices, draw) if filled else ""
    count = 1 + int(draw() * 3) if kind == "checkbox" else 1
    chosen = _some(choices, count, draw) if filled else []
    return [{"option_id": str(11 + choices.index(name)), "option_value": name} for name in chosen]


def _pick(options: Sequence[T], draw: Draw) -> T:
    return options[int(draw() * len(options))]


def _some(options: Sequence[T], count: int, draw: Draw) -> Sequence[T]:
    """`count` consecutive options (at most all of them), starting at a random one."""
    start = int(draw() * len(options))
    return (*options[start:], *options[:start])[:count]


def _flag(draw: Draw) -> str:
    return "1" if draw() < 0.7 else "0"


def _date(draw: Draw) -> str:
    """Any second of the years 2016 to 2025 (days 1 to 28), or occasionally the zero date."""
    if draw() < 0.02:
        return NO_DATE
    minutes, second = divmod(int(draw() * 86_400), 60)
    months, day = divmod(int(draw() * 120 * 28), 28)
    return f"{2016 + months // 12}-{1 + months % 12:02}-{1 + day:02} {minutes // 60:02}:{minutes % 60:02}:{second:02}"


def _ip(draw: Draw) -> str:
    network = "203.0.113" if draw() < 0.5 else "198.51.100"
    return f"{network}.{1 + int(draw() * 254)}"

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from pipeline.sandbox.people import lead_details

SCALARS = [
    *("id", "first_name", "middle_name", "last_name", "email", "date_joined", "phone_country_code", "phone", "ip"),
    *("address", "zip", "city", "state", "country", "lead_picture", "score", "source", "source_id", "ip_country"),
    *("website", "facebook", "twitter", "linkedin", "google_plus", "lead_preferred_time_zone", "notes"),
    *("blacklisted", "lead_deleted", "lead_deleted_date", "gdpr_lead_status", "gdpr_lead_status_date"),
    *("gdpr_lead_status_ip", "gdpr_lead_communications"),
]
COLLECTIONS = ["tags", "lists", "sequences", "memberships", "transactions", "custom_fields"]


@pytest.fixture(scope="module")
def crowd() -> list[dict[str, Any]]:
    """A thousand people."""
    return [lead_details(f"person{i}@example.com", seed=1) for i in range(1_000)]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def test_an_address_is_always_the_same_person() -> None:
    """Address and seed determine everything; case makes no difference except in the address itself."""
    person = lead_details("zoe@example.com", 1)
    assert lead_details("Zoe@Example.com", 1) == person | {"email": "Zoe@Example.com"}
    assert lead_details("zoe@example.com", 2)["id"] != person["id"]


def test_people_are_the_same_in_every_version() -> None:
    """Samples, and tests elsewhere, rely on who is behind an address."""
    lead = lead_details("customer511@example.com", 1)
    assert (lead["id"], lead["date_joined"], len(lead["tags"])) == ("5037232123198541", "2023-11-13 09:41:17", 8)


def test_a_person_has_the_documented_shape(crowd: list[dict[str, Any]]) -> None:
    """Documented keys in their order, and every value a string, as PHP returns them from its database."""
    assert all(list(lead) == SCALARS + COLLECTIONS for lead in crowd)
    assert all(type(leaf) is str for leaf in _leaves(crowd))


def test_ids_are_unique_numbers(crowd: list[dict[str, Any]]) -> None:
    """No two addresses share one."""
    ids = {lead["id"] for lead in crowd}
    assert len(ids) == len(crowd)
    assert all(lead_id.isdecimal() for lead_id in ids)


def test_collections_have_realistic_sizes(crowd: list[dict[str, Any]]) -> None:
    """From empty to large, and with memberships that have several levels."""
    tags, transactions = ([len(lead[key]) for lead in crowd] for key in ("tags", "transactions"))
    assert (min(tags), max(tags), min(transactions)) == (0, 20, 0)
    assert 25 < max(transactions) <= 30
    assert 5 < sum(tags) / len(crowd) < 8
    assert 4 < sum(transactions) / len(crowd) < 6
    assert any(len({item["name"] for item in lead["memberships"]}) < len(lead["memberships"]) for lead in crowd)


def test_collections_can_be_given_a_minimum_size() -> None:
    """So that tests have something to look at."""
    for i in range(100):
        lead = lead_details(f"person{i}@example.com", seed=1, least=2)
        assert all(len(lead[key]) >= 2 for key in COLLECTIONS)


def test_values_include_what_careless_code_breaks_on(crowd: list[dict[str, Any]]) -> None:
    """Other scripts, quotes, line breaks, delimiters, formulas, leading zeros and zero dates."""
    values = "\n".join(_leaves(crowd))
    for awkward in ('"', "\r\n", ",", ";", "|", "\t", "\\", "🎉", "é", "Ελένη", "Анна", "يوسف", "太郎", "0000-00-00"):
        assert awkward in values
    assert all(f"\n{first}" in values for first in "=+-@")
    assert any(lead["zip"].startswith("00") for lead in crowd)
    assert any(lead["phone"].startswith("0") for lead in crowd)


def test_nobody_can_be_contacted(crowd: list[dict[str, Any]]) -> None:
    """Phone numbers and IP addresses are from the ranges reserved for examples."""
    networks = ip_network("203.0.113.0/24"), ip_network("198.51.100.0/24")
    assert all(any(ip_address(lead["ip"]) in network for network in networks) for lead in crowd)
    digits = ["".join(filter(str.isdecimal, lead["phone"])) for lead in crowd]
    assert all(number[-7:].startswith("55501") for number in digits if number)

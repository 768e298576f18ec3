import unicodedata
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import Any

from pipeline.sandbox.people import lead_details

CROWD = [lead_details(f"person{i}@example.com", seed=1) for i in range(2_000)]
SCALARS = [
    *("id", "first_name", "middle_name", "last_name", "email", "date_joined", "phone_country_code", "phone", "ip"),
    *("address", "zip", "city", "state", "country", "lead_picture", "score", "source", "source_id", "ip_country"),
    *("website", "facebook", "twitter", "linkedin", "google_plus", "lead_preferred_time_zone", "notes"),
    *("blacklisted", "lead_deleted", "lead_deleted_date", "gdpr_lead_status", "gdpr_lead_status_date"),
    *("gdpr_lead_status_ip", "gdpr_lead_communications"),
]
COLLECTIONS = ["tags", "lists", "sequences", "memberships", "transactions", "custom_fields"]


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def _all(collection: str, key: str) -> list[Any]:
    return [item[key] for lead in CROWD for item in lead[collection]]


def test_an_address_is_always_the_same_person() -> None:
    """Address and seed decide everything; case does not tell people apart, but the address comes back as asked."""
    one, other = lead_details("Zoe@Example.com", 1), lead_details("zoe@example.com", 1)
    assert one == other | {"email": "Zoe@Example.com"}


def test_another_seed_gives_another_person() -> None:
    """Seeds let a test have a world of its own."""
    assert lead_details("zoe@example.com", 1)["id"] != lead_details("zoe@example.com", 2)["id"]


def test_people_stay_the_same_across_versions() -> None:
    """Samples and other people's tests may rely on who is behind an address."""
    lead = lead_details("customer511@example.com", 1)
    assert (lead["id"], lead["date_joined"], len(lead["tags"])) == ("5037232123198541", "2023-11-13 09:41:17", 8)


def test_a_person_has_the_documented_keys_in_their_order() -> None:
    """A normal reply is exactly what the documentation shows."""
    assert all(list(lead) == SCALARS + COLLECTIONS for lead in CROWD)


def test_every_value_is_a_text() -> None:
    """Numbers come as texts, as PHP hands out what a database holds."""
    assert all(type(leaf) is str for lead in CROWD for leaf in _leaves(lead))


def test_ids_are_unique_numbers() -> None:
    """Two addresses never share an id."""
    ids = {lead["id"] for lead in CROWD}
    assert len(ids) == len(CROWD)
    assert all(lead_id.isdecimal() for lead_id in ids)


def test_collections_are_as_large_as_in_life() -> None:
    """A crowd has the documented extremes and the expected averages."""
    tags, transactions = ([len(lead[key]) for lead in CROWD] for key in ("tags", "transactions"))
    assert (min(tags), max(tags)) == (0, 20)
    assert (min(transactions), max(transactions)) == (0, 30)
    assert 5 < sum(tags) / len(CROWD) < 8
    assert 4 < sum(transactions) / len(CROWD) < 6


def test_a_minimum_fills_every_collection() -> None:
    """Whoever needs something to look at can ask for it."""
    for i in range(200):
        lead = lead_details(f"person{i}@example.com", seed=1, least=2)
        assert all(len(lead[key]) >= 2 for key in COLLECTIONS)


def test_nobody_has_a_tag_twice() -> None:
    """Tags are a set."""
    assert all(len({tag["tag_name"] for tag in lead["tags"]}) == len(lead["tags"]) for lead in CROWD)


def test_memberships_repeat_their_name_for_each_level() -> None:
    """One item is one level, as documented."""
    assert any(len({item["name"] for item in lead["memberships"]}) < len(lead["memberships"]) for lead in CROWD)


def test_every_custom_field_of_the_account_comes_with_every_lead() -> None:
    """Fields come empty and filled, with one option or several, in every documented type."""
    fields = [[item["field_identifier"] for item in lead["custom_fields"]] for lead in CROWD]
    assert all(identifiers == fields[0] for identifiers in fields)
    values = list(zip(_all("custom_fields", "field_type"), _all("custom_fields", "field_value"), strict=True))
    for kind in ("input_field", "text_area"):
        assert {bool(value) for found, value in values if found == kind} == {True, False}
    for kind in ("drop_down", "radio_button"):
        assert {len(value) for found, value in values if found == kind} == {0, 1}
    assert {len(value) for found, value in values if found == "checkbox"} == {0, 1, 2, 3}


def test_names_come_in_many_scripts() -> None:
    """A reader that only knows ASCII will notice."""
    letters = {letter for lead in CROWD for letter in lead["first_name"] if letter.isalpha()}
    scripts = {unicodedata.name(letter).split()[0] for letter in letters}
    assert scripts >= {"LATIN", "GREEK", "CYRILLIC", "ARABIC", "HEBREW", "DEVANAGARI", "CJK", "HIRAGANA", "HANGUL"}
    assert any(not letter.isascii() and unicodedata.name(letter).startswith("LATIN") for letter in letters)


def test_texts_hold_what_careless_code_breaks_on() -> None:
    """Quotes, line breaks, separators, formulas, backslashes and emoji all occur."""
    text = "\n".join(str(leaf) for lead in CROWD for leaf in _leaves(lead))
    assert all(awkward in text for awkward in ('"', "\r\n", ",", ";", "|", "\t", "\\", "🎉"))
    assert all(f"\n{first}" in text for first in "=+-@")


def test_zips_and_phones_may_begin_with_zeros() -> None:
    """A reader that takes them for numbers loses digits."""
    assert any(lead["zip"].startswith("00") for lead in CROWD)
    assert any(lead["phone"].startswith("0") for lead in CROWD)


def test_flags_and_dates_take_every_value() -> None:
    """Rare values are rare, but there: deleted, blacklisted, every gdpr status, the zero date."""
    assert {lead["blacklisted"] for lead in CROWD} == {"0", "1"}
    assert {lead["lead_deleted"] for lead in CROWD} == {"0", "1"}
    assert {lead["gdpr_lead_status"] for lead in CROWD} == set("012345")
    assert "0000-00-00 00:00:00" in _all("transactions", "transaction_date")


def test_transaction_types_include_undocumented_spellings() -> None:
    """The set of types is open."""
    documented = {"Sale", "Refund", "Cancelation", "Rebill", "Chargeback"}
    assert set(_all("transactions", "transaction_type")) > documented


def test_nobody_can_be_reached() -> None:
    """Phones and IPs come from the ranges set aside for examples."""
    networks = ip_network("203.0.113.0/24"), ip_network("198.51.100.0/24")
    assert all(any(ip_address(lead["ip"]) in network for network in networks) for lead in CROWD)
    digits = ["".join(filter(str.isdecimal, lead["phone"])) for lead in CROWD]
    assert all(number[-7:].startswith("55501") for number in digits if number)

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_client import sandbox

from pipeline.sandbox.options import SHAPES
from pipeline.sandbox.people import lead_details
from pipeline.sandbox.renderings import RENDERINGS, rendered

INTEGERS = {
    *("score", "blacklisted", "lead_deleted", "gdpr_lead_status", "gdpr_lead_communications"),
    *("active", "field_id"),
}
FURTHER = {"account_tier", "amount", "currency"}
PEOPLE = [lead_details(f"person{number}@example.com", 1) for number in range(300)]


def facts(details: Any) -> dict[str, Any]:
    """What `lead_details` says, as the sandbox invents it: strings, and no keys without a value."""
    lead = json.loads(details) if isinstance(details, str) else details
    known: dict[str, Any] = without_nothing(lead)
    known["tags"] = [tag if isinstance(tag, dict) else {"tag_name": tag} for tag in known.get("tags", [])]
    for item in known.get("transactions", []):
        if "transaction_id" in item:
            item["id"] = item.pop("transaction_id")
    return without_nothing(known)  # type: ignore[no-any-return]  # of an object comes an object


def without_nothing(value: Any) -> Any:
    """The value with lists for keyed objects and strings for numbers, without empty or undocumented keys."""
    if isinstance(value, dict):
        if value and all(map(str.isdigit, value)):
            return without_nothing(list(value.values()))
        pairs = {key: without_nothing(inner) for key, inner in value.items() if key not in FURTHER}
        return {key: inner for key, inner in pairs.items() if inner not in (None, False, "", [], {})}
    if isinstance(value, list):
        return [without_nothing(item) for item in value]
    return str(value) if type(value) is int else value


def pairs_of(value: object) -> Iterator[tuple[str, object]]:
    """Every key and its value, at any depth."""
    if isinstance(value, dict):
        yield from value.items()
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from pairs_of(inner)


@pytest.mark.parametrize("shape", RENDERINGS)
def test_a_shape_changes_no_facts(shape: str) -> None:
    """Whatever the form, all of a person's values are there, and the person itself is left as it was."""
    for number, person in enumerate(PEOPLE):
        assert facts(rendered(person, shape, 1)) == facts(lead_details(f"person{number}@example.com", 1))
        assert person == lead_details(f"person{number}@example.com", 1)


def test_native_replies_have_numbers_where_integers_are_documented() -> None:
    """And strings, lists and objects everywhere else."""
    for person in PEOPLE[:50]:
        for key, value in pairs_of(rendered(person, "native", 1)):
            assert (type(value) is int) == (key in INTEGERS)


def test_mixed_replies_have_everything_that_is_expected_of_the_api() -> None:
    """Among many people, and each form with and without the others."""
    mixed: list[Any] = [rendered(person, "mixed", 1) for person in PEOPLE]
    leads: list[dict[str, Any]] = [json.loads(lead) if isinstance(lead, str) else lead for lead in mixed]
    pairs = [pair for lead in leads for pair in pairs_of(lead)]
    texts = sum(isinstance(lead, str) for lead in mixed)
    assert 10 < texts < 60
    for key in (*FURTHER, "transaction_id", "id"):
        assert sum(name == key for name, _ in pairs) > 20
    for nothing in (None, False, ""):
        assert sum(value is nothing or (value == "" == nothing) for _, value in pairs) > 100
    assert sum("website" not in lead for lead in leads) > 20
    tags = [lead["tags"] for lead in leads if lead.get("tags")]
    assert {type(listed) for listed in tags} == {list, dict}
    assert {type(tag) for listed in tags if isinstance(listed, list) for tag in listed} == {str, dict}
    assert all(type(lead["score"]) is int for lead in leads)


def test_a_person_is_always_written_in_the_same_manner() -> None:
    """Address and seed determine it; case makes no difference except in the address itself."""
    for person in PEOPLE[:50]:
        again = person | {"email": person["email"].upper()}
        texts = [json.dumps(rendered(lead, "mixed", 1)) for lead in (person, again)]
        assert texts[0] == texts[1].replace(again["email"], person["email"])
    assert [rendered(person, "mixed", 2) for person in PEOPLE] != [rendered(person, "mixed", 1) for person in PEOPLE]


async def test_the_shape_of_normal_replies_is_a_switch() -> None:
    """Every choice can be set while the sandbox runs; the default is mixed."""
    person = PEOPLE[7]
    async with sandbox() as client:
        replies = {"default": (await client.get_lead(person["email"])).json["lead_details"]}
        for shape in SHAPES:
            await client.control(shape=shape)
            replies[shape] = (await client.get_lead(person["email"])).json["lead_details"]
    assert replies["text"] == replies["drifting"] == person
    assert replies["native"] == rendered(person, "native", 1)
    assert replies["mixed"] == replies["default"] == rendered(person, "mixed", 1) != person


async def test_drifting_replies_change_after_some_calls() -> None:
    """From text to native integers and a new key, for everybody who is asked for later."""
    async with sandbox(shape="drifting", drift_after=3) as client:
        leads = [(await client.get_lead(person["email"])).json["lead_details"] for person in PEOPLE[:6]]
        await client.control(reset_stats=True)
        again = (await client.get_lead(PEOPLE[5]["email"])).json["lead_details"]
    assert leads[:3] == PEOPLE[:3]
    assert all(type(lead["score"]) is int and set(lead) - set(PEOPLE[0]) == {"account_tier"} for lead in leads[3:])
    assert again == PEOPLE[5]


async def test_results_are_written_in_the_shape_and_shapes_as_they_are() -> None:
    """A lead that is slow, late or another's is a normal reply; a behaviour that bends replies bends text."""
    async with sandbox(shape="native") as client:
        for name in ("slow-1", "soft-deleted", "other-lead", "upper-status"):
            assert type((await client.get_lead(f"{name}@example.com")).json["lead_details"]["score"]) is int
        for name in ("bare-tags", "zero-dates"):
            assert type((await client.get_lead(f"{name}@example.com")).json["lead_details"]["score"]) is str

import json
from typing import Any

import pytest
from sandbox_client import sandbox

from pipeline.sandbox.people import NO_DATE, lead_details
from pipeline.sandbox.shapes import COLLECTIONS


async def _lead(name: str) -> Any:
    async with sandbox() as client:
        return (await client.ask(f"{name}@example.com")).json["lead_details"]


def _normal(name: str) -> dict[str, Any]:
    return lead_details(f"{name}@example.com", seed=1, least=2)


async def test_native_numbers_are_numbers() -> None:
    """Ids, counts and flags lose their quotes, phones and zips do not."""
    lead = await _lead("native-numbers")
    assert lead["id"] == int(_normal("native-numbers")["id"])
    assert type(lead["score"]) is type(lead["lists"][0]["active"]) is type(lead["transactions"][0]["id"]) is int
    assert type(lead["zip"]) is type(lead["phone"]) is str


async def test_details_as_text_are_json_inside_of_json() -> None:
    """Decoding the text gives the normal lead."""
    assert json.loads(await _lead("details-as-text")) == _normal("details-as-text")


async def test_keyed_objects_keep_items_and_order() -> None:
    """The values in their order are the normal list; the keys have gaps."""
    lead, normal = await _lead("keyed-objects"), _normal("keyed-objects")
    for key in COLLECTIONS[:-1]:
        assert list(lead[key])[:2] == ["0", "2"]
        assert list(lead[key].values()) == normal[key]
    assert len(lead["custom_fields"]) == len(normal["custom_fields"])


@pytest.mark.parametrize(
    ("name", "value"), [("empty-collections-text", ""), ("null-collections", None), ("false-collections", False)]
)
async def test_collections_may_be_no_lists_at_all(name: str, value: object) -> None:
    """One odd value stands in the place of every collection; scalars are as ever."""
    assert await _lead(name) == _normal(name) | dict.fromkeys(COLLECTIONS, value)


async def test_absent_collections_are_absent() -> None:
    """All scalars are there, and nothing else."""
    assert set(_normal("absent-collections")) - set(await _lead("absent-collections")) == set(COLLECTIONS)


async def test_bare_tags_are_texts() -> None:
    """The names are those of the normal tags."""
    assert await _lead("bare-tags") == _normal("bare-tags") | {
        "tags": [tag["tag_name"] for tag in _normal("bare-tags")["tags"]]
    }


async def test_aliases_rename_keys_only() -> None:
    """The values are those under the documented keys."""
    lead, normal = await _lead("aliases"), _normal("aliases")
    assert list(lead["memberships"][0]) == ["membership_name", "level", "active"]
    assert list(lead["transactions"][0]) == ["transaction_id", "product_name", "type", "date"]
    for key in ("memberships", "transactions"):
        assert [list(item.values()) for item in lead[key]] == [list(item.values()) for item in normal[key]]


async def test_zero_dates_are_everywhere() -> None:
    """Lead and transactions have no date that is one."""
    lead = await _lead("zero-dates")
    dates = [lead["date_joined"], lead["lead_deleted_date"], lead["gdpr_lead_status_date"]]
    dates += [item["transaction_date"] for item in lead["transactions"]]
    assert set(dates) == {NO_DATE}


async def test_nulls_come_in_three_spellings() -> None:
    """null, false and N/A stand for no value, on the lead and in items."""
    lead = await _lead("nulls")
    assert (lead["score"], lead["last_name"], lead["city"]) == (None, False, "N/A")
    assert lead["transactions"][0]["transaction_date"] is False
    assert lead["custom_fields"][0]["field_value"] is None


async def test_absent_keys_leave_little() -> None:
    """Five scalars, and one key in each item."""
    lead = await _lead("absent-keys")
    assert len(lead) == 5 + len(COLLECTIONS)
    assert all(len(item) == 1 for key in COLLECTIONS for item in lead[key])


async def test_minimal_is_id_and_email() -> None:
    """The smallest lead that can be told from nobody."""
    assert await _lead("minimal") == {"id": _normal("minimal")["id"], "email": "minimal@example.com"}


async def test_new_keys_add_and_change_nothing() -> None:
    """Every normal value is still there; plain and nested news are on the lead and in every item."""
    lead, normal = await _lead("new-keys"), _normal("new-keys")
    scalars = [key for key in normal if key not in COLLECTIONS]
    assert [lead[key] for key in scalars] == [normal[key] for key in scalars]
    assert {"sales_tax_id", "referring_id", "business_type", "username", "nested_news"} <= set(lead)
    for key in COLLECTIONS:
        for item, plain in zip(lead[key], normal[key], strict=True):
            assert item["nested_news"]["depth"]
            assert {name: item[name] for name in plain} == plain
    assert lead["transactions"][0]["amount"] == "49.90"


async def test_wrong_types_cannot_be_read_as_meant() -> None:
    """Numbers, flags, dates and texts are all something else."""
    lead = await _lead("wrong-types")
    assert (lead["score"], lead["date_joined"], lead["lists"][0]["active"]) == ("many", "last tuesday", "maybe")
    assert isinstance(lead["first_name"], dict)
    assert isinstance(lead["city"], list)


async def test_another_lead_may_come_than_was_asked_for() -> None:
    """The reply is healthy, but about someone else."""
    assert (await _lead("other-lead"))["email"] == "someone.else@example.com"


async def test_a_soft_deleted_lead_is_handed_out() -> None:
    """Only its flag and date tell."""
    lead = await _lead("soft-deleted")
    assert (lead["lead_deleted"], lead["lead_deleted_date"]) == ("1", "2024-02-29 23:59:59")


async def test_a_byte_order_mark_may_come_first() -> None:
    """After the mark and blank lines the JSON is a normal reply."""
    async with sandbox() as client:
        body = (await client.ask("bom@example.com")).body
    assert body.startswith(b"\xef\xbb\xbf\r\n\r\n{")
    assert json.loads(body.decode("utf-8-sig"))["status"] == "Success"

"""Variations of a normal lead in the shapes the API is known or suspected to use; a lenient reader accepts them all.

Each function takes a newly made normal lead and returns the value to send as `lead_details`.
"""

from collections.abc import Callable
from typing import Any

from pipeline.sandbox.people import NO_DATE
from pipeline.sandbox.replies import Lead, php_json

COLLECTIONS = ("tags", "lists", "sequences", "memberships", "transactions", "custom_fields")
DATES = ("date_joined", "lead_deleted_date", "gdpr_lead_status_date")
_EMPTY: tuple[Any, ...] = ("", [], {})
_INTEGERS = frozenset(  # what the documentation calls integers, and the flag of lists and memberships
    {
        *("score", "blacklisted", "lead_deleted", "gdpr_lead_status", "gdpr_lead_communications"),
        *("field_id", "active"),
    }
)
NUMBERS = _INTEGERS | {"id", "source_id", "option_id", "phone_country_code"}


def documented_integers(lead: Lead) -> Lead:
    """Write what is documented as an integer as a number, and everything else as a string."""
    return _with_numbers(lead, _INTEGERS)


def native_numbers(lead: Lead) -> Lead:
    """Write ids, counts and flags as numbers, as PHP does when its database driver preserves types."""
    return _with_numbers(lead, NUMBERS)


def _with_numbers(lead: Lead, names: frozenset[str]) -> Lead:
    written = dict(lead)
    for key, value in lead.items():
        if isinstance(value, list):
            written[key] = [_with_numbers(item, names) for item in value]
        elif value and key in names:
            written[key] = int(value)
    return written


def details_as_text(lead: Lead) -> str:
    """Encode the lead as a JSON string within the JSON, as the documentation describes it."""
    return php_json(lead).decode()


def keyed_objects(lead: Lead) -> Lead:
    """Write each list as an object with gaps between its keys, as PHP does after removing items."""
    keyed = {key: _keyed(lead[key]) for key in COLLECTIONS}
    for custom_field in keyed["custom_fields"].values():
        if isinstance(custom_field["field_value"], list) and custom_field["field_value"]:
            custom_field["field_value"] = _keyed(custom_field["field_value"])
    return lead | keyed


def _keyed(items: list[Any]) -> dict[str, Any]:
    return {str(2 * i): item for i, item in enumerate(items)}


def keyed_tags(lead: Lead) -> Lead:
    """Write only the tags as an object with gaps between its keys."""
    return lead | {"tags": _keyed(lead["tags"])}


def collections_as(value: object) -> Callable[[Lead], Lead]:
    """A shape in which every collection is replaced by one value."""
    return lambda lead: lead | dict.fromkeys(COLLECTIONS, value)


def absent_collections(lead: Lead) -> Lead:
    """Omit all collections."""
    return {key: value for key, value in lead.items() if key not in COLLECTIONS}


def bare_tags(lead: Lead) -> Lead:
    """Write tags as plain strings."""
    return lead | {"tags": [tag["tag_name"] for tag in lead["tags"]]}


def aliases(lead: Lead) -> Lead:
    """Use the alternative keys of related calls."""
    other = {"name": "membership_name", "level_name": "level"}
    memberships = [_renamed(item, other) for item in lead["memberships"]]
    other = {"id": "transaction_id", "transaction_type": "type", "transaction_date": "date"}
    transactions = [_renamed(item, other) for item in lead["transactions"]]
    return lead | {"memberships": memberships, "transactions": transactions}


def transaction_ids(lead: Lead) -> Lead:
    """Call the ids of transactions `transaction_id`."""
    return lead | {"transactions": [_renamed(item, {"id": "transaction_id"}) for item in lead["transactions"]]}


def _renamed(item: Lead, names: dict[str, str]) -> Lead:
    return {names.get(key, key): value for key, value in item.items()}


def zero_dates(lead: Lead) -> Lead:
    """Write every date as MySQL's zero date."""
    transactions = [item | {"transaction_date": NO_DATE} for item in lead["transactions"]]
    return lead | dict.fromkeys(DATES, NO_DATE) | {"transactions": transactions}


def nulls(lead: Lead) -> Lead:
    """Write missing values as null, false and N/A."""
    none = dict.fromkeys(("first_name", "middle_name", "zip", "lead_deleted_date", "gdpr_lead_status_ip", "score"))
    false = dict.fromkeys(("last_name", "phone", "notes", "lead_picture", "date_joined"), False)
    not_available = dict.fromkeys(("address", "city", "ip_country", "gdpr_lead_status_date"), "N/A")
    lists = [item | {"active": None} for item in lead["lists"]]
    transactions = [
        item | {"product_name": None, "transaction_type": "N/A", "transaction_date": False}
        for item in lead["transactions"]
    ]
    custom_fields = [item | {"field_value": None} for item in lead["custom_fields"]]
    items = {"lists": lists, "transactions": transactions, "custom_fields": custom_fields}
    return lead | none | false | not_available | items


def absent_keys(lead: Lead) -> Lead:
    """Omit most scalars and, in items, all keys but the first."""
    remaining = ("id", "email", "first_name", "score", "date_joined")
    items = {key: [_first(item) for item in lead[key]] for key in COLLECTIONS}
    return {key: lead[key] for key in remaining} | items


def _first(item: Lead) -> Lead:
    key = next(iter(item))
    return {key: item[key]}


def none_as(value: object) -> Callable[[Lead], Lead]:
    """A shape in which `value` stands where there is no value: for empty strings and empty collections."""
    return lambda lead: with_empty(lead, lambda key: {key: value})


def absent_values(lead: Lead) -> Lead:
    """Omit keys that have no value."""
    return with_empty(lead, lambda _: {})


def with_empty(lead: Lead, instead: Callable[[str], Lead]) -> Lead:
    """Replace keys that have no value, at any depth, by what `instead` returns for them."""
    changed: Lead = {}
    for key, value in lead.items():
        if not value and value in _EMPTY:
            changed |= instead(key)
        elif isinstance(value, list):
            changed[key] = [with_empty(item, instead) if isinstance(item, dict) else item for item in value]
        else:
            changed[key] = with_empty(value, instead) if isinstance(value, dict) else value
    return changed


def minimal(lead: Lead) -> Lead:
    """Keep the id and the email, nothing else."""
    return {"id": lead["id"], "email": lead["email"]}


def new_key(lead: Lead) -> Lead:
    """Add one undocumented key to the lead."""
    return lead | {"account_tier": "standard"}


def amounts(lead: Lead) -> Lead:
    """Add the amount and its currency to each transaction."""
    return lead | {"transactions": [item | {"amount": "49.90", "currency": "USD"} for item in lead["transactions"]]}


def new_keys(lead: Lead) -> Lead:
    """Add undocumented keys, scalar and nested, to the lead and its items."""
    added = {"added_in_2031": "a new value", "nested_news": {"depth": {"list": [1, "two", None]}, "flag": True}}
    items = {key: [item | added for item in lead[key]] for key in COLLECTIONS}
    amounts = {"amount": "49.90", "currency": "USD", "tax": 4.99}
    items["transactions"] = [item | amounts for item in items["transactions"]]
    elsewhere = {  # seen in the lead objects of other calls
        "last_name2": "Segundo",
        "company": "Example & Sons, Ltd.",
        "sales_tax_id": "00-1234567",
        "referring_id": "77",
        "business_type": "sole trader",
        "username": "example_user",
    }
    return lead | elsewhere | added | {"surveys": [{"survey_name": "how was it?", "answers": []}]} | items


def wrong_types(lead: Lead) -> Lead:
    """Use values that do not fit their type."""
    lists = [item | {"active": "maybe"} for item in lead["lists"]]
    transactions = [
        item | {"transaction_date": "last tuesday", "product_name": {"name": item["product_name"]}}
        for item in lead["transactions"]
    ]
    tags = [{"tag_name": ["a", "list"]}, *lead["tags"][1:]]
    unfitting = {
        "score": "many",
        "first_name": {"given": lead["first_name"]},
        "city": ["one", "two"],
        "date_joined": "last tuesday",
        "lead_deleted": "maybe",
        "gdpr_lead_status": [2],
        "phone": 5_555_550_100,
    }
    return lead | unfitting | {"lists": lists, "transactions": transactions, "tags": tags}


def all_empty(lead: Lead) -> Lead:
    """Empty all scalars and omit all collections."""
    return dict.fromkeys(absent_collections(lead), "")


def soft_deleted(lead: Lead) -> Lead:
    """Mark the lead as deleted although it is still returned."""
    return lead | {"lead_deleted": "1", "lead_deleted_date": "2024-02-29 23:59:59"}

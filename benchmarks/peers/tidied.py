"""What people write before `json_normalize` or dlt when replies differ in shape."""

from __future__ import annotations

import json
from typing import Any

COLLECTIONS = ("tags", "transactions", "lists", "sequences", "memberships", "custom_fields")


def tidied(details: dict[str, Any] | str) -> dict[str, Any]:
    """The lead in `lead_details`, which may be a string of JSON: a list of objects for each collection, None for false.

    Parquet takes no column of both strings and false.
    """
    lead = _without_false(json.loads(details) if isinstance(details, str) else details)
    for name in COLLECTIONS:
        items = lead.get(name)
        if not isinstance(items, list):
            lead[name] = list(items.values()) if isinstance(items, dict) else []
    if lead["tags"] and isinstance(lead["tags"][0], str):
        lead["tags"] = [{"tag_name": name} for name in lead["tags"]]
    lead["transactions"] = [_without_false(item) for item in lead["transactions"]]
    return lead


def _without_false(given: dict[str, Any]) -> dict[str, Any]:
    return {key: None if value is False else value for key, value in given.items()}

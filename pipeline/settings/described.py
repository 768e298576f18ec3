"""Settings in words: type, range and unit of each, the commented file that sets them all, and their JSON schema.

`config init`, `configs/default.toml` and the table in the documentation are made from here.
"""

from __future__ import annotations

import json
from typing import Any

from pipeline.settings.accounts import COMMON_KEYS, OWN_KEYS
from pipeline.settings.settings import Settings

_UNITS = {
    "_per_s": "calls per second",
    "_s": "seconds",
    "_after_h": "hours",
    "_within_h": "hours",
    "_hours": "hours",
    "_bytes": "bytes",
    "concurrency": "calls",
    "max_attempts": "calls",
    "max_calls": "calls",
    "batch_leads": "leads",
    "_days": "days",
    "keep_runs": "runs",
    "keep_changes": "runs",
    "min_rows": "addresses",
    "workers": "processes",
}
"""What a number of a setting counts, by the end of its key; the first match holds."""
_TYPES = {"boolean": "true or false", "integer": "whole number", "number": "number", "array": "list of strings"}
"""What the types of JSON schema are called."""
_HEADER = """\
# Every setting with its default. Copy the lines you want to change, without the leading "# ", and pass the file with
# --config. Command-line options and LEAD_EXPORT_… variables (LEAD_EXPORT_RATE_PER_S=10) override this file.
"""


def commented_file() -> str:
    """A TOML file of all settings, each as a comment with meaning, type, unit and default; an unset one is empty."""
    defaults = Settings().model_dump(mode="json")
    entries = [
        f"\n# {field.description}\n# ({_type_and_unit(key)})\n"
        # Strings, numbers, booleans and lists of strings are the same in JSON and TOML.
        f"# {key} = {json.dumps('' if defaults[key] is None else defaults[key])}\n"
        for key, field in Settings.model_fields.items()
    ]
    return _HEADER + "".join(entries)


def json_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of the TOML file, for editors and other programs."""
    about = {"title": "lead-export", "description": "A TOML file for the option --config of lead-export."}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **_with_accounts(), **about}


def _with_accounts() -> dict[str, Any]:
    """The schema of the settings, with the tables of accounts, what these have of their own, and what all share."""
    schema = Settings.model_json_schema()
    paths = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
    kinds: dict[str, dict[str, Any]] = {
        "lists": paths,
        "out": {"type": "string"},
        "combined": {"type": "boolean"},
        "require": {"enum": ["any", "all"]},
        "jobs": {"type": "integer", "minimum": 0},
    }
    own, common = (
        {key: {**kinds[key], "description": text} for key, text in keys.items()} for keys in (OWN_KEYS, COMMON_KEYS)
    )
    account = {"type": "object", "properties": {**schema["properties"], **own}, "additionalProperties": False}
    accounts = {
        "type": "object",
        "additionalProperties": account,
        "description": "A table of settings for each account",
    }
    return {**schema, "properties": {**schema["properties"], **common, "accounts": accounts}}


def unit_of(key: str) -> str:
    """What the number of the setting `key` counts; "" if it is not a number of something."""
    return next((unit for end, unit in _UNITS.items() if key.endswith(end)), "")


def type_of(key: str) -> str:
    """The type of the setting `key` in words, with the choices or the range of a number."""
    schema = Settings.model_json_schema()["properties"][key]
    kinds = [kind for kind in schema.get("anyOf", [schema]) if kind.get("type") != "null"]
    kind = kinds[0]
    if choices := kind.get("enum") or kind.get("items", {}).get("enum"):
        words = ", ".join(map(str, choices))
        return f"list of {words}" if kind.get("type") == "array" else f"one of {words}"
    if kind.get("format") in ("path", "password"):
        return {"path": "path", "password": "secret"}[kind["format"]]
    word = _TYPES.get(kind.get("type", "string"), "string")
    least = kind.get("minimum", kind.get("exclusiveMinimum"))
    above = "above " if "exclusiveMinimum" in kind else ""
    return f"{word}, {above}{least:,g} to {kind['maximum']:,g}" if "maximum" in kind else word


def _type_and_unit(key: str) -> str:
    unit = unit_of(key)
    return f"{type_of(key)}; in {unit}" if unit else type_of(key)

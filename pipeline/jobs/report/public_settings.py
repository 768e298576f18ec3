"""Settings as a report shows them: without secrets, and of paths only that they are set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.settings import SECRETS, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping


class Setting(NamedTuple):
    """One setting in words, and whether it is another than the default."""

    name: str
    value: str
    meaning: str
    is_changed: bool


def public_settings(given: Mapping[str, Any]) -> list[Setting]:
    """The settings of a manifest in the order of `Settings`; those that only another version knows are left out."""
    defaults = Settings().public()
    properties = Settings.model_json_schema()["properties"]
    return [
        Setting(
            name,
            _words(given[name], is_path="path" in (kind.get("format") for kind in properties[name].get("anyOf", ()))),
            field.description or "",
            given[name] != defaults[name],
        )
        for name, field in Settings.model_fields.items()
        if name in given and name not in SECRETS
    ]


def _words(value: object, *, is_path: bool) -> str:
    match value:
        case None | "":
            return "unset"
        case bool():
            return "on" if value else "off"
        case int() | float():
            return f"{value:,g}" if abs(value) < 1e6 else f"{value:,.0f}"
        case list():
            return ", ".join(map(str, value))
    text = str(value)
    # A path may name its owner, and an @ an address.
    return "set" if is_path or "@" in text or not text.isprintable() else text

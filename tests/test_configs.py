"""The files in configs/ against the settings they set."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pipeline.settings import CREDENTIAL_VARIABLES, Settings

CONFIGS = Path(__file__).parent.parent / "configs"
_ENTRY = re.compile(r"^# (?P<description>[^\n]+)\n# (?P<key>[a-z_]+) = (?P<value>.+)$", re.MULTILINE)


def documented() -> dict[str, tuple[str, Any]]:
    """Description and default of every key in default.toml; an unset one stands as an empty text."""
    text = (CONFIGS / "default.toml").read_text(encoding="utf-8")
    return {
        entry["key"]: (entry["description"], tomllib.loads(f"value = {entry['value']}")["value"])
        for entry in _ENTRY.finditer(text)
    }


def declared() -> dict[str, tuple[str | None, Any]]:
    """The same of the code."""
    defaults = Settings().model_dump(mode="json")
    return {
        key: (field.description, "" if defaults[key] is None else defaults[key])
        for key, field in Settings.model_fields.items()
    }


def test_default_toml_has_every_key_with_its_meaning_and_default() -> None:
    """default.toml says of every setting what the code says, in the same order."""
    assert list(documented().items()) == list(declared().items())


def test_default_toml_changes_nothing() -> None:
    """Loading default.toml as it is gives the defaults."""
    assert Settings.load(config=CONFIGS / "default.toml", environ={}) == Settings()


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_configs_load_and_hold_no_credentials(path: Path) -> None:
    """Every file in configs/ loads, and none sets a credential."""
    settings = Settings.load(config=path, environ={})
    assert not any(getattr(settings, key).get_secret_value() for key in CREDENTIAL_VARIABLES)

"""`lead-export config`: a file to start from, the settings in effect with their origins, and their schema."""

from __future__ import annotations

import json
import os
import re
import tomllib
from typing import TYPE_CHECKING

from cli_command import CREDENTIALS, SECRETS, lead_export

from pipeline.settings import SECRETS as SECRET_KEYS
from pipeline.settings import Settings
from pipeline.settings.accounts import COMMON_KEYS
from pipeline.settings.described import commented_file, json_schema, type_of, unit_of
from pipeline.settings.layers import ACCOUNTS

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def uncommented(text: str) -> str:
    """The file with every setting in force; its descriptions stay comments."""
    return re.sub(r"^# (?=[a-z_0-9]+ = )", "", text, flags=re.MULTILINE)


# init


def test_init_writes_every_setting_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default lead-export.toml in this folder; it sets nothing, and says what to do next."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0)
    try:
        done = lead_export("config", "init")
    finally:
        os.umask(before)
    (file,) = tmp_path.iterdir()
    assert (done.code, done.out, file.name) == (0, "", "lead-export.toml")
    assert "lead-export check --config lead-export.toml" in done.err
    assert file.stat().st_mode & 0o777 == 0o600
    assert tomllib.loads(file.read_text(encoding="utf-8")) == {}
    assert set(tomllib.loads(uncommented(file.read_text(encoding="utf-8")))) == set(Settings.model_fields)


def test_every_setting_has_meaning_type_and_unit() -> None:
    """Right above its line; a setting that counts something says what."""
    lines = commented_file().splitlines()
    for key, field in Settings.model_fields.items():
        at = next(number for number, line in enumerate(lines) if line.startswith(f"# {key} = "))
        assert lines[at - 2] == f"# {field.description}"
        assert type_of(key) in lines[at - 1]
        assert unit_of(key) in lines[at - 1]
        assert unit_of(key) or not key.endswith(("_s", "_bytes", "_h"))


def test_init_never_overwrites(tmp_path: Path) -> None:
    """A file, a folder or even a dangling link of that name stays as it is: exit 2."""
    (tmp_path / "mine.toml").write_text("rate_per_s = 3\n")
    (tmp_path / "link.toml").symlink_to(tmp_path / "none.toml")
    (tmp_path / "folder").mkdir()
    for name in ("mine.toml", "link.toml", "folder"):
        assert name in lead_export("config", "init", tmp_path / name).sentence
    assert (tmp_path / "mine.toml").read_text() == "rate_per_s = 3\n"
    assert not (tmp_path / "none.toml").exists()


def test_init_where_nothing_can_be_written(tmp_path: Path) -> None:
    """One sentence that names the path."""
    assert "none/x.toml" in lead_export("config", "init", tmp_path / "none" / "x.toml").sentence


def test_init_prints_for_a_comparison(tmp_path: Path) -> None:
    """With - the file goes to standard output, so that it can be compared after an upgrade; -q says nothing."""
    assert lead_export("config", "init", "-").out == commented_file()
    done = lead_export("config", "init", tmp_path / "x.toml", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert (tmp_path / "x.toml").read_text(encoding="utf-8") == commented_file()


# show


def test_show_has_every_setting_with_its_origin(tmp_path: Path) -> None:
    """Option, environment, file or default, and secrets only as set; it works without credentials."""
    config, key = tmp_path / "job.toml", tmp_path / "key"
    config.write_text('formats = ["csv"]\nmax_attempts = 7\n')
    key.write_text(f"{CREDENTIALS['KARTRA_API_KEY']}\n")
    key.chmod(0o600)
    env = {
        "LEAD_EXPORT_MAX_ATTEMPTS": "9",
        "KARTRA_API_KEY_FILE": str(key),
        "KARTRA_APP_ID": CREDENTIALS["KARTRA_APP_ID"],
    }
    options = ("config", "show", "--config", config, "--rate", 5)
    shown = lead_export(*options, "--json", **env).json
    assert set(shown) == set(Settings.model_fields)
    assert shown["rate_per_s"] == {"value": 5.0, "origin": "option"}
    assert shown["max_attempts"] == {"value": 9, "origin": "environment"}
    assert shown["formats"] == {"value": ["csv"], "origin": str(config)}
    assert shown["concurrency"] == {"value": 0, "origin": "default"}
    assert shown["app_id"] == {"value": "set", "origin": "environment"}
    assert shown["api_key"] == {"value": "set", "origin": str(key)}
    assert shown["api_password"] == {"value": "not set", "origin": "default"}
    text = lead_export(*options, **env)
    assert (text.code, text.err) == (0, "")
    assert [line.split()[0] for line in text.out.splitlines()] == list(shown)
    assert [secret for secret in SECRETS if secret in text.out + json.dumps(shown)] == []


def test_show_refuses_what_a_run_refuses(tmp_path: Path) -> None:
    """A wrong key is exit 2, with the name that was meant."""
    config = tmp_path / "job.toml"
    config.write_text("rate_per_sec = 5\n")
    assert "'rate_per_s'" in lead_export("config", "show", "--config", config).sentence


# schema


def test_the_schema_knows_every_key_and_default() -> None:
    """One property for each setting with description and default, and no others; secrets are write-only."""
    schema = lead_export("config", "schema").json
    assert schema == json.loads(json.dumps(json_schema()))
    assert (schema["type"], schema["additionalProperties"]) == ("object", False)
    defaults = Settings().model_dump(mode="json", exclude=set(SECRET_KEYS))
    properties = schema["properties"]
    assert set(properties) == {*Settings.model_fields, *COMMON_KEYS, ACCOUNTS}
    assert {key: properties[key]["default"] for key in defaults} == defaults
    assert [key for key in properties if not properties[key]["description"]] == []
    assert [key for key in SECRET_KEYS if not properties[key]["writeOnly"]] == []

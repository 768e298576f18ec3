"""The files in configs/ against the settings they set."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline.accounts.lanes import Wanted, load_accounts
from pipeline.settings import CREDENTIAL_VARIABLES, Settings
from pipeline.settings.accounts import has_accounts
from pipeline.settings.described import commented_file

CONFIGS = Path(__file__).parent.parent / "configs"
DEFAULT = CONFIGS / "default.toml"


def test_default_toml_is_up_to_date() -> None:
    """default.toml is what the settings declare; `make docs` writes it."""
    assert DEFAULT.read_text(encoding="utf-8") == commented_file()


def test_every_line_of_default_toml_is_the_default(tmp_path: Path) -> None:
    """Uncommented, every setting is accepted as it is written, and changes nothing."""
    config = tmp_path / "all.toml"
    config.write_text(re.sub(r"^# (?=[a-z_]+ = )", "", DEFAULT.read_text(encoding="utf-8"), flags=re.MULTILINE))
    config.chmod(0o600)
    settings, origins = Settings.load_with_origins(config=config, environ={})
    assert settings == Settings()
    assert set(origins.values()) == {str(config)}


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.toml")), ids=lambda path: path.name)
def test_configs_load_and_hold_no_credentials(path: Path) -> None:
    """Every file in configs/ loads, and none sets a credential."""
    if has_accounts(path):
        wanted = Wanted({}, credentials=False)
        every = [lane.settings for lane in load_accounts(path, wanted, {}).lanes]
    else:
        every = [Settings.load(config=path, environ={})]
    assert every
    assert not any(getattr(settings, key).get_secret_value() for settings in every for key in CREDENTIAL_VARIABLES)

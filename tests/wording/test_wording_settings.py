"""The exact wording of messages about settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pipeline.errors import UsageError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

OPTION_MESSAGES = [
    ("rate_per_s", "fast", "--rate: input should be a valid number, unable to parse string as a number."),
    ("rate_per_s", "-1", "--rate: input should be greater than or equal to 0."),
    ("timezone", "Mars", "--timezone: not a known time zone; use a name such as EST, UTC or America/New_York."),
    (
        "api_url",
        "http://example.com/api",
        "--api-url: must start with https:// (http:// is allowed on loopback only).",
    ),
    (
        "api_url",
        "https://joe:pw@example.com/api",
        "--api-url: may contain only scheme, host, port and path.",
    ),
]
FILE_MESSAGES = [
    ("rate_per_sec = 5", "unknown key 'rate_per_sec'. Did you mean 'rate_per_s'?"),
    ("max_attempts = 0", "max_attempts: input should be greater than or equal to 1."),
    ("rate_per_s = ", "not valid TOML (Invalid value (at end of document))."),
    (
        'app_id = "a"',
        "contains credentials but is not private; run chmod 600 on it, or set them in the environment instead.",
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), OPTION_MESSAGES)
def test_messages_about_options(key: str, value: str, message: str) -> None:
    """A value given as an option."""
    with pytest.raises(UsageError) as error:
        Settings.load({key: value}, environ={})
    assert str(error.value) == message


@pytest.mark.parametrize(("text", "message"), FILE_MESSAGES)
def test_messages_about_the_configuration_file(tmp_path: Path, text: str, message: str) -> None:
    """A line in the TOML file."""
    config = tmp_path / "job.toml"
    config.write_text(text)
    config.chmod(0o644)
    with pytest.raises(UsageError) as error:
        Settings.load(config=config, environ={})
    assert str(error.value) == f"{config}: {message}"


def test_messages_about_files_and_the_environment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A missing file, an unknown variable, and missing credentials."""
    missing = tmp_path / "none.toml"
    with pytest.raises(UsageError) as error:
        Settings.load(config=missing, environ={})
    assert str(error.value) == f"{missing}: cannot be read (No such file or directory)."
    Settings.load(environ={"LEAD_EXPORT_RATE": "5", "LEAD_EXPORT_PORT": "tcp://10.0.0.1:80"})
    names = "LEAD_EXPORT_RATE (did you mean LEAD_EXPORT_RATE_PER_S?), LEAD_EXPORT_PORT"
    assert caplog.messages == [f"Environment: no setting has this name, so it is ignored: {names}"]
    with pytest.raises(UsageError) as error:
        Settings.load({"app_id": "a"}, environ={}).require_credentials()
    assert str(error.value) == "Credentials are missing: set KARTRA_API_KEY, KARTRA_API_PASSWORD in the environment."

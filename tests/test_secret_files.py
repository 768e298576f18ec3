"""Secrets in files: variables that end in _FILE, and the folder of CREDENTIALS_DIRECTORY."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.settings import CREDENTIAL_VARIABLES, SECRETS, Settings, variable_of

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "s3cret-of-joe"


def secret_file(path: Path, content: str | bytes = SECRET, mode: int = 0o600) -> Path:
    """A file with a secret."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def refusal(**environ: object) -> str:
    """The message with which settings in this environment are refused; it never shows the secret."""
    with pytest.raises(UsageError) as error:
        Settings.load(environ={name: str(value) for name, value in environ.items()})
    assert SECRET not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("key", CREDENTIAL_VARIABLES)
@pytest.mark.parametrize("content", [SECRET, f"{SECRET}\n", f"  {SECRET}\r\n"])
def test_a_variable_names_the_file(tmp_path: Path, key: str, content: str) -> None:
    """The secret without white space at its ends; its origin is the file."""
    path = secret_file(tmp_path / "x", content)
    settings, origins = Settings.load_with_origins(environ={f"{variable_of(key)}_FILE": str(path)})
    assert getattr(settings, key).get_secret_value() == SECRET
    assert origins[key] == str(path)


def test_every_secret_can_be_in_a_file(tmp_path: Path) -> None:
    """Each setting that is never shown has its variable, and none of these variables is called unknown."""
    contents = {key: "http://proxy.example.com:3128" if key == "proxy" else "https://example.com/x" for key in SECRETS}
    environ = {f"{variable_of(key)}_FILE": str(secret_file(tmp_path / key, contents[key])) for key in SECRETS}
    settings = Settings.load(environ=environ)
    assert {key: getattr(settings, key).get_secret_value() for key in SECRETS} == contents


@pytest.mark.parametrize("by_variable", [True, False])
def test_the_folder_of_systemd(tmp_path: Path, *, by_variable: bool) -> None:
    """Files called like the variable or like the key; what else is in the folder is left alone."""
    for key in CREDENTIAL_VARIABLES:
        secret_file(tmp_path / (variable_of(key) if by_variable else key), f"{SECRET}-{key}", 0o400)
    secret_file(tmp_path / "tls.pem", b"\xff")
    settings = Settings.load(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    settings.require_credentials()
    assert settings.api_key.get_secret_value() == f"{SECRET}-api_key"


def test_a_folder_without_them_is_not_meant(tmp_path: Path) -> None:
    """Services have such a folder for other purposes, and it may be gone."""
    assert Settings.load(environ={"CREDENTIALS_DIRECTORY": str(tmp_path)}) == Settings()
    assert Settings.load(environ={"CREDENTIALS_DIRECTORY": str(tmp_path / "none")}) == Settings()
    assert Settings.load(environ={"CREDENTIALS_DIRECTORY": "", "KARTRA_API_KEY_FILE": ""}) == Settings()


def test_files_stand_between_the_environment_and_the_configuration(tmp_path: Path) -> None:
    """Option, variable, _FILE, folder, TOML; a file that is hidden is not even looked at."""
    config = secret_file(tmp_path / "job.toml", 'api_key = "toml"')
    folder = {"CREDENTIALS_DIRECTORY": str(secret_file(tmp_path / "KARTRA_API_KEY", "folder").parent)}
    file = {"KARTRA_API_KEY_FILE": str(secret_file(tmp_path / "file", "file"))}
    broken = {"KARTRA_API_KEY_FILE": str(tmp_path / "none")}
    for environ, expected in (
        ({}, "toml"),
        (folder, "folder"),
        (folder | file, "file"),
        (folder | file | {"KARTRA_API_KEY": ""}, "file"),
        (folder | broken | {"KARTRA_API_KEY": "variable"}, "variable"),
    ):
        settings = Settings.load(config=config, environ=environ)
        assert settings.api_key.get_secret_value() == expected
    assert Settings.load({"api_key": "option"}, environ=broken).api_key.get_secret_value() == "option"


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (f"{SECRET}\n{SECRET}\n".encode(), "more than one line"),
        (SECRET.encode() + b"\xff", "UTF-8"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes, fact: str) -> None:
    """The message names variable and file and says what is wrong."""
    path = secret_file(tmp_path / "x", content)
    message = refusal(KARTRA_API_KEY_FILE=path)
    assert [word for word in ("KARTRA_API_KEY_FILE", str(path), fact) if word not in message] == []


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Missing, or a folder."""
    assert "No such file" in refusal(KARTRA_API_KEY_FILE=tmp_path / "none")
    assert "Is a directory" in refusal(KARTRA_API_KEY_FILE=tmp_path)
    (tmp_path / "KARTRA_API_KEY").mkdir()
    assert "CREDENTIALS_DIRECTORY" in refusal(CREDENTIALS_DIRECTORY=tmp_path)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o604])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """As a TOML file with credentials is."""
    assert "chmod 600" in refusal(KARTRA_API_KEY_FILE=secret_file(tmp_path / "x", mode=mode))


def test_home_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ~ in the variable is the home folder: env files know no shell."""
    monkeypatch.setenv("HOME", str(tmp_path))
    secret_file(tmp_path / "key")
    assert Settings.load(environ={"KARTRA_API_KEY_FILE": "~/key"}).api_key.get_secret_value() == SECRET


def test_a_pipe_is_read_once() -> None:
    """A secret may come from a program, as with <(pass show …), though its origin is shown as well."""
    reading, writing = os.pipe()
    os.write(writing, SECRET.encode())
    os.close(writing)
    path = f"/dev/fd/{reading}"
    settings, origins = Settings.load_with_origins(environ={"KARTRA_API_KEY_FILE": path})
    os.close(reading)
    assert (settings.api_key.get_secret_value(), origins["api_key"]) == (SECRET, path)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_secret_or_a_sentence(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Nothing in a file ends in a traceback."""
    path = secret_file(tmp_path_factory.getbasetemp() / "any", content)
    try:
        secret = Settings.load(environ={"KARTRA_API_KEY_FILE": str(path)}).api_key.get_secret_value()
    except UsageError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right
    else:
        assert secret == content.decode().strip()

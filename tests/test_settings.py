import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from pipeline.errors import UsageError
from pipeline.settings import CREDENTIAL_VARIABLES, ENV_PREFIX, OPTIONS, OUTPUT_SETTINGS, SECRETS, Settings

SECRET = "s3cret-of-joe"
CREDENTIALS = {key: f"{SECRET}-{key}" for key in CREDENTIAL_VARIABLES}


def toml(folder: Path, text: str, mode: int = 0o600) -> Path:
    """A configuration file."""
    path = folder / "job.toml"
    path.write_text(text)
    path.chmod(mode)
    return path


def refusal(
    options: dict[str, object] | None = None, config: Path | None = None, environ: dict[str, str] | None = None
) -> str:
    """The message with which these layers are refused."""
    with pytest.raises(UsageError) as error:
        Settings.load(options, config=config, environ=environ or {})
    return str(error.value)


def test_the_defaults_are_settings() -> None:
    """Without any layer the settings are the defaults, and no credential is among the public ones."""
    settings = Settings.load(environ={})
    assert settings == Settings()
    assert set(settings.public()) == set(Settings.model_fields) - set(SECRETS)
    assert settings.public() == Settings.model_validate(settings.public()).public()


def test_output_settings_are_settings() -> None:
    """`rebuild` takes these from a manifest, and nothing else."""
    assert set(Settings().output_settings()) == set(OUTPUT_SETTINGS)


def test_every_setting_is_described() -> None:
    """The help of the options and configs/default.toml are generated from the descriptions."""
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []


@pytest.mark.parametrize(
    ("option", "variable", "file", "rate"),
    [
        (None, None, None, 18.0),
        (None, None, 3.0, 3.0),
        (None, "2", 3.0, 2.0),
        (1.0, "2", 3.0, 1.0),
        (1.0, None, None, 1.0),
        (0, "2", None, 0.0),
    ],
)
def test_layers_hide_those_below(
    tmp_path: Path, option: float | None, variable: str | None, file: float | None, rate: float
) -> None:
    """Option before environment before file before default."""
    settings = Settings.load(
        {} if option is None else {"rate_per_s": option},
        environ={} if variable is None else {"LEAD_EXPORT_RATE_PER_S": variable},
        config=None if file is None else toml(tmp_path, f"rate_per_s = {file}"),
    )
    assert settings.rate_per_s == rate


def test_layers_hide_key_by_key(tmp_path: Path) -> None:
    """A layer that sets one key leaves the others to the layers below."""
    config = toml(tmp_path, 'rate_per_s = 3\nconcurrency = 7\nformats = ["csv", "parquet"]\ntimezone = "EST"')
    environ = {"LEAD_EXPORT_CONCURRENCY": "8", "LEAD_EXPORT_CSV_BOM": "yes", "PATH": "/bin", "KARTRA_APP_ID": "a"}
    settings = Settings.load({"rate_per_s": 4}, config=config, environ=environ)
    assert settings == Settings(
        app_id=SecretStr("a"),
        rate_per_s=4,
        concurrency=8,
        csv_bom=True,
        formats=("csv", "parquet"),
        timezone="EST",
    )


def test_a_hidden_value_is_not_even_checked(tmp_path: Path) -> None:
    """A value that a stronger layer overrides cannot stop a job."""
    config = toml(tmp_path, "rate_per_s = -1")
    assert Settings.load({"rate_per_s": 1.0}, config=config, environ={}).rate_per_s == 1.0


def test_the_process_environment_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `environ`, a real environment variable counts."""
    monkeypatch.setenv("LEAD_EXPORT_EMAIL_COLUMN", "Contact")
    assert Settings.load(config=toml(tmp_path, "")).email_column == "Contact"


@pytest.mark.parametrize(
    ("text", "formats"),
    [("csv", ("csv",)), ("parquet,csv", ("parquet", "csv")), (" csv , parquet,csv ", ("csv", "parquet"))],
)
def test_formats_may_be_one_string(text: str, formats: tuple[str, ...]) -> None:
    """In the environment a list is separated by commas; repeats are dropped."""
    assert Settings.load(environ={"LEAD_EXPORT_FORMATS": text}).formats == formats


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("LEAD_EXPORT_RATE", "LEAD_EXPORT_RATE_PER_S"),
        ("LEAD_EXPORT_rate_per_s", "LEAD_EXPORT_RATE_PER_S"),
        ("LEAD_EXPORT_FORMAT", "LEAD_EXPORT_FORMATS"),
        ("LEAD_EXPORT_API_KEY", "KARTRA_API_KEY"),
        ("LEAD_EXPORT_APP_ID", "KARTRA_APP_ID"),
    ],
)
def test_an_unknown_variable_is_ignored_with_a_hint(
    caplog: pytest.LogCaptureFixture, variable: str, meant: str
) -> None:
    """A typo does not leave the default in force without a word; credentials have other names."""
    assert Settings.load(environ={variable: SECRET}) == Settings()
    assert [fact for fact in (variable, f"did you mean {meant}?") if fact not in caplog.text] == []
    assert SECRET not in caplog.text


def test_variables_that_a_platform_made_up_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """Kubernetes tells every pod of a service called lead-export: one warning names them all, without guesses."""
    address = "tcp://10.0.0.1:80"
    made_up = {
        "LEAD_EXPORT_PORT": address,
        "LEAD_EXPORT_SERVICE_HOST": "10.0.0.1",
        "LEAD_EXPORT_SERVICE_PORT": "80",
        "LEAD_EXPORT_SERVICE_PORT_HTTP": "80",
        "LEAD_EXPORT_PORT_80_TCP": address,
        "LEAD_EXPORT_PORT_80_TCP_ADDR": "10.0.0.1",
        "LEAD_EXPORT_SANDBOX_PORT_80_TCP_PROTO": "tcp",
        "LEAD_EXPORT_XYZZY": "1",
    }
    assert Settings.load(environ={**made_up, "LEAD_EXPORT_RATE_PER_S": "5"}).rate_per_s == 5.0
    (record,) = caplog.records
    assert (record.levelname, [name for name in made_up if name not in record.getMessage()]) == ("WARNING", [])
    assert [fact for fact in ("did you mean", "10.0.0.1") if fact in record.getMessage()] == []
    caplog.clear()
    Settings.load(environ={"LEAD_EXPORTER_PORT": "1", "KARTRA_X": "1", "LEAD_EXPORT": "1"})
    assert caplog.records == []


def test_an_unknown_key_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """In the file as well; a table is an unknown key, too."""
    config = toml(tmp_path, f'api_pasword = "{SECRET}"')
    message = refusal(config=config)
    assert [fact for fact in (f"{config}: ", "'api_pasword'", "'api_password'") if fact not in message] == []
    assert SECRET not in message
    assert "'rate_per_s'" in refusal(config=toml(tmp_path, "[rate_per_second]"))


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("rate_per_s", ["fast", "-1", "inf", ""]),
        ("concurrency", ["1.5"]),
        ("total_timeout_s", ["0"]),
        ("max_attempts", ["0"]),
        ("csv_bom", ["perhaps"]),
        ("formats", ["x/y", ""]),
        ("timezone", ["Mars", "../etc/passwd"]),
        ("api_url", ["http://example.com/api", "example.com/api", "ftp://127.0.0.1/api", "https://", ""]),
        (
            "api_url",
            ["https://joe:pw@example.com/api", "https://example.com/api?app_id=1", "https://example.com/api#x"],
        ),
        ("api_url", ["https://example.com:99999/api", "https://example.com:https/api", "https://[::1/api"]),
    ],
)
def test_a_wrong_value_is_an_error_that_says_where(tmp_path: Path, key: str, values: list[str]) -> None:
    """One sentence that starts with the option, the variable, or the file and key, and never repeats the value."""
    option, variable = OPTIONS.get(key, f"--{key.replace('_', '-')}"), ENV_PREFIX + key.upper()
    for value in values:
        config = toml(tmp_path, f'{key} = "{value}"')
        messages = {
            option: refusal(options={key: value}),
            variable: refusal(environ={variable: value}),
            f"{config}: {key}": refusal(config=config),
        }
        for where, message in messages.items():
            assert message.startswith(f"{where}: ")
            assert message.count(". ") == 0
            assert len(value) < 9 or value not in message


def test_not_a_number_is_refused() -> None:
    """NaN compares with nothing, and would otherwise pass every limit."""
    with pytest.raises(ValidationError):
        Settings(rate_per_s=float("nan"))


def test_an_unknown_option_is_an_error() -> None:
    """The command line declares its options, but Python callers may invent some."""
    assert refusal(options={"rate_per_sec": 1}).startswith("--rate-per-sec: ")


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/api/",
        "http://127.0.0.1:8020/api",
        "http://localhost/api",
        "http://[::1]:1/",
    ],
)
def test_secure_and_loopback_urls_are_accepted(url: str) -> None:
    """HTTPS anywhere, plain HTTP on this machine; unchanged."""
    assert Settings(api_url=url).api_url == url


@pytest.mark.parametrize("zone", ["EST", "UTC", "America/New_York"])
def test_zones_are_accepted(zone: str) -> None:
    """Any name of the time zone database."""
    assert Settings(timezone=zone).timezone == zone


@pytest.mark.parametrize(
    "key", ["timezone", "email_column", "encoding", "delimiter", "state_folder", "ca_file", "proxy"]
)
def test_an_empty_string_means_unset(tmp_path: Path, key: str) -> None:
    """TOML and the environment have no null."""
    config = toml(tmp_path, f'{key} = ""')
    assert Settings.load(config=config, environ={}) == Settings()
    assert Settings.load(environ={ENV_PREFIX + key.upper(): ""}) == Settings()


@pytest.mark.parametrize("text", ["rate_per_s = ", "csv_bom = true\nrate_per_s = fast\n", "rate_per_s"])
def test_a_file_that_is_not_toml_is_an_error(tmp_path: Path, text: str) -> None:
    """The message names the file and the position."""
    config = toml(tmp_path, text)
    message = refusal(config=config)
    assert message.startswith(f"{config}: ")
    assert ("line 2, column 14" if "\n" in text else "at end of document") in message


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Missing, a folder, or binary."""
    missing, binary = tmp_path / "none.toml", tmp_path / "binary.toml"
    binary.write_bytes(b"\xff")
    for path, fact in ((missing, "No such file"), (tmp_path, "directory"), (binary, "0xff")):
        message = refusal(config=path)
        assert message.startswith(f"{path}: ")
        assert fact in message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_with_credentials_must_be_private(tmp_path: Path, mode: int) -> None:
    """Otherwise it is refused; the message says how to fix it and does not show the credential."""
    config = toml(tmp_path, f'app_id = "{SECRET}"', mode)
    message = refusal(config=config)
    assert [fact for fact in (str(config), "chmod 600") if fact not in message] == []
    assert SECRET not in message


def test_a_secret_that_cannot_be_changed_may_be_readable_for_a_group(tmp_path: Path) -> None:
    """As containers get theirs, on a read-only mount; one that everybody can read is refused, with other advice."""
    place = tmp_path / "secrets"
    place.mkdir()
    for mode in (0o440, 0o444):
        toml(place, f'app_id = "{SECRET}"', mode)
        with mounted_read_only(place) as is_mounted:
            if not is_mounted:
                pytest.skip("only root may mount a folder read-only")
            if mode == 0o440:
                settings = Settings.load(config=place / "job.toml", environ={})
                assert settings.app_id.get_secret_value() == SECRET
            else:
                message = refusal(config=place / "job.toml")
                assert [fact for fact in ("0440", "environment") if fact not in message] == []
                assert [fact for fact in ("chmod", SECRET) if fact in message] == []


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[bool]:
    """A folder mounted onto itself, read-only; False if this user may not."""
    words: list[list[str | Path]] = [["mount", "--bind", folder, folder], ["mount", "-o", "remount,bind,ro", folder]]
    done = [subprocess.run(each, check=False, capture_output=True).returncode for each in words]
    try:
        yield not any(done)
    finally:
        if not done[0]:
            subprocess.run(["umount", folder], check=False)  # noqa: S607 - found on PATH


def test_a_secret_of_somebody_else(tmp_path: Path) -> None:
    """Whoever may only read it cannot change it: fine for a group, and refused if everybody can read it."""
    if os.geteuid():
        pytest.skip("only root can give files away, and become somebody else")
    child = """
import os, sys
from pathlib import Path
from pipeline.filesystem import why_not_private
os.setgroups([4242]); os.setegid(4242); os.seteuid(4242)
print(*[why_not_private(Path(path)) for path in sys.argv[1:]], sep="|")
"""
    tmp_path.chmod(0o755)
    paths = [tmp_path / f"{mode:o}" for mode in (0o440, 0o640, 0o660, 0o604)]
    for path in paths:
        path.touch()
        path.chmod(int(path.name, 8))
        os.chown(path, 0, 4242)
    words = [sys.executable, "-c", child, *[path.name for path in paths]]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.strip().split("|")
    assert done[:2] == ["None", "None"]
    assert ["chmod" in answer for answer in done[2:]] == [True, True]


def test_a_file_with_a_byte_order_mark(tmp_path: Path) -> None:
    """Windows editors put one before UTF-8; nothing else changes."""
    config = toml(tmp_path, "\ufeffrate_per_s = 3\n")
    assert Settings.load(config=config, environ={}).rate_per_s == 3.0
    config.write_text("rate_per_s = 3\n", encoding="utf-16")
    assert refusal(config=config).startswith(f"{config}: ")


@pytest.mark.parametrize("key", ["ca_file", "state_folder"])
def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    """No shell replaces it in a file or a variable; in other places of a path it means itself."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for text, path in (("~/x/y", tmp_path / "x/y"), ("~", tmp_path), ("a/~/b", Path("a/~/b")), ("~~", Path("~~"))):
        by_file = Settings.load(config=toml(tmp_path, f'{key} = "{text}"'), environ={})
        by_variable = Settings.load(environ={f"LEAD_EXPORT_{key.upper()}": text})
        assert getattr(by_file, key) == getattr(by_variable, key) == path


def test_other_files_may_be_public(tmp_path: Path) -> None:
    """A file with credentials is fine when it is private, one without is fine as it is."""
    private = toml(tmp_path, f'app_id = "{SECRET}"', 0o400)
    assert Settings.load(config=private, environ={}).app_id.get_secret_value() == SECRET
    assert Settings.load(config=toml(tmp_path, "rate_per_s = 1", 0o644), environ={}).rate_per_s == 1.0


def test_a_file_with_a_proxy_password_is_for_its_owner_alone(tmp_path: Path) -> None:
    """A proxy without credentials is no secret; one with a password makes the file secret, and is never shown."""
    open_proxy = toml(tmp_path, 'proxy = "http://proxy:3128"', 0o644)
    assert Settings.load(config=open_proxy, environ={}).proxy.get_secret_value() == "http://proxy:3128"
    text = f'proxy = "http://user:{SECRET}@proxy:3128"'
    assert "chmod 600" in refusal(config=toml(tmp_path, text, 0o644))
    settings = Settings.load(config=toml(tmp_path, text, 0o600), environ={})
    assert SECRET not in repr(settings) + str(settings.public())


def test_credentials_come_from_their_variables() -> None:
    """Environment variables named after the vendor."""
    settings = Settings.load(environ={variable: f"{SECRET}-{key}" for key, variable in CREDENTIAL_VARIABLES.items()})
    assert {key: getattr(settings, key).get_secret_value() for key in CREDENTIALS} == CREDENTIALS
    settings.require_credentials()


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "KARTRA_APP_ID, KARTRA_API_KEY, KARTRA_API_PASSWORD"),
        ({"app_id": "a", "api_password": "p"}, "KARTRA_API_KEY"),
        ({"app_id": "a", "api_key": " \t", "api_password": ""}, "KARTRA_API_KEY, KARTRA_API_PASSWORD"),
    ],
)
def test_missing_credentials_are_named(given: dict[str, object], missing: str) -> None:
    """All that are unset or empty are named at once."""
    with pytest.raises(UsageError) as error:
        Settings.load(given, environ={}).require_credentials()
    assert f" {missing} " in str(error.value)


@pytest.mark.parametrize(
    "shown", [str, repr, "{}".format, lambda s: str(vars(s)), lambda s: s.model_dump_json(), Settings.public]
)
def test_secrets_are_never_shown(shown: Callable[[Settings], object]) -> None:
    """However settings are printed, credentials are not shown."""
    settings = Settings.load(dict(CREDENTIALS), environ={})
    assert SECRET not in str(shown(settings))
    assert pickle.loads(pickle.dumps(settings)) == settings  # noqa: S301 - ours, and complete with its secrets


@pytest.mark.parametrize(
    "make",
    [
        lambda: Settings(api_key=SECRET, rate_per_s=-1),  # type: ignore[arg-type]
        lambda: Settings(api_key=[SECRET]),  # type: ignore[arg-type]
        lambda: Settings(api_url=f"https://{SECRET}@example.com"),
        lambda: Settings(api_url=f"https://example.com:{SECRET}"),
        lambda: Settings(rate_per_s=SECRET),  # type: ignore[arg-type]
        lambda: Settings(timezone=SECRET),
        lambda: Settings(formats=SECRET),  # type: ignore[arg-type]
        lambda: Settings.load({"api_key": [SECRET]}, environ={}),
        lambda: Settings.load({"api_url": f"https://{SECRET}@example.com"}, environ={}),
        lambda: Settings.load(environ={"LEAD_EXPORT_CONCURRENCY": SECRET}),
    ],
)
def test_secrets_are_not_in_errors(make: Callable[[], Any]) -> None:
    """Not in the message and not in the traceback, also when the wrong value is a secret in the wrong place."""
    with pytest.raises((UsageError, ValidationError)) as error:
        make()
    assert SECRET not in "".join(traceback.format_exception_only(error.value))
    assert SECRET not in repr(error.value)
    assert error.value.__cause__ is None


def test_secrets_are_not_in_errors_of_the_file(tmp_path: Path) -> None:
    """A line that is not TOML may contain a password."""
    for text in (f'api_key = "{SECRET}', f"api_key = {SECRET}", f"api_key: {SECRET}", f'rate_per_s = "{SECRET}"'):
        assert SECRET not in refusal(config=toml(tmp_path, text))


def test_python_callers_get_checked_and_frozen_settings() -> None:
    """The constructor refuses what `load` refuses, and nothing changes afterwards."""
    with pytest.raises(ValidationError):
        Settings(rate_per_s=10_001)
    with pytest.raises(ValidationError):
        Settings(rate=1)  # type: ignore[call-arg]
    settings = Settings(formats=("csv", "csv"))
    assert settings.formats == ("csv",)
    with pytest.raises(ValidationError):
        settings.rate_per_s = 1.0


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_api_url_is_taken_or_refused(url: str) -> None:
    """Any string is either accepted or refused with a message."""
    try:
        assert Settings.load({"api_url": url}, environ={}).api_url == url
    except UsageError as error:
        assert str(error).startswith("--api-url: ")  # noqa: PT017 - either way is fine

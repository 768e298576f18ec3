import pickle
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from pipeline.errors import UsageError
from pipeline.settings import CREDENTIAL_VARIABLES, ENV_PREFIX, OPTIONS, Settings

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
    """Nothing given: what the documentation says, and nothing else is read from anywhere."""
    settings = Settings.load(environ={})
    assert settings == Settings()
    assert settings.public() == {
        "api_url": "https://app.kartra.com/api",
        "ca_file": None,
        "rate_per_s": 18.0,
        "concurrency": 0,
        "share_pace": True,
        "state_folder": None,
        "throttle_patience_s": 900.0,
        "outage_patience_s": 900.0,
        "connect_timeout_s": 10.0,
        "read_timeout_s": 30.0,
        "total_timeout_s": 60.0,
        "max_reply_bytes": 8_388_608,
        "max_attempts": 5,
        "retry_first_delay_s": 0.5,
        "retry_max_delay_s": 30.0,
        "email_column": None,
        "encoding": None,
        "delimiter": None,
        "formats": ["parquet"],
        "timezone": None,
        "keep_replies": True,
        "csv_bom": False,
        "formula_guard": True,
        "keep_runs": 0,
        "unfinished": "refuse",
        "batch_leads": 4_000,
    }


def test_every_setting_is_described() -> None:
    """The configuration table of the documentation is made from these."""
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
    """A layer that says one thing leaves the others to the layers below."""
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
    """What a stronger layer replaces cannot stop a job."""
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
def test_formats_may_be_one_text(text: str, formats: tuple[str, ...]) -> None:
    """In the environment a list is separated by commas; each format counts once."""
    assert Settings.load(environ={"LEAD_EXPORT_FORMATS": text}).formats == formats


@pytest.mark.parametrize(
    ("variable", "hint"),
    [
        ("LEAD_EXPORT_RATE", "Did you mean 'LEAD_EXPORT_RATE_PER_S'?"),
        ("LEAD_EXPORT_rate_per_s", "Did you mean 'LEAD_EXPORT_RATE_PER_S'?"),
        ("LEAD_EXPORT_FORMAT", "Did you mean 'LEAD_EXPORT_FORMATS'?"),
        ("LEAD_EXPORT_API_KEY", "Did you mean 'KARTRA_API_KEY'?"),
        ("LEAD_EXPORT_APP_ID", "Did you mean 'KARTRA_APP_ID'?"),
    ],
)
def test_an_unknown_variable_is_an_error_with_a_hint(variable: str, hint: str) -> None:
    """A typing mistake does not silently leave the default in force; credentials have names of their own."""
    assert refusal(environ={variable: SECRET}) == f"Environment: unknown variable {variable}. {hint}"


def test_an_unknown_variable_without_a_likeness_names_all() -> None:
    """Where no hint can be given, the known names are."""
    message = refusal(environ={"LEAD_EXPORT_XYZZY": "1"})
    assert [
        key for key in Settings.model_fields if CREDENTIAL_VARIABLES.get(key, ENV_PREFIX + key.upper()) not in message
    ] == []


def test_an_unknown_key_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """In the file as well; a table is an unknown key too."""
    config = toml(tmp_path, f'api_pasword = "{SECRET}"')
    assert refusal(config=config) == f"{config}: unknown key 'api_pasword'. Did you mean 'api_password'?"
    assert refusal(config=toml(tmp_path, "[rate_per_second]")) == (
        f"{config}: unknown key 'rate_per_second'. Did you mean 'rate_per_s'?"
    )


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("rate_per_s", "fast", "input should be a valid number, unable to parse string as a number"),
        ("rate_per_s", "-1", "input should be greater than or equal to 0"),
        ("rate_per_s", "inf", "input should be less than or equal to 10000"),
        ("rate_per_s", "", "input should be a valid number, unable to parse string as a number"),
        ("concurrency", "1.5", "input should be a valid integer, unable to parse string as an integer"),
        ("total_timeout_s", "0", "input should be greater than 0"),
        ("max_attempts", "0", "input should be greater than or equal to 1"),
        ("csv_bom", "perhaps", "input should be a valid boolean, unable to interpret input"),
        ("formats", "xlsx", "input should be 'parquet' or 'csv'"),
        ("formats", "", "input should be 'parquet' or 'csv'"),
        ("timezone", "Mars", "is no time zone; use a name such as EST, UTC or America/New_York"),
        ("timezone", "../etc/passwd", "is no time zone; use a name such as EST, UTC or America/New_York"),
        ("api_url", "http://example.com/api", "must begin with https:// (plain http is for loopback only)"),
        ("api_url", "example.com/api", "must begin with https:// (plain http is for loopback only)"),
        ("api_url", "ftp://127.0.0.1/api", "must begin with https:// (plain http is for loopback only)"),
        ("api_url", "https://", "must begin with https:// (plain http is for loopback only)"),
        ("api_url", "", "must begin with https:// (plain http is for loopback only)"),
        ("api_url", "https://joe:pw@example.com/api", "must hold nothing but scheme, host, port and path"),
        ("api_url", "https://example.com/api?app_id=1", "must hold nothing but scheme, host, port and path"),
        ("api_url", "https://example.com/api#x", "must hold nothing but scheme, host, port and path"),
        ("api_url", "https://example.com:99999/api", "must hold nothing but scheme, host, port and path"),
        ("api_url", "https://example.com:https/api", "must hold nothing but scheme, host, port and path"),
        ("api_url", "https://[::1/api", "invalid IPv6 URL"),
    ],
)
def test_a_wrong_value_is_an_error_that_says_where(tmp_path: Path, key: str, value: str, problem: str) -> None:
    """One sentence with the option, the variable or the file and key: never more than the user needs to fix it."""
    option = OPTIONS.get(key, f"--{key.replace('_', '-')}")
    config = toml(tmp_path, f'{key} = "{value}"')
    assert refusal(options={key: value}) == f"{option}: {problem}."
    assert refusal(environ={ENV_PREFIX + key.upper(): value}) == f"{ENV_PREFIX}{key.upper()}: {problem}."
    assert refusal(config=config) == f"{config}: {key}: {problem}."


def test_not_a_number_is_refused() -> None:
    """It compares with nothing, and would otherwise slip through every bound."""
    with pytest.raises(ValidationError):
        Settings(rate_per_s=float("nan"))


def test_an_unknown_option_is_an_error() -> None:
    """The command line declares its options, but Python callers may invent some."""
    assert refusal(options={"rate_per_sec": 1}) == "--rate-per-sec: extra inputs are not permitted."


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
def test_secure_and_loopback_urls_are_taken(url: str) -> None:
    """HTTPS anywhere, plain HTTP on this machine, as they were written."""
    assert Settings(api_url=url).api_url == url


@pytest.mark.parametrize("zone", ["EST", "UTC", "America/New_York"])
def test_zones_are_taken(zone: str) -> None:
    """Every name of the time zone database will do."""
    assert Settings(timezone=zone).timezone == zone


@pytest.mark.parametrize(
    "key", ["timezone", "email_column", "encoding", "delimiter", "state_folder", "ca_file", "proxy"]
)
def test_no_value_may_be_written_as_nothing(tmp_path: Path, key: str) -> None:
    """TOML and the environment have no null."""
    config = toml(tmp_path, f'{key} = ""')
    assert Settings.load(config=config, environ={}) == Settings()
    assert Settings.load(environ={ENV_PREFIX + key.upper(): ""}) == Settings()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("rate_per_s = ", "not TOML (Invalid value (at end of document))."),
        ("csv_bom = true\nrate_per_s = fast\n", "not TOML (Invalid value (at line 2, column 14))."),
        ("rate_per_s", "not TOML (Expected '=' after a key in a key/value pair (at end of document))."),
    ],
)
def test_a_file_that_is_no_toml_is_an_error(tmp_path: Path, text: str, problem: str) -> None:
    """The message says where in the file."""
    config = toml(tmp_path, text)
    assert refusal(config=config) == f"{config}: {problem}"


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """Missing, a folder, or not even text."""
    missing, binary = tmp_path / "none.toml", tmp_path / "binary.toml"
    binary.write_bytes(b"\xff")
    assert refusal(config=missing) == f"{missing}: the configuration cannot be read (No such file or directory)."
    assert refusal(config=tmp_path) == f"{tmp_path}: the configuration cannot be read (Is a directory)."
    assert refusal(config=binary).startswith(f"{binary}: not TOML ('utf-8' codec can't decode byte 0xff")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_file_with_credentials_is_for_its_owner_alone(tmp_path: Path, mode: int) -> None:
    """Otherwise it is refused, with the remedy, and without the credential."""
    config = toml(tmp_path, f'app_id = "{SECRET}"', mode)
    assert refusal(config=config) == f"{config}: holds credentials, but others may read it; run chmod 600 on it."


def test_other_files_may_be_read_by_all(tmp_path: Path) -> None:
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
    """Environment variables by the names that the vendor's users know."""
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
    """Before any call, all that are not set or blank at once."""
    with pytest.raises(UsageError) as error:
        Settings.load(given, environ={}).require_credentials()
    assert str(error.value) == f"Credentials are missing: set {missing} in the environment."


@pytest.mark.parametrize(
    "shown", [str, repr, "{}".format, lambda s: str(vars(s)), lambda s: s.model_dump_json(), Settings.public]
)
def test_secrets_are_never_shown(shown: Callable[[Settings], object]) -> None:
    """However settings are printed, credentials are not in it."""
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
        lambda: Settings.load(environ={"LEAD_EXPORT_API_PASSWORD": SECRET}),
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
    """A line that is no TOML may be one with a password."""
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
    """Whatever is given for an address, there is a setting or a message."""
    try:
        assert Settings.load({"api_url": url}, environ={}).api_url == url
    except UsageError as error:
        assert str(error).startswith("--api-url: ")  # noqa: PT017 - either way is fine

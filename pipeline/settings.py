"""Every number, choice and secret of a job, with its unit in its name: the one home of the defaults.

Settings come in layers, strongest first: options of the command, the environment (`LEAD_EXPORT_…`, and `KARTRA_…` for
credentials), the TOML file, the defaults below. An unknown key in any layer is an error.
"""

from __future__ import annotations

import difflib
import hashlib
import os
import tomllib
from collections import ChainMap
from pathlib import Path  # noqa: TC003 - pydantic resolves it when the class is made
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from urllib.parse import SplitResult

ENV_PREFIX = "LEAD_EXPORT_"
CREDENTIAL_VARIABLES = {
    "app_id": "KARTRA_APP_ID",
    "api_key": "KARTRA_API_KEY",
    "api_password": "KARTRA_API_PASSWORD",
}
SECRETS = (*CREDENTIAL_VARIABLES, "proxy")  # never shown: a proxy's URL may hold a password
OPTIONS = {"rate_per_s": "--rate", "formats": "--format"}
"""Settings whose command-line option is not simply the key with dashes."""
LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

SHAPE = ("formats", "timezone", "keep_replies", "csv_bom", "formula_guard", "batch_leads")
"""Settings that decide how answers become files; all others are about getting the answers."""

Format = Literal["parquet", "csv"]


def _split(value: object) -> object:
    """Lists come as one text from the environment: `parquet,csv`."""
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _unset(value: object) -> object:
    """TOML and the environment have no null; an empty text stands for it."""
    return None if value == "" else value


Unset = BeforeValidator(_unset)


class Settings(BaseModel):
    """What a job may vary. Frozen, checked when it is made, and safe to print: credentials show as asterisks."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, hide_input_in_errors=True)

    app_id: SecretStr = Field(
        default=SecretStr(""), description="App id; better set as KARTRA_APP_ID in the environment"
    )
    api_key: SecretStr = Field(
        default=SecretStr(""), description="API key; better set as KARTRA_API_KEY in the environment"
    )
    api_password: SecretStr = Field(
        default=SecretStr(""), description="API password; better set as KARTRA_API_PASSWORD in the environment"
    )
    api_url: str = Field(
        default="https://app.kartra.com/api", description="where the API is; plain http on loopback only"
    )

    proxy: SecretStr = Field(
        default=SecretStr(""), description="URL of an HTTP proxy; unset follows HTTPS_PROXY and NO_PROXY"
    )
    ca_file: Annotated[Path | None, Unset] = Field(
        default=None, description="PEM file of certificate authorities to trust besides the system's"
    )

    rate_per_s: float = Field(default=18.0, ge=0, le=10_000, description="calls started per second; 0 is no limit")
    concurrency: int = Field(
        default=0, ge=0, le=1_000, description="calls in flight at most; 0 chooses from rate and latency"
    )
    share_pace: bool = Field(default=True, description="share the rate with other processes here that use the same App")
    state_folder: Annotated[Path | None, Unset] = Field(
        default=None,
        description="folder of the file through which it is shared; unset is lead-export in XDG_STATE_HOME",
    )
    throttle_patience_s: float = Field(
        default=900.0, ge=0, le=86_400, description="seconds of nothing but 'too many requests' before the run stops"
    )
    outage_patience_s: float = Field(
        default=900.0, ge=0, le=86_400, description="seconds without any usable answer before the run stops"
    )
    connect_timeout_s: float = Field(default=10.0, gt=0, le=3_600, description="seconds to reach the server")
    read_timeout_s: float = Field(default=30.0, gt=0, le=3_600, description="seconds between two pieces of an answer")
    total_timeout_s: float = Field(default=60.0, gt=0, le=3_600, description="seconds for one call in all")
    max_reply_bytes: int = Field(default=8 * 1024 * 1024, ge=1_024, description="bytes; a longer answer is refused")
    max_attempts: int = Field(default=5, ge=1, le=100, description="calls for one address before it fails")
    retry_first_delay_s: float = Field(
        default=0.5, ge=0, le=3_600, description="seconds before the second call, at most"
    )
    retry_max_delay_s: float = Field(default=30.0, ge=0, le=3_600, description="seconds between two calls, at most")

    email_column: Annotated[str | None, Unset] = Field(
        default=None, description="name or number of the column with addresses; detected if unset"
    )
    encoding: Annotated[str | None, Unset] = Field(
        default=None, description="encoding of the lists, such as utf-8 or cp1252; detected if unset"
    )
    delimiter: Annotated[str | None, Unset] = Field(
        default=None,
        description="mark between the cells of a list, or comma, semicolon, tab or pipe; detected if unset",
    )
    formats: Annotated[tuple[Format, ...], BeforeValidator(_split)] = Field(
        default=("parquet",), min_length=1, description="file formats of the tables: parquet, csv or both"
    )
    timezone: Annotated[str | None, Unset] = Field(
        default=None, description="zone of the API's dates, such as EST or America/New_York; unset leaves them as given"
    )
    keep_replies: bool = Field(default=True, description="publish the raw replies, so that tables can be made again")
    csv_bom: bool = Field(default=False, description="begin CSV files with a byte order mark, for Excel")
    formula_guard: bool = Field(
        default=True, description="put ' before CSV cells that a spreadsheet would run as a formula"
    )
    keep_runs: int = Field(
        default=0, ge=0, le=100_000, description="published runs that stay, older ones are removed; 0 keeps all"
    )
    unfinished: Literal["refuse", "replace"] = Field(
        default="refuse",
        description="where an unfinished run is about something else: refuse to begin another, or let that replace it",
    )
    batch_leads: int = Field(default=4_000, ge=1, le=100_000, description="leads flattened and written at a time")

    @field_validator(*SECRETS)
    @classmethod
    def _stripped(cls, secret: SecretStr) -> SecretStr:
        """Without the blanks and line ends that come along when a credential is copied."""
        return SecretStr(secret.get_secret_value().strip())

    @field_validator("api_url")
    @classmethod
    def _secure(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.username or parts.password or parts.query or parts.fragment or not _has_usable_port(parts):
            raise ValueError("must hold nothing but scheme, host, port and path")
        if parts.scheme == "https" and parts.hostname:
            return url
        if parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS:
            return url
        raise ValueError("must begin with https:// (plain http is for loopback only)")

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if not zone:
            return None
        try:
            ZoneInfo(zone)
        except (KeyError, ValueError, OSError):
            raise ValueError("is no time zone; use a name such as EST, UTC or America/New_York") from None
        return zone

    @field_validator("formats")
    @classmethod
    def _once(cls, formats: tuple[Format, ...]) -> tuple[Format, ...]:
        return tuple(dict.fromkeys(formats))

    @classmethod
    def load(
        cls,
        options: Mapping[str, object] | None = None,
        *,
        config: Path | None = None,
        environ: Mapping[str, str] | None = None,
        base: Mapping[str, object] | None = None,
    ) -> Self:
        """Settings from all layers; `environ` is the process's environment unless given, `base` is weaker than all.

        Raises:
            UsageError: a key is unknown or a value wrong; the message says where it stands and what is expected.
        """
        layers = {**_layers(options, config, environ), "base": base or {}}
        try:
            return cls.model_validate(dict(ChainMap(*(dict(layer) for layer in layers.values()))))
        except ValidationError as error:
            raise UsageError(_explain(error, layers)) from None

    @classmethod
    def origins(
        cls,
        options: Mapping[str, object] | None = None,
        *,
        config: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """Where each setting comes from: `option`, `environment`, the name of the file, or `default`.

        Raises:
            UsageError: a key is unknown.
        """
        layers = _layers(options, config, environ)
        given = {key: [name for name, layer in layers.items() if key in layer] for key in cls.model_fields}
        return {key: names[0] if names else "default" for key, names in given.items()}

    def require_credentials(self) -> None:
        """Refuse to go on without them.

        Raises:
            UsageError: names the variables that are not set.
        """
        missing = [
            variable
            for key, variable in CREDENTIAL_VARIABLES.items()
            if not getattr(self, key).get_secret_value().strip()
        ]
        if missing:
            raise UsageError(f"Credentials are missing: set {', '.join(missing)} in the environment.")

    def app_hash(self) -> str:
        """What may stand in files and names for the App id: it tells two Apps apart, but not what they are called."""
        app_id = self.app_id.get_secret_value().encode(errors="surrogateescape")
        return hashlib.sha256(app_id).hexdigest()[:16]

    def shape(self) -> dict[str, Any]:
        """The settings of `SHAPE`, as plain values."""
        return self.model_dump(mode="json", include=set(SHAPE))

    def public(self) -> dict[str, Any]:
        """All settings but the secrets, as plain values."""
        return self.model_dump(mode="json", exclude=set(SECRETS))


def _has_usable_port(parts: SplitResult) -> bool:
    try:
        return parts.port != 0
    except ValueError:
        return False


def _layers(
    options: Mapping[str, object] | None, config: Path | None, environ: Mapping[str, str] | None
) -> dict[str, Mapping[str, object]]:
    """What is given, strongest first, by where it is given."""
    return {
        "option": options or {},
        "environment": _from_environment(os.environ if environ is None else environ),
        str(config): _from_toml(config) if config else {},
    }


def _from_environment(environ: Mapping[str, str]) -> dict[str, object]:
    layer: dict[str, object] = {
        key: environ[variable] for key, variable in CREDENTIAL_VARIABLES.items() if variable in environ
    }
    names = {ENV_PREFIX + key.upper(): key for key in Settings.model_fields if key not in CREDENTIAL_VARIABLES}
    known = names | {variable: key for key, variable in CREDENTIAL_VARIABLES.items()}
    for variable in environ:
        if variable.startswith(ENV_PREFIX):
            if variable not in names:
                raise UsageError(f"Environment: unknown variable {variable}.{_nearest(variable, known, ENV_PREFIX)}")
            layer[names[variable]] = environ[variable]
    return layer


def _from_toml(path: Path) -> dict[str, object]:
    try:
        layer = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: the configuration cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML ({error}).") from None
    for key in layer:
        if key not in Settings.model_fields:
            raise UsageError(f"{path}: unknown key {key!r}.{_nearest(key, Settings.model_fields)}")
    if (CREDENTIAL_VARIABLES.keys() & layer or "@" in str(layer.get("proxy", ""))) and path.stat().st_mode & 0o077:
        raise UsageError(f"{path}: holds credentials, but others may read it; run chmod 600 on it.")
    return layer


def _nearest(name: str, known: Mapping[str, object], prefix: str = "") -> str:
    """The known name that `name` was perhaps meant to be, as a hint to put behind a message."""
    bare = {key.removeprefix(prefix).lower(): key for key in known}
    words = difflib.get_close_matches(name.removeprefix(prefix).lower(), bare, 1, cutoff=0.5)
    return f" Did you mean {bare[words[0]]!r}?" if words else f" Known are: {', '.join(known)}."


def _explain(error: ValidationError, layers: Mapping[str, Mapping[str, object]]) -> str:
    """One sentence for the first wrong value: where it stands and what is wrong, never the value."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = str(first["loc"][0])
    origin = next((name for name, layer in layers.items() if key in layer), "default")
    problem = first["msg"].removeprefix("Value error, ")
    where = {
        "option": OPTIONS.get(key, f"--{key.replace('_', '-')}"),
        "environment": CREDENTIAL_VARIABLES.get(key, ENV_PREFIX + key.upper()),
    }.get(origin, f"{origin}: {key}")
    return f"{where}: {problem[:1].lower()}{problem[1:]}."

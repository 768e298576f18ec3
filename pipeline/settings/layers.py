"""Where settings come from: options, environment and the TOML file; unknown keys are refused, and errors explained.

Layers, strongest first: command-line options, environment variables (`LEAD_EXPORT_…`, and `KARTRA_…` for credentials),
the TOML file. What the settings are is known by `definitions` only: functions here take their names as `known`.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pydantic import ValidationError

ENV_PREFIX = "LEAD_EXPORT_"
CREDENTIAL_VARIABLES = {
    "app_id": "KARTRA_APP_ID",
    "api_key": "KARTRA_API_KEY",
    "api_password": "KARTRA_API_PASSWORD",
}
SECRETS = (*CREDENTIAL_VARIABLES, "proxy")  # never shown: a proxy's URL may hold a password
OPTIONS = {"rate_per_s": "--rate", "formats": "--format"}
"""Settings whose command-line option is not the key with dashes."""


def read_layers(
    known: Collection[str],
    options: Mapping[str, object] | None,
    config: Path | None,
    environ: Mapping[str, str] | None,
) -> dict[str, Mapping[str, object]]:
    """The layers, strongest first, by where their settings come from; `known` are the names of all settings.

    Raises:
        UsageError: a key is unknown, or the file cannot be read or is not private.
    """
    return {
        "option": options or {},
        "environment": _from_environment(known, os.environ if environ is None else environ),
        str(config): _from_toml(known, config) if config else {},
    }


def _from_environment(known: Collection[str], environ: Mapping[str, str]) -> dict[str, object]:
    layer: dict[str, object] = {
        key: environ[variable] for key, variable in CREDENTIAL_VARIABLES.items() if variable in environ
    }
    names = {ENV_PREFIX + key.upper(): key for key in known if key not in CREDENTIAL_VARIABLES}
    every = [*names, *CREDENTIAL_VARIABLES.values()]
    for variable in environ:
        if variable.startswith(ENV_PREFIX):
            if variable not in names:
                raise UsageError(f"Environment: unknown variable {variable}.{_nearest(variable, every, ENV_PREFIX)}")
            layer[names[variable]] = environ[variable]
    return layer


def _from_toml(known: Collection[str], path: Path) -> dict[str, object]:
    try:
        layer = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error}).") from None
    for key in layer:
        if key not in known:
            raise UsageError(f"{path}: unknown key {key!r}.{_nearest(key, known)}")
    has_secret = CREDENTIAL_VARIABLES.keys() & layer or "@" in str(layer.get("proxy", ""))
    if has_secret and path.stat().st_mode & 0o077:
        raise UsageError(f"{path}: contains credentials but is not private; run chmod 600 on it.")
    return layer


def _nearest(name: str, known: Collection[str], prefix: str = "") -> str:
    """A hint to append to a message: the known name that `name` resembles, or else all known names."""
    bare = {key.removeprefix(prefix).lower(): key for key in known}
    words = difflib.get_close_matches(name.removeprefix(prefix).lower(), bare, 1, cutoff=0.5)
    return f" Did you mean {bare[words[0]]!r}?" if words else f" Known names: {', '.join(known)}."


def explain(error: ValidationError, layers: Mapping[str, Mapping[str, object]]) -> str:
    """One sentence about the first wrong value: where it is and what is wrong, without the value itself."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = str(first["loc"][0])
    origin = next((name for name, layer in layers.items() if key in layer), "default")
    problem = first["msg"].removeprefix("Value error, ")
    where = {
        "option": OPTIONS.get(key, f"--{key.replace('_', '-')}"),
        "environment": CREDENTIAL_VARIABLES.get(key, ENV_PREFIX + key.upper()),
    }.get(origin, f"{origin}: {key}")
    return f"{where}: {problem[:1].lower()}{problem[1:]}."

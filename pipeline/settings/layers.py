"""Where settings come from: options, environment and the TOML file; unknown keys are refused, and errors explained.

Unknown variables are not refused, because container platforms make up such names: Kubernetes sets LEAD_EXPORT_PORT in
every pod next to a service called lead-export.

Layers, strongest first: command-line options, environment variables (`LEAD_EXPORT_…`, and `KARTRA_…` for credentials),
files with one secret each, the TOML file. What the settings are is known by `definitions` only: functions here take
their names as `known`.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import tomllib
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.filesystem import why_not_private
from pipeline.settings.secret_files import FILE_SUFFIX, from_files

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

    from pydantic import ValidationError

logger = logging.getLogger(__name__)

ENV_PREFIX = "LEAD_EXPORT_"
_MADE_UP = re.compile(r"(\w+_)?(SERVICE_(HOST|PORT.*)|PORT(_\d+_(TCP|UDP|SCTP).*)?)")
"""How Kubernetes and Docker call the address of a service."""
CREDENTIAL_VARIABLES = {
    "app_id": "KARTRA_APP_ID",
    "api_key": "KARTRA_API_KEY",
    "api_password": "KARTRA_API_PASSWORD",
}
MONITORING_SECRETS = (
    *("ping_url", "ping_start_url", "ping_success_url", "ping_failure_url"),
    *("notify_urls", "notify_webhook"),
)
"""Settings with URLs that hold a token: whoever knows one can report in the name of this job."""
_TOKENS = (*MONITORING_SECRETS, "privacy_key")
"""Settings that are secret in any case."""
SECRETS = (*CREDENTIAL_VARIABLES, "proxy", *_TOKENS)  # never shown: a proxy's URL may hold a password
ACCOUNTS = "accounts"
"""The table of a TOML file that has a table for each of several accounts; see `accounts`."""
OPTIONS = {"rate_per_s": "--rate", "formats": "--format", "max_age_days": "--max-age"}
"""Settings whose command-line option is not the key with dashes."""


def variable_of(key: str) -> str:
    """The environment variable of the setting `key`."""
    return CREDENTIAL_VARIABLES.get(key, ENV_PREFIX + key.upper())


def option_of(key: str) -> str:
    """The command-line option of the setting `key`, if a command has one for it."""
    return OPTIONS.get(key, f"--{key.replace('_', '-')}")


def read_layers(
    known: Collection[str],
    options: Mapping[str, object] | None,
    config: Path | None,
    environ: Mapping[str, str] | None,
) -> dict[str, Mapping[str, object]]:
    """The layers, strongest first, by where their settings come from; `known` are the names of all settings.

    Raises:
        UsageError: a key is unknown, or a file cannot be read or is not private.
    """
    variables = os.environ if environ is None else environ
    given, options = from_environment(known, variables), options or {}
    wanted = {key: variable_of(key) for key in SECRETS if key not in options and not given.get(key)}
    files = from_files(wanted, variables)
    in_files = {key for layer in files.values() for key in layer}
    layers: dict[str, Mapping[str, object]] = {
        "option": options,
        # An empty variable, as Compose makes of an unset one, does not hide a secret in a file.
        "environment": {key: value for key, value in given.items() if value or key not in in_files},
        **files,
        str(config): _from_toml(known, config) if config else {},
    }
    return _with_one_key(layers)


def _with_one_key(layers: Mapping[str, Mapping[str, object]]) -> dict[str, Mapping[str, object]]:
    """The layers with the key of hashes, or the file that holds it, in the strongest only: either replaces both."""
    keys = {"privacy_key", "privacy_key_file"}
    strongest = next((layer for layer in layers.values() if any(map(layer.get, keys))), {})
    hidden = keys - strongest.keys() if strongest else frozenset[str]()
    return {name: {key: layer[key] for key in layer if key not in hidden} for name, layer in layers.items()}


def from_environment(known: Collection[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The settings that have a variable of their own in the environment."""
    return {key: environ[variable] for variable, key in _variables(known).items() if variable in environ}


def _variables(known: Collection[str]) -> dict[str, str]:
    """The variables of all settings, with the names of these, but for those of files that hold a secret."""
    in_files = {variable_of(key) + FILE_SUFFIX for key in SECRETS}
    return {variable: key for key in known if (variable := variable_of(key)) not in in_files}


def warn_of_unknown_variables(
    known: Collection[str], environ: Mapping[str, str] | None, also: Collection[str] = ()
) -> None:
    """Log a warning that names variables which look like settings, with the ones that were probably meant.

    Those named in `also`, and those of the same names for files, are known, too.
    """
    secrets = [*(variable_of(key) for key in SECRETS), *also]
    every = [*_variables(known), *also, *(variable + FILE_SUFFIX for variable in secrets)]
    unknown = []
    for name in os.environ if environ is None else environ:
        if name.startswith(ENV_PREFIX) and name not in every:
            is_made_up = _MADE_UP.fullmatch(name.removeprefix(ENV_PREFIX))
            credential = CREDENTIAL_VARIABLES.get(name.removeprefix(ENV_PREFIX).lower())
            meant = None if is_made_up else credential or resembling(name, every, ENV_PREFIX)
            unknown.append(f"{name} (did you mean {meant}?)" if meant else name)
    if unknown:
        logger.warning("Environment: no setting has this name, so it is ignored: %s", ", ".join(unknown))


def _from_toml(known: Collection[str], path: Path) -> dict[str, object]:
    layer = read_toml(path)
    if ACCOUNTS in layer:
        raise UsageError(
            f"{path}: has accounts, which only run-all, check, plan and status take; to run one of them, use"
            " run-all --only NAME."
        )
    for key in layer:
        if key not in known:
            raise UsageError(f"{path}: unknown key {key!r}.{_nearest(key, known)}")
    check_private(path, layer)
    return layer


def read_toml(path: Path) -> dict[str, Any]:
    """What a TOML file holds.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))  # with the mark that Notepad puts first
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror}).") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid TOML ({error}).") from None


def check_private(path: Path, layer: Mapping[str, object]) -> None:
    """Check that nobody else can read a file in which this layer holds a secret.

    Raises:
        UsageError: others can.
    """
    tokens = [key for key in _TOKENS if layer.get(key)]
    what = f"{tokens[0]}, which is a secret," if tokens else "credentials"
    has_secret = tokens or CREDENTIAL_VARIABLES.keys() & layer or "@" in str(layer.get("proxy", ""))
    if has_secret and (remedy := why_not_private(path)):
        raise UsageError(
            f"{path}: contains {what} but is not private; {remedy}, or set them in the environment instead."
        )


def _nearest(name: str, known: Collection[str]) -> str:
    """A hint to append to a message: the known name that `name` resembles, or else all known names."""
    meant = resembling(name, known)
    return f" Did you mean {meant!r}?" if meant else f" Known names: {', '.join(known)}."


def resembling(name: str, known: Collection[str], prefix: str = "") -> str | None:
    """The known name that `name` resembles, if there is one."""
    bare = {key.removeprefix(prefix).lower(): key for key in known}
    words = difflib.get_close_matches(name.removeprefix(prefix).lower(), bare, 1, cutoff=0.5)
    return bare[words[0]] if words else None


def origin_of(key: str, layers: Mapping[str, Mapping[str, object]]) -> str:
    """The strongest layer that sets `key`; `default` if none does."""
    return next((name for name, layer in layers.items() if key in layer), "default")


def explain(error: ValidationError, layers: Mapping[str, Mapping[str, object]]) -> str:
    """One sentence about the first wrong value: where it is and what is wrong, without the value itself."""
    first = error.errors(include_url=False, include_input=False)[0]
    key = str(first["loc"][0])
    origin = origin_of(key, layers)
    problem = first["msg"].removeprefix("Value error, ")
    where = {"option": option_of(key), "environment": variable_of(key)}.get(origin, f"{origin}: {key}")
    return f"{where}: {problem[:1].lower()}{problem[1:]}."

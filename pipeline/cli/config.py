"""`lead-export config`: a file of settings to start from, the settings in effect, and their schema."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.options import SETTING_OPTIONS, UserPath, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message, print_result
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.settings import Settings

DEFAULT_FILE = "lead-export.toml"


@click.group(
    "config",
    epilog="""\b
Examples:
  lead-export config init nightly.toml
  lead-export config show --config nightly.toml

Settings come, strongest first, from options, the environment, the TOML file given with --config, and defaults.
""",
)
def config_group() -> None:
    """Write, show and describe settings."""


@config_group.command(
    "init",
    epilog=f"""\b
Examples:
  lead-export config init
  lead-export config init /etc/lead-export/nightly.toml
  lead-export config init - | diff - nightly.toml

FILE is {DEFAULT_FILE} by default, and - is standard output. Only its owner can read a new file.
""",
)
@click.argument("file", metavar="[FILE]", default=DEFAULT_FILE, type=UserPath(dir_okay=False))
@click.option("-q", "--quiet", is_flag=True, help="Do not say what to do next.")
def init_command(file: Path, *, quiet: bool) -> None:
    """Write a FILE of all settings, as comments.

    Each has its meaning, unit and default. A file that exists is never touched.
    """
    from pipeline.settings.described import commented_file

    if str(file) == "-":
        print_result(commented_file().removesuffix("\n"))
        return
    _create(file, commented_file())
    if not quiet:
        print_message(
            "info",
            f"{file}: written. Uncomment what you want to change, then run:"
            f" lead-export check --config {shlex.quote(str(file))}",
        )


@config_group.command(
    "show",
    epilog="""\b
Examples:
  lead-export config show --config nightly.toml
  LEAD_EXPORT_RATE_PER_S=10 lead-export config show --json

An origin is option, environment, default, or the path of a file. Of secrets it is shown only whether they are
set. No call is made, and credentials may be missing.
""",
)
@takes_settings(*SETTING_OPTIONS)
@takes_output_options
def show_command(settings: GivenSettings, output: OutputOptions) -> None:
    """Show every setting in effect, and its origin."""
    loaded, origins = settings.load_with_origins()
    if output.as_json:
        print_json(as_json(loaded, origins))
    else:
        print_result("\n".join(as_text(loaded, origins)))


@config_group.command(
    "schema",
    epilog="""\b
Example:
  lead-export config schema > lead-export.schema.json

An editor that knows the schema completes and checks keys; many look for this first line in the TOML file:
  #:schema ./lead-export.schema.json
""",
)
def schema_command() -> None:
    """Print the JSON schema of the TOML file."""
    from pipeline.settings.described import json_schema

    print_json(json_schema())


def as_text(settings: Settings, origins: Mapping[str, str]) -> list[str]:
    """A line for each setting: its value as in TOML, and its origin."""
    shown = _shown(settings)
    width = max(map(len, shown))
    return [f"{key:<{width}} = {json.dumps(value)}  ({origins[key]})" for key, value in shown.items()]


def as_json(settings: Settings, origins: Mapping[str, str]) -> dict[str, Any]:
    """The value and the origin of each setting."""
    return {key: {"value": value, "origin": origins[key]} for key, value in _shown(settings).items()}


def _shown(settings: Settings) -> dict[str, Any]:
    """Every setting; of secrets only whether they are set."""
    from pipeline.settings import SECRETS

    secret = {key: "set" if getattr(settings, key).get_secret_value() else "not set" for key in SECRETS}
    return {**secret, **settings.public()}


def _create(path: Path, text: str) -> None:
    """Write a new file that only its owner can read.

    Raises:
        UsageError: there is such a file, or none can be written there.
    """
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
        except OSError:
            path.unlink()  # half a file would be in the way of the next try
            raise
    except FileExistsError:
        raise UsageError(
            f"{path}: exists and is left as it is; choose another name, or compare: lead-export config init -"
        ) from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from error

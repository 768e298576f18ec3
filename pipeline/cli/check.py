"""`lead-export check`: whether a run would work."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import output
from pipeline.cli.options import check_options, folder_name, given_settings, load, set_up_log
from pipeline.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.jobs.check import Check
    from pipeline.settings import Settings


@click.command(
    epilog="""\b
Examples:
  lead-export check --out export
  lead-export check --config nightly.toml --out /srv/leads --json

At most one call is made, for an address that cannot exist. The exit code is the one a run would end with.
"""
)
@click.option("--out", metavar="DIR", type=folder_name, help="Folder that runs publish in.")
@click.option("--sandbox", is_flag=True, help="Ask a simulated API on this machine instead of the real one.")
@check_options
def check(out: Path | None, config: Path | None, *, sandbox: bool, **rest: Any) -> int:  # noqa: ANN401 - as in run
    """Check settings, credentials, output folder and API."""
    from pipeline.cli.rehearsal import rehearsal
    from pipeline.settings import Settings

    set_up_log(rest)
    as_json, quiet = rest.pop("as_json"), rest.pop("quiet")
    with ExitStack() as stack:
        target = stack.enter_context(rehearsal()) if sandbox else {}
        settings = load(rest, config, stronger=target)
        origins = Settings.origins({**given_settings(rest), **target}, config=config)
        from pipeline.jobs.check import check as check_

        checks = check_(settings, out)
    code = next((one.code for one in checks if one.code), ExitCode.OK)
    if as_json:
        output.write(json.dumps(_as_json(settings, origins, checks), indent=2))
    elif not quiet:
        output.write("\n".join([*_settings(settings, origins), *(_line(one) for one in checks)]))
    for one in checks if quiet else ():
        if one.code:
            output.say("error", _line(one))
    return code


def _settings(settings: Settings, origins: dict[str, str]) -> list[str]:
    """Every setting with where it comes from."""
    shown = _shown(settings)
    width = max(map(len, shown))
    return ["settings:", *(f"  {key:<{width}} = {json.dumps(value)}  ({origins[key]})" for key, value in shown.items())]


def _shown(settings: Settings) -> dict[str, Any]:
    """Every setting; of secrets only whether they are set."""
    from pipeline.settings import SECRETS

    secret = {key: "set" if getattr(settings, key).get_secret_value() else "not set" for key in SECRETS}
    return {**secret, **settings.public()}


def _line(one: Check) -> str:
    return f"FAILED {one.name}: {one.text} (exit {one.code.value})" if one.code else f"ok     {one.name}: {one.text}"


def _as_json(settings: Settings, origins: dict[str, str], checks: list[Check]) -> dict[str, Any]:
    return {
        "settings": {key: {"value": value, "origin": origins[key]} for key, value in _shown(settings).items()},
        "checks": [{"name": one.name, "ok": not one.code, "text": one.text, "code": one.code.value} for one in checks],
    }

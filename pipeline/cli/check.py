"""`lead-export check`: whether a run would work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.accounts import given_accounts, indented, refuse_beside_accounts, worst_of
from pipeline.cli.config import as_json, as_text
from pipeline.cli.options import UserPath, only_option, out_path, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message, print_result
from pipeline.cli.sandbox import of_account, sandbox_option, temporary_sandbox
from pipeline.errors import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pipeline.accounts.lanes import Accounts
    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.jobs.check import Check
    from pipeline.settings import Settings


@click.command(
    "check",
    epilog="""\b
Examples:
  lead-export check --out export
  lead-export check --config nightly.toml --out /srv/leads --json
  lead-export check --config nightly.toml --ping
  lead-export check --config agency.toml --only acme
  lead-export check --crontab /etc/cron.d/lead-export --config /etc/lead-export/nightly.toml

Makes at most one call, for an address that cannot exist; one for each account of a file that has several. The
exit code is that of a run; 2 if metrics or a ping would fail, too. What works in a shell may fail under cron,
which has another folder, a short PATH and none of your variables: --as-cron tells.
""",
)
@click.option("--out", metavar="DIR", type=out_path, help="Folder that runs publish in.")
@only_option
@click.option("--ping", is_flag=True, help="Send the service of ping_url a text that changes nothing.")
@sandbox_option
@click.option("--as-cron", is_flag=True, help="Check in the bare environment that cron gives.")
@click.option("--crontab", metavar="FILE", type=UserPath(dir_okay=False), help="The same, with the FILE's variables.")
@takes_settings("rate_per_s", "api_url")
@takes_output_options
def check_command(
    out: Path | None,
    only: tuple[str, ...],
    *,
    ping: bool,
    sandbox: bool,
    as_cron: bool,
    crontab: Path | None,
    settings: GivenSettings,
    output: OutputOptions,
) -> int:
    """Check settings, credentials, output folder and API."""
    if as_cron or crontab:
        from pipeline.cli.as_cron import repeat_as_cron

        return repeat_as_cron(crontab, quiet=output.quiet)
    with temporary_sandbox(start=sandbox) as overrides:
        accounts = given_accounts(settings, only, overrides=lambda name: of_account(overrides, name))
        if accounts is not None:
            refuse_beside_accounts(settings.config, out=out)
            return _check_each(accounts, output, ping=ping)
        loaded, origins = settings.load_with_origins(overrides=overrides)
        from pipeline.jobs.check import check

        checks = check(loaded, out, ping=ping)
    if output.as_json:
        print_json(_as_json(loaded, origins, checks))
    elif not output.quiet:
        print_result("\n".join(_lines(loaded, origins, checks)))
    return _code(checks, quiet=output.quiet)


def _check_each(accounts: Accounts, output: OutputOptions, *, ping: bool) -> int:
    """Check one account after the other; return the worst exit code."""
    from pipeline.accounts.lanes import with_own_variables
    from pipeline.jobs.check import check

    codes, found = [], {}
    for lane in accounts.lanes:
        checks = [
            each._replace(text=with_own_variables(lane.name, each.text))
            for each in check(lane.settings, lane.out, ping=ping)
        ]
        found[lane.name] = _as_json(lane.settings, lane.origins, checks)
        if not output.as_json and not output.quiet:
            print_result("\n".join(indented(lane, _lines(lane.settings, lane.origins, checks))))
        codes.append(_code(checks, quiet=output.quiet, of=f"{lane.name}: "))
    if output.as_json:
        print_json({"accounts": found})
    return worst_of(codes)


def _lines(loaded: Settings, origins: Mapping[str, str], checks: list[Check]) -> list[str]:
    return ["settings:", *(f"  {line}" for line in as_text(loaded, origins)), *map(_line, checks)]


def _code(checks: list[Check], *, quiet: bool, of: str = "") -> ExitCode:
    """The exit code of checks; if nothing else was to be printed, say which have failed."""
    failed = [each for each in checks if each.code]
    for each in failed if quiet else ():
        print_message("error", f"{of}{_line(each)}")
    return failed[0].code if failed else ExitCode.OK


def _line(check: Check) -> str:
    if check.code:
        return f"FAILED {check.name}: {check.text} (exit {check.code.value})"
    return f"ok     {check.name}: {check.text}"


def _as_json(settings: Settings, origins: Mapping[str, str], checks: list[Check]) -> dict[str, Any]:
    return {
        "settings": as_json(settings, origins),
        "checks": [
            {"name": check.name, "ok": not check.code, "text": check.text, "code": check.code.value} for check in checks
        ],
    }

"""`lead-export run-all`: the nightly job for several accounts."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.monitor import monitor_option
from pipeline.cli.options import (
    ACCEPT_GONE,
    ACCEPT_SHRINK,
    accept_gone_option,
    accept_shrink_option,
    only_option,
    out_path,
    program,
    progress_option,
    resuming_accounts,
    takes_output_options,
    takes_settings,
)
from pipeline.cli.output import MessageFormat, print_json, print_message
from pipeline.cli.run import RUN_SETTINGS
from pipeline.cli.sandbox import of_account, sandbox_option, temporary_sandbox
from pipeline.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.accounts.lanes import Accounts
    from pipeline.accounts.round import Round
    from pipeline.cli.options import GivenSettings, OutputOptions

NAME = "lead-export"


@click.command(
    "run-all",
    epilog="""\b
Examples:
  lead-export run-all --config agency.toml
  lead-export run-all --config agency.toml --only acme --only globex
  lead-export check --config agency.toml

FILE has a table [accounts.NAME] for each account, with lists and any setting; what stands above them holds for
all. Credentials come from KARTRA_NAME_APP_ID, KARTRA_NAME_API_KEY, KARTRA_NAME_API_PASSWORD. Each account is a
run of its own in DIR/account=NAME; the tables of all are in DIR/combined. The exit code is the worst of them.
If it is interrupted, the same command goes on; accounts that are published are not asked again.
""",
)
@only_option
@click.option("--jobs", type=click.IntRange(0, 1_000), metavar="N", help="Accounts at a time; 0 = all.  [default: 0]")
@click.option("--out", metavar="DIR", type=out_path, help="Folder of all accounts, instead of out in the file.")
@click.option("--combined/--no-combined", default=None, help="Publish all accounts' tables together.  [default: on]")
@click.option(
    "--require",
    type=click.Choice(["any", "all"]),
    help="Combine with a new run of any account, or of all.  [default: any]",
)
@click.option("--new", is_flag=True, help="Start over; once published, delete unfinished runs.")
@accept_shrink_option
@accept_gone_option
@sandbox_option
@progress_option
@monitor_option
@takes_settings(*RUN_SETTINGS)
@takes_output_options
def run_all_command(
    only: tuple[str, ...],
    out: Path | None,
    *,
    sandbox: bool,
    accept_shrink: bool,
    accept_gone: bool,
    settings: GivenSettings,
    output: OutputOptions,
    **how: Any,  # noqa: ANN401 - the options about how to run them, by name
) -> int:
    """Run every account of a FILE, each in a process of its own."""
    if settings.config is None:
        raise UsageError("run-all needs --config FILE, with a table [accounts.NAME] for each account.")
    from pipeline.accounts.lanes import Wanted, load_accounts

    with temporary_sandbox(start=sandbox) as found:
        accepted = {**(ACCEPT_SHRINK if accept_shrink else {}), **(ACCEPT_GONE if accept_gone else {})}
        wanted = Wanted(settings.options, only, out, lambda name: {**of_account(found, name), **accepted})
        accounts = load_accounts(settings.config, wanted)
        _warn(accounts)
        how["monitor"] = not sandbox if how["monitor"] is None else how["monitor"]
        return _run(accounts, output, **how)


def _run(
    accounts: Accounts,
    output: OutputOptions,
    *,
    jobs: int | None,
    combined: bool | None,
    require: str | None,
    progress: bool,
    **how: bool,
) -> int:
    from pipeline.cli.lanes_table import LanesTable
    from pipeline.jobs.run_all import How, run_all

    chosen = How(
        [*program(), "lane", *_log_options(output)],
        resuming_accounts,
        jobs=accounts.jobs if jobs is None else jobs,
        combined=accounts.combined if combined is None else combined,
        require=require or accounts.require,
        **how,
    )
    names, interval_s = [lane.name for lane in accounts.lanes], accounts.settings.progress_interval_s
    shows = progress and not output.quiet
    with LanesTable(names, enabled=shows, interval_s=interval_s, environ=os.environ) as table:
        found = run_all(accounts, chosen, table)
    for line in _summary(found, accounts, quiet=output.quiet):
        print_message("info", line)
    if output.as_json:
        print_json(found)
    return found.exit_code or 0


def _warn(accounts: Accounts) -> None:
    """Warn of accounts that are not as separate as they look."""
    from pipeline.accounts.lanes import shared_apps, shared_pings

    logger = logging.getLogger(__name__)
    for group in shared_apps(accounts.lanes):
        shared = all(lane.settings.share_pace for lane in group)
        effect = "share its pace" if shared else "may exceed its limit together, as share_pace is off"
        logger.warning("%s have the same App, and %s.", _and(lane.name for lane in group), effect)
    for group in shared_pings(accounts.lanes):
        text = "%s have the same ping_url: its check cannot tell them apart; give each account one of its own."
        logger.warning(text, _and(lane.name for lane in group))


def _and(names: Iterator[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}"


def _log_options(output: OutputOptions) -> Iterator[str]:
    """What the user wants to be told, for the processes of the accounts."""
    level = logging.getLogger("pipeline").level
    if output.quiet:
        yield "-q"
    elif level <= logging.INFO:
        yield "-vv" if level <= logging.DEBUG else "-v"
    if MessageFormat.as_json:
        yield "--log-format=json"


def _summary(found: Round, accounts: Accounts, *, quiet: bool) -> Iterator[str]:
    """How each account ended, with its exit code; if quiet, only of those that did not end well."""
    from pipeline.cli.lanes_table import endings

    width = max(map(len, found.asked))
    for name, record, ending in endings(found):
        if record.code or not quiet:
            yield f"{NAME}: {name}: {ending}" if quiet else f"{name:<{width}}  {ending}"
    again = [name for name, record, _ in endings(found) if not record.published]
    if again and not quiet:
        yield f"to resume: {resuming_accounts(*again)}"
    combined = found.combined
    if combined is None or (quiet and not combined.code):
        return
    if combined.run_id:
        states = [f"{name} {one.state}" for name, one in combined.accounts.items() if one.state != "fresh"]
        but = f", with {', '.join(states)}" if states else ""
        yield f"combined: {accounts.out / 'combined' / f'run={combined.run_id}'}{but}"
    if combined.sentence:
        yield f"combined: {combined.sentence}"

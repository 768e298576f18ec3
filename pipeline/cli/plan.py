"""`lead-export plan`: what a run would do."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.accounts import given_accounts, indented, refuse_beside_accounts
from pipeline.cli.expire import expired_lines
from pipeline.cli.options import (
    ACCEPT_SHRINK,
    UserPath,
    accept_shrink_option,
    only_option,
    out_path,
    takes_output_options,
    takes_settings,
)
from pipeline.cli.output import print_json, print_result
from pipeline.cli.run import RUN_SETTINGS, run_command
from pipeline.cli.sandbox import of_account, sandbox_option, temporary_sandbox
from pipeline.errors import StopRun, UsageError
from pipeline.words import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pipeline.accounts.lanes import Accounts
    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.jobs.plan import Plan, PlannedRows
    from pipeline.jobs.plan_lists import PlannedList
    from pipeline.journal.rows import OddRow


@click.command(
    "plan",
    epilog="""\b
Examples:
  lead-export plan customers.csv
  lead-export plan lists/*.xlsx --out export --rate 10
  lead-export plan customers.csv --json
  lead-export plan --config agency.toml

With --out the plan also considers the answers of an unfinished run there, and the free disk space. It takes
the options of run, so that a command can be planned by changing that one word. A file with accounts names
the lists itself.
""",
)
@click.argument("lists", metavar="LIST...", nargs=-1, type=UserPath())
@only_option
@click.option("--out", metavar="DIR", type=out_path, help="Folder that the run would publish in.")
@click.option("--run-id", metavar="ID", help="Name that the run would have.")
@click.option("--new", is_flag=True, help="Plan to start over.")
@click.option("--at", metavar="TIME", help="When the run would start, as for --deadline.  [default: now]")
@accept_shrink_option
@sandbox_option
@takes_settings(*RUN_SETTINGS)
@takes_output_options
def plan_command(  # noqa: PLR0913 - one parameter for each argument of the command
    lists: tuple[Path, ...],
    only: tuple[str, ...],
    out: Path | None,
    run_id: str | None,
    *,
    new: bool,
    at: str | None,
    accept_shrink: bool,
    sandbox: bool,
    settings: GivenSettings,
    output: OutputOptions,
) -> None:
    """Show what a run over the LISTs would do; no call is made."""
    accepted = ACCEPT_SHRINK if accept_shrink else {}
    with temporary_sandbox(start=sandbox) as overrides:
        accounts = given_accounts(
            settings, only, needs_lists=True, overrides=lambda name: {**of_account(overrides, name), **accepted}
        )
        if accounts is not None:
            refuse_beside_accounts(settings.config, lists=lists, out=out, run_id=run_id)
            _plan_each(accounts, output, new=new, at=at)
            return
        loaded = settings.load(overrides={**overrides, **accepted})
    if not lists:
        raise click.MissingParameter(ctx=click.get_current_context(), param_hint="'LIST...'", param_type="argument")
    from pipeline.jobs.plan import plan

    found = plan(loaded, lists, out, run_id=run_id, resume=not new, start_ms=_start_ms(at))
    if output.as_json:
        print_json(found)
    else:
        print_result("\n".join(_lines(found, starts=_starts(at))))


def _starts(at: str | None) -> str:
    return "now" if at is None else "then"


def _start_ms(at: str | None) -> int | None:
    """The start of the run in milliseconds since 1970 UTC; None is now."""
    if at is None:
        return None
    from pipeline.settings.deadline import checked_deadline, deadline_at

    try:
        return round(deadline_at(checked_deadline(at), datetime.now(UTC)).timestamp() * 1000)
    except ValueError as error:
        raise UsageError(f"--at: {error}.") from None


def _plan_each(accounts: Accounts, output: OutputOptions, *, new: bool, at: str | None) -> None:
    """Plan one account after the other; a list that cannot be read keeps no other account from its plan."""
    from pipeline.jobs.plan import plan

    start_ms, found = _start_ms(at), dict[str, Any]()
    for lane in accounts.lanes:
        try:
            one = plan(lane.settings, lane.lists, lane.out, resume=not new, start_ms=start_ms)
        except StopRun as error:
            found[lane.name], shown = {"refused": str(error)}, [f"a run would be refused: {error}"]
        else:
            found[lane.name], shown = one, [*_lines(one, starts=_starts(at))]
        if not output.as_json:
            print_result("\n".join(indented(lane, shown)))
    if output.as_json:
        print_json({"accounts": found})


def _takes_the_other_options_of(other: click.Command, command: click.Command) -> None:
    """Accept the options of another command that change nothing here, so that its line can be given as it is."""
    known = {param.name for param in command.params}
    for param in other.params:
        if isinstance(param, click.Option) and param.name not in known:
            ignored = copy.copy(param)
            ignored.hidden, ignored.expose_value, ignored.required = True, False, False
            command.params.append(ignored)


_takes_the_other_options_of(run_command, plan_command)


def _lines(plan: Plan, *, starts: str) -> Iterator[str]:
    for entry in plan.lists:
        yield from _list(entry)
    rows = plan.rows
    yield f"{counted(rows.read, 'row')}: {counted(rows.distinct, 'distinct address')},{_others(rows)}"
    if plan.answered:
        yield f"{plan.answered:,} already answered in an unfinished run, {plan.to_ask:,} to look up"
    if plan.carried:
        yield f"{counted(plan.carried, 'answer')} of earlier runs carried over, {plan.to_ask:,} to look up"
    if plan.share is not None:
        yield f"an ordinary night looks up {_share(plan, plan.share)}: each has its turn in {_cycle(plan)}"
    yield _calls(plan, starts)
    if plan.budget is not None:
        yield from plan.budget.lines()
    yield _disk(plan)
    if plan.expires and not plan.expires.is_empty:
        yield from expired_lines(plan.expires, "removed after the run")
    if plan.refused:
        yield f"a run would be refused: {plan.refused}"


def _share(plan: Plan, share: int) -> str:
    from pipeline.calls.rate import interval_s

    least = f", in at least {duration(share * interval_s(plan.rate_per_s))}" if plan.rate_per_s else ""
    return f"{counted(share, 'address')}{least}"


def _cycle(plan: Plan) -> str:
    from pipeline.history.due import cycle_nights

    return counted(cycle_nights(plan.rows.distinct, plan.share or 0) or 0, "night")


def _calls(plan: Plan, starts: str) -> str:
    if plan.least_s is None or plan.done_at is None:
        return f"{counted(plan.to_ask, 'call')} without a limit"
    done = plan.done_at[:16].replace("T", " ")
    least = duration(plan.least_s)
    calls = f"{counted(plan.to_ask, 'call')} at {plan.rate_per_s:g} per second"
    return f"{calls}: at least {least}, done {done} UTC if started {starts}"


def _disk(plan: Plan) -> str:
    from pipeline.jobs.space import is_too_little, megabytes

    needed = f"about {megabytes(plan.disk_bytes)} of disk space"
    if plan.free_bytes is None:
        return needed
    enough = "" if plan.free_bytes >= plan.disk_bytes else ": may not be enough"
    if is_too_little(plan.free_bytes, plan.disk_bytes):
        enough = ": not enough"
    return f"{needed}, {megabytes(plan.free_bytes)} free{enough}"


def _list(entry: PlannedList) -> Iterator[str]:
    yield f"{entry.name}: {entry.read_as}"
    if entry.guessed:
        yield f"  detected: {', '.join(entry.guessed).replace('_', ' ')}"
    yield f"  {counted(entry.rows, 'row')}, {counted(entry.new_addresses, 'new address')},{_others(entry)}"
    yield from _rows(entry.first_invalid, entry.invalid)
    if entry.suspicious:
        yield f"  {entry.suspicious:,} suspicious, looked up all the same"
        yield from _rows(entry.first_suspicious, entry.suspicious)


def _others(counts: PlannedRows | PlannedList) -> str:
    """The rows that are not asked for."""
    suppressed = f" {counts.suppressed:,} suppressed," if counts.suppressed else ""
    return f" {counts.duplicate:,} duplicate,{suppressed} {counts.invalid:,} invalid"


def _rows(first: Sequence[OddRow], count: int) -> Iterator[str]:
    from pipeline.cli.summary import meaning

    for odd in first:
        yield f"    {odd.unit} {odd.line:,}: {meaning(odd.code)}"
    if count > len(first):
        yield f"    and {count - len(first):,} more"

"""`lead-export status` of the accounts of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.accounts.lanes import COMBINED, with_own_variables
from pipeline.cli.output import print_json, print_result
from pipeline.cli.resuming import given_by
from pipeline.cli.status_words import lines, verdict
from pipeline.errors import ExitCode
from pipeline.files.state import StateFolder
from pipeline.jobs.status import Freshness, Status, freshness, status
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.accounts.lanes import Accounts
    from pipeline.cli.options import OutputOptions


def show_each(accounts: Accounts, max_age_s: float | None, output: OutputOptions) -> ExitCode:
    """Show the runs of each account, and the combined ones; as a probe, only whether each has a young enough run.

    An account that has never run has no folder yet.
    """
    if max_age_s is not None:
        return _probe(accounts, max_age_s, output)
    found: dict[str, Status | None] = {
        lane.name: status(lane.out, given_by, lane.settings) if lane.out.is_dir() else None for lane in accounts.lanes
    }
    combined = accounts.out / COMBINED
    together = status(combined, settings=accounts.settings) if combined.is_dir() else None
    if output.as_json:
        holder = StateFolder.in_folder(accounts.out).holder()
        print_json({"holder": holder, "accounts": found, "combined": together})
    else:
        print_result("\n".join(_lines(accounts, found, together)))
    return ExitCode.OK


def _lines(accounts: Accounts, found: dict[str, Status | None], together: Status | None) -> Iterator[str]:
    for lane in accounts.lanes:
        yield f"{lane.name}:"
        one = found[lane.name]
        shown = lines(one) if one else [f"{lane.out}: no runs yet."]
        yield from (f"  {with_own_variables(lane.name, line)}" for line in shown)
    if together is not None:
        yield f"{COMBINED}:"
        yield from (f"  {line}" for line in lines(together))
    if holder := StateFolder.in_folder(accounts.out).holder():
        yield f"{holder} is running these accounts."


def _probe(accounts: Accounts, max_age_s: float, output: OutputOptions) -> ExitCode:
    never = Freshness(ok=False, run_id=None, finished_at=None, age_s=None, last_attempt=None)
    found = {
        lane.name: freshness(lane.out, max_age_s, now_ms()) if lane.out.is_dir() else never for lane in accounts.lanes
    }
    if output.as_json:
        print_json({"accounts": found})
    for name, one in found.items():
        if not output.as_json and not (output.quiet and one.ok):
            print_result(f"{name}: {verdict(one, max_age_s)}")
    return ExitCode.OK if all(one.ok for one in found.values()) else ExitCode.ROWS_FAILED

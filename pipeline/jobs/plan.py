"""What a run would do, and how long it would take at least. No call is made."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pipeline.calls.rate import interval_s
from pipeline.errors import UsageError
from pipeline.files import durable
from pipeline.files.folder import OutputFolder
from pipeline.files.state import StateFolder
from pipeline.history.due import share_of
from pipeline.jobs.column_rules import rules_of
from pipeline.jobs.import_lists import email_lists
from pipeline.jobs.list_size import too_few
from pipeline.jobs.plan_budget import PlannedBudget
from pipeline.jobs.plan_lists import PlannedList, read_all
from pipeline.jobs.plan_night import tonight
from pipeline.jobs.request import Request
from pipeline.jobs.retention import Expired, expired
from pipeline.jobs.space import needed_bytes
from pipeline.jobs.suppressing import suppression_of
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.jobs.plan_lists import Counts
    from pipeline.jobs.plan_night import Tonight
    from pipeline.journal.replay import JournalSummary
    from pipeline.settings import Settings


class PlannedRows(msgspec.Struct, frozen=True):
    """Rows of all lists; distinct, duplicate, suppressed and invalid ones add up to `read`."""

    read: int
    distinct: int
    duplicate: int
    suppressed: int
    invalid: int


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run would do.

    Attributes:
        lists: the lists, in order.
        rows: the rows of all lists.
        answered: addresses that an unfinished run over the same lists has answered.
        carried: addresses that the run would not look up, because an earlier run's answer is not too old.
        to_ask: addresses that the run would look up.
        share: addresses that an ordinary night looks up with `max_age_days`; None without it.
        rate_per_s: calls per second; 0 = no limit.
        least_s: seconds that the calls take at least; None without a limit.
        done_at: when they would be done if nothing but the pace limited them, ISO 8601 in UTC; None without a limit.
        budget: what fits into the time and the calls that the run is allowed; None if these are not limited.
        disk_bytes: about how much the run writes.
        free_bytes: how much is free in the output folder; None if none was given.
        refused: why a run would be refused; None if it would not.
        expires: what the retention settings let a run remove from the output folder; None if none was given.
    """

    lists: list[PlannedList]
    rows: PlannedRows
    answered: int
    carried: int
    to_ask: int
    share: int | None
    rate_per_s: float
    least_s: float | None
    done_at: str | None
    budget: PlannedBudget | None
    disk_bytes: int
    free_bytes: int | None
    refused: str | None
    expires: Expired | None


def plan(
    settings: Settings,
    lists: Sequence[Path],
    out: Path | None = None,
    *,
    run_id: str | None = None,
    resume: bool = True,
    start_ms: int | None = None,
) -> Plan:
    """Read all lists and work out what a run over them would do.

    Args:
        settings: how to read the lists, and the rate.
        lists: files, or `-` for standard input.
        out: the folder that the run would publish in, whose unfinished runs are considered; None considers none.
        run_id: the name that the run would be given.
        resume: whether it would resume an unfinished run; without that it replaces them.
        start_ms: when it would start, milliseconds since 1970 UTC; None is now.

    Raises:
        UsageError: a list cannot be read, no list holds an address, or `run_id` is not a valid name.
        StorageError: standard input cannot be stored in a temporary file.
    """
    sources = email_lists(lists, settings)
    rules_of(settings)  # refuses what a run would refuse
    folder = OutputFolder(out) if out else None
    planned, counts = read_all(sources, suppression_of(settings, *([folder.state.path] if folder else ())))
    request = Request.of(None, sources, settings, run_id=run_id, resume=resume)
    moment_ms = now_ms() if start_ms is None else start_ms
    return _planned(settings, planned, counts, request, folder, moment_ms)


def _planned(
    settings: Settings,
    lists: list[PlannedList],
    counts: Counts,
    request: Request,
    folder: OutputFolder | None,
    start_ms: int,
) -> Plan:
    """The plan of a run with this request over lists that were read."""
    addresses = len(counts.seen)
    night = tonight(folder, request, settings, counts.seen)
    budget, too_late = _budget(settings, addresses, start_ms, night.resumed)
    least_s = _least_s(night.to_ask, settings.rate_per_s)
    return Plan(
        lists=lists,
        rows=PlannedRows(counts.rows, addresses, counts.duplicates, counts.suppressed, counts.invalid),
        answered=night.answered,
        carried=night.carried,
        to_ask=night.to_ask,
        share=share_of(addresses, settings.max_age_days) if settings.max_age_days else None,
        rate_per_s=settings.rate_per_s,
        least_s=least_s,
        done_at=_time_after(start_ms, least_s),
        budget=budget,
        disk_bytes=_disk_bytes(settings, counts.rows, addresses, night),
        free_bytes=_free_bytes(folder),
        refused=too_late or night.refused or too_few(folder, settings, addresses),
        expires=expired(folder, settings, start_ms, new_runs=1) if folder else None,
    )


def _disk_bytes(settings: Settings, rows: int, addresses: int, night: Tonight) -> int:
    """About how much a run writes; a new one also the answers that it carries over."""
    is_new = not night.answered
    unanswered = night.to_ask + (night.carried if is_new else 0)
    return needed_bytes(settings, rows=rows, addresses=addresses, unanswered=unanswered, new=is_new)


def _least_s(calls: int, rate_per_s: float) -> float | None:
    return round(calls * interval_s(rate_per_s), 1) if rate_per_s else None


def _time_after(start_ms: int, seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(start_ms / 1000 + seconds, UTC).isoformat(timespec="seconds")


def _budget(
    settings: Settings, addresses: int, start_ms: int, resumed: JournalSummary | None
) -> tuple[PlannedBudget | None, str | None]:
    """What fits into the limits of a run, and why it would be refused if its deadline is over."""
    try:
        return PlannedBudget.of(settings, addresses, start_ms, resumed), None
    except UsageError as error:
        return None, str(error)


def _free_bytes(out: OutputFolder | None) -> int | None:
    """Bytes free in the output folder, or in the one that it would be created in."""
    if out is None:
        return None
    out.check_place()
    with durable.storage_errors(out.root):
        folder = next(path for path in (out.root.absolute(), *out.root.absolute().parents) if path.is_dir())
    return StateFolder(folder, out.root).free_bytes()

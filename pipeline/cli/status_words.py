"""The runs in a folder in words, for `lead-export status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.cli.carried import carried_lines
from pipeline.cli.expire import expired_lines
from pipeline.words import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.jobs.status import Freshness, PublishedStatus, Status, UnfinishedStatus
    from pipeline.reporters.history import Attempt

MAX_ATTEMPTS = 5
"""Attempts that are shown; with `--json` there are more."""


def verdict(found: Freshness, max_age_s: float) -> str:
    """Whether the newest good run is young enough, in one line."""
    if found.age_s is None:
        what = "no good run was ever published here"
    else:
        what = f"the newest good run, {found.run_id}, was published {duration(max(0.0, found.age_s))} ago"
    if found.ok:
        return f"OK: {what}."
    last = found.last_attempt
    ending = f" Last attempt: {_ending(last)}: {last.sentence}" if last else ""
    return (
        f"LATE: {what}, which is more than {duration(max_age_s)}.{ending}"
        if found.age_s is not None
        else f"LATE: {what}.{ending}"
    )


def lines(found: Status) -> Iterator[str]:
    """The runs in a folder in words."""
    if not found.published and not found.unfinished:
        yield f"{found.folder}: no runs, finished or unfinished. Files that enrich has written are not listed."
    for published in found.published:
        yield from _published(published)
    for unfinished in found.unfinished:
        yield from _unfinished(unfinished, running=found.holder is not None)
    if found.attempts:
        yield "last attempts:"
    for attempt in found.attempts[-MAX_ATTEMPTS:]:
        yield f"  {_time(attempt.started_at)}, {_ending(attempt)}: {attempt.sentence}"
    if found.expires and not found.expires.is_empty:
        yield from expired_lines(found.expires, "removed by the next run, or by expire")
    if found.holder:
        yield f"{found.holder} is using this folder."


def _published(run: PublishedStatus) -> Iterator[str]:
    from pipeline.outcomes import Outcome

    latest = ", latest" if run.latest else ", only its changes are kept" if run.tables_removed_at else ""
    yield f"{run.run_id}: {run.status.replace('_', ' ')}{latest}"
    if run.finished_at:
        counts = [f"{run.rows[name]:,} {name.replace('_', ' ')}" for name in Outcome if run.rows.get(name)]
        yield f"  published {_time(run.finished_at)}, {_size(run.bytes)}"
        yield f"  {counted(run.rows.get('read', 0), 'row')}: {', '.join(counts)}"
    for line in carried_lines(run.answers):
        yield f"  {line}"


def _unfinished(run: UnfinishedStatus, *, running: bool) -> Iterator[str]:
    file = f", will write {run.file}" if run.file else ""
    yield f"{run.run_id}: {run.file} is written, {run.reason}" if run.written_at else f"{run.run_id}: unfinished{file}"
    if run.addresses is None or run.answered is None or run.started_at is None:
        yield f"  {run.reason}"
        return
    failed = f", {run.failed:,} failed" if run.failed else ""
    wanted = run.addresses if run.to_ask is None else run.answered + run.to_ask
    carried = f", {counted(run.carried, 'answer')} of earlier runs carried over" if run.carried else ""
    yield f"  {run.answered:,} of {counted(wanted, 'address')} answered{failed}{carried}, {_size(run.bytes)}"
    if run.written_at and run.kept_until:
        yield f"  written {_time(run.written_at)}; the answers are used again until {_time(run.kept_until)}"
        yield f"  ask again for what failed with: {run.command or 'the same call of pipeline.enrich, with force'}"
        return
    yield f"  started {_time(run.started_at)}; {_state(run, running=running)}"
    if run.deadline:
        yield f"  calls until {_time(run.deadline)}"
    call = f"pipeline.{'enrich' if run.file else 'export'}"
    yield f"  resume with: {run.command or f'the same call of {call}'}"
    for obstacle in run.obstacles or ():
        yield f"  but: {obstacle}"


def _state(run: UnfinishedStatus, *, running: bool) -> str:
    if running:
        return "a run is in progress here"
    if run.reason and run.stopped_at:
        return f"stopped {_time(run.stopped_at)}: {run.reason}"
    return "no reason recorded (killed, disk full, or power loss)"


def _ending(attempt: Attempt) -> str:
    return "no ending" if attempt.exit_code is None else f"exit {attempt.exit_code}"


def _time(iso: str) -> str:
    return f"{iso[:16].replace('T', ' ')} UTC"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"

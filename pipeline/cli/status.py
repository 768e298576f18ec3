"""`lead-export status`: the runs in an output folder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.carried import carried_lines
from pipeline.cli.expire import expired_lines
from pipeline.cli.options import RETENTION_OPTIONS, UserPath, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_result
from pipeline.errors import ExitCode
from pipeline.words import counted, duration

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.jobs.status import Freshness, PublishedStatus, Status, UnfinishedStatus
    from pipeline.reporters.history import Attempt

MAX_ATTEMPTS = 5
"""Attempts that are shown; with `--json` there are more."""
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Age(click.ParamType[float]):
    """A length of time, such as `90m`, `26h` or `2d`, in seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Return the seconds; anything else is a wrong usage."""
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?([smhd])", str(value).strip())
        if match is None:
            self.fail("must be a number with s, m, h or d, such as 26h.", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


@click.command(
    "status",
    epilog="""\b
Examples:
  lead-export status export
  lead-export status export --json
  lead-export status export --max-age 26h

DIR is the --out of runs, or the folder of the --out of enrich; by default the current folder. With
--max-age it is a probe: one line, and exit code 3 unless a good run was published in that time.
""",
)
@click.argument("folder", metavar="[DIR]", default=".", type=UserPath())
@click.option("--max-age", "max_age_s", metavar="AGE", type=Age(), help="Only check that the newest run is as young.")
@takes_settings(*RETENTION_OPTIONS)
@takes_output_options
def status_command(folder: Path, max_age_s: float | None, settings: GivenSettings, output: OutputOptions) -> ExitCode:
    """Show published and unfinished runs in DIR."""
    if max_age_s is not None:
        return _probe(folder, max_age_s, output)
    from pipeline.cli.resuming import given_by
    from pipeline.jobs.status import status

    found = status(folder, given_by, settings.load())
    if output.as_json:
        print_json(found)
    else:
        print_result("\n".join(_lines(found)))
    return ExitCode.OK


def _probe(folder: Path, max_age_s: float, output: OutputOptions) -> ExitCode:
    """Print one line about the newest good run; return 0 if it is young enough, and 3 otherwise."""
    from pipeline.jobs.status import freshness
    from pipeline.outcomes import now_ms

    found = freshness(folder, max_age_s, now_ms())
    if output.as_json:
        print_json(found)
    elif not output.quiet or not found.ok:
        print_result(_verdict(found, max_age_s))
    return ExitCode.OK if found.ok else ExitCode.ROWS_FAILED


def _verdict(found: Freshness, max_age_s: float) -> str:
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


def _lines(found: Status) -> Iterator[str]:
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

"""`lead-export status`: the runs in an output folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import UserPath, takes_output_options
from pipeline.cli.output import print_json, print_result
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.cli.options import OutputOptions
    from pipeline.jobs.status import PublishedStatus, Status, UnfinishedStatus


@click.command(
    "status",
    epilog="""\b
Examples:
  lead-export status export
  lead-export status export --json

DIR is the --out of runs, or the folder of the --out of enrich; by default the current folder.
""",
)
@click.argument("folder", metavar="[DIR]", default=".", type=UserPath())
@takes_output_options
def status_command(folder: Path, output: OutputOptions) -> None:
    """Show published and unfinished runs in DIR."""
    from pipeline.cli.resuming import given_by
    from pipeline.jobs.status import status

    found = status(folder, given_by)
    if output.as_json:
        print_json(found)
    else:
        print_result("\n".join(_lines(found)))


def _lines(found: Status) -> Iterator[str]:
    if not found.published and not found.unfinished:
        yield f"{found.folder}: no runs, finished or unfinished. Files that enrich has written are not listed."
    for published in found.published:
        yield from _published(published)
    for unfinished in found.unfinished:
        yield from _unfinished(unfinished, running=found.holder is not None)
    if found.holder:
        yield f"{found.holder} is using this folder."


def _published(run: PublishedStatus) -> Iterator[str]:
    from pipeline.outcomes import Outcome

    latest = ", latest" if run.latest else ""
    yield f"{run.run_id}: {run.status.replace('_', ' ')}{latest}"
    if run.finished_at:
        counts = [f"{run.rows[name]:,} {name.replace('_', ' ')}" for name in Outcome if run.rows.get(name)]
        yield f"  published {_time(run.finished_at)}, {_size(run.bytes)}"
        yield f"  {counted(run.rows.get('read', 0), 'row')}: {', '.join(counts)}"


def _unfinished(run: UnfinishedStatus, *, running: bool) -> Iterator[str]:
    file = f", will write {run.file}" if run.file else ""
    yield f"{run.run_id}: {run.file} is written, {run.reason}" if run.written_at else f"{run.run_id}: unfinished{file}"
    if run.addresses is None or run.answered is None or run.started_at is None:
        yield f"  {run.reason}"
        return
    failed = f", {run.failed:,} failed" if run.failed else ""
    yield f"  {run.answered:,} of {counted(run.addresses, 'address')} answered{failed}, {_size(run.bytes)}"
    if run.written_at and run.kept_until:
        yield f"  written {_time(run.written_at)}; the answers are used again until {_time(run.kept_until)}"
        yield f"  ask again for what failed with: {run.command or 'the same call of pipeline.enrich, with force'}"
        return
    yield f"  started {_time(run.started_at)}; {_state(run, running=running)}"
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


def _time(iso: str) -> str:
    return f"{iso[:16].replace('T', ' ')} UTC"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"

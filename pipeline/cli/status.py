"""`lead-export status`: what lies in an output folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@click.command(
    epilog="""\b
Examples:
  lead-export status export
  lead-export status export --json

DIR is the --out of runs; without it, the folder you are in.
"""
)
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
def status(folder: Path, *, as_json: bool) -> None:
    """Show published and unfinished runs in DIR."""
    from pipeline.jobs.status import status as status_

    found = status_(folder)
    output.write(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    published, unfinished = found["published"], found["unfinished"]
    if not published and not unfinished:
        yield f"{found['folder']}: there are no runs here."
    for run in published:
        yield from _published(run)
    for run in unfinished:
        yield from _unfinished(run, running=found["holder"] is not None)
    if found["holder"]:
        yield f"{found['holder']} holds this folder."


def _published(run: Mapping[str, Any]) -> Iterator[str]:
    from pipeline.outcomes import Outcome

    latest = ", latest" if run["latest"] else ""
    yield f"{run['run_id']}: {str(run['status']).replace('_', ' ')}{latest}"
    if run["finished_at"]:
        rows = run["rows"]
        classes = [f"{rows[name]:,} {name.replace('_', ' ')}" for name in Outcome if rows.get(name)]
        yield f"  published {_time(run['finished_at'])}, {_size(run['bytes'])}"
        yield f"  {rows['read']:,} rows: {', '.join(classes)}"


def _unfinished(run: Mapping[str, Any], *, running: bool) -> Iterator[str]:
    file = f", to become {run['file']}" if run["file"] else ""
    yield f"{run['run_id']}: unfinished{file}"
    if run["addresses"] is None:
        yield f"  {run['reason']}"
        return
    failed = f", {run['failed']:,} failed" if run["failed"] else ""
    yield f"  {run['answered']:,} of {run['addresses']:,} addresses answered{failed}, {_size(run['bytes'])}"
    yield f"  begun {_time(run['started_at'])}; {_why(run, running=running)}"
    yield f"  goes on with: {run['command'] or 'the same call of pipeline.export'}"


def _why(run: Mapping[str, Any], *, running: bool) -> str:
    if running:
        return "a run is at work here"
    if run["reason"]:
        return f"stopped {_time(run['stopped_at'])}: {run['reason']}"
    return "it ended without a word: killed, no room left to say why, or the machine went down"


def _time(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"

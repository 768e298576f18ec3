"""`lead-export plan`: what a run would do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import output
from pipeline.cli.options import folder_name, load, plan_options, set_up_log

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@click.command(
    epilog="""\b
Examples:
  lead-export plan customers.csv
  lead-export plan lists/*.xlsx --out export --rate 10
  lead-export plan customers.csv --json

With --out it also looks for answers that an unfinished run there has already, and for room on the disk.
"""
)
@click.argument("lists", metavar="LIST...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", metavar="DIR", type=folder_name, help="Folder that the run would publish in.")
@plan_options
def plan(lists: tuple[Path, ...], out: Path | None, config: Path | None, **rest: Any) -> None:  # noqa: ANN401 - as in run
    """Show what a run over the LISTs would do; no call is made."""
    set_up_log(rest)
    as_json, _ = rest.pop("as_json"), rest.pop("quiet")
    settings = load(rest, config)
    from pipeline.jobs.plan import plan as plan_

    found = plan_(settings, lists, out)
    output.write(json.dumps(found, indent=2) if as_json else "\n".join(_lines(found)))


def _lines(found: Mapping[str, Any]) -> Iterator[str]:
    from pipeline.cli.summary import duration

    for entry in found["lists"]:
        yield from _list(entry)
    rows = found["rows"]
    yield (
        f"{rows['read']:,} rows: {rows['distinct']:,} distinct addresses, {rows['duplicate']:,} duplicates,"
        f" {rows['invalid']:,} invalid"
    )
    if found["answered"]:
        yield f"{found['answered']:,} are answered already in an unfinished run, {found['to_ask']:,} are to be asked"
    if found["least_s"] is None:
        yield f"{found['to_ask']:,} calls without a limit"
    else:
        done = found["done_at"][:16].replace("T", " ")
        yield (
            f"{found['to_ask']:,} calls at {found['rate_per_s']:g} a second take {duration(found['least_s'])} at least:"
            f" done {done} UTC if started now"
        )
    free = "" if found["free_bytes"] is None else f", {found['free_bytes'] / 1e6:,.0f} MB are free"
    enough = "" if found["free_bytes"] is None or found["free_bytes"] >= found["disk_bytes"] else ": not enough"
    yield f"about {found['disk_bytes'] / 1e6:,.0f} MB on the disk{free}{enough}"
    if found["refused"]:
        yield f"a run would be refused. {found['refused']}"


def _list(entry: Mapping[str, Any]) -> Iterator[str]:
    yield f"{entry['name']}: {entry['read_as']}"
    if entry["guessed"]:
        yield f"  detected, not stated: {', '.join(entry['guessed']).replace('_', ' ')}"
    yield (
        f"  {entry['rows']:,} rows, {entry['new_addresses']:,} new addresses, {entry['duplicate']:,} duplicates,"
        f" {entry['invalid']:,} invalid"
    )
    for bad in entry["first_invalid"]:
        line = "" if bad["line"] is None else f" (line {bad['line']:,})"
        yield f"    row {bad['row']:,}{line}: {bad['code'].replace('_', ' ')}"
    if entry["invalid"] > len(entry["first_invalid"]):
        yield f"    and {entry['invalid'] - len(entry['first_invalid']):,} more"

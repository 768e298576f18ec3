"""`lead-export timeline`: what is known of one person over all runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import out_path, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message, print_result
from pipeline.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.history.timeline import Event

_LONGEST = 60
"""Characters of a value in the table; with `--json` there are all."""
_SILENT = "{} cannot tell, as the addresses are left out of the changes: {}"


@click.command(
    "timeline",
    epilog="""\b
Examples:
  lead-export timeline ada@example.com --out export
  echo ada@example.com | lead-export timeline - --out export --json

ADDRESS is the address as it was looked up, in any spelling; - reads it from standard input, so that it is in
no list of processes. What runs have published in changes.parquet is shown, oldest first; no call is made.
Where addresses are hashed, the key is needed.
""",
)
@click.argument("address", metavar="ADDRESS")
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder of the runs.")
@takes_settings()
@takes_output_options
def timeline_command(address: str, out: Path, settings: GivenSettings, output: OutputOptions) -> None:
    """Show what changed about one person, over all runs in DIR."""
    from pipeline.jobs.timeline import timeline

    given = sys.stdin.readline() if address == "-" else address
    events, silent = timeline(settings.load(), given, out)
    if output.as_json:
        print_json(events)
    elif events:
        print_result("\n".join(_table(events)))
    if output.quiet:
        return
    if silent:
        print_message("warning", _SILENT.format(counted(len(silent), "run"), ", ".join(silent)))
    runs = counted(len({event.run for event in events}), "run")
    print_message("info", f"{counted(len(events), 'change')} in {runs}")


def _table(events: list[Event]) -> list[str]:
    """A line for each change: when it was seen, where, and the value before and now."""
    rows = [
        (
            f"{event.seen_at[:16].replace('T', ' ')} UTC",
            event.table_name,
            event.change,
            _what(event),
            _values(event),
        )
        for event in events
    ]
    widths = [max(len(row[n]) for row in rows) for n in range(4)]
    return ["  ".join([*(f"{cell:<{widths[n]}}" for n, cell in enumerate(row[:4])), row[4]]).rstrip() for row in rows]


def _what(event: Event) -> str:
    """The item and the column, as far as there are such."""
    return _short(" ".join(part for part in (event.item, event.column_name) if part))


def _values(event: Event) -> str:
    if event.change == "changed":
        return f"{_short(event.old_value)} → {_short(event.new_value)}"
    return _short(event.new_value or event.old_value)


def _short(value: str | None) -> str:
    text = "" if value is None else " ".join(value.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"

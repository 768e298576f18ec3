"""`lead-export person`: everything that is held about somebody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import out_path, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message
from pipeline.errors import ExitCode, UsageError
from pipeline.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions


@click.command(
    "person",
    epilog="""\b
Examples:
  lead-export person ada@example.com --out export --to ada.json
  echo ada@example.com | lead-export person - --out export --to ada.json

Published and unfinished runs are searched, and files that enrich has not finished: the person's rows of every
table, the raw replies, and what the columns mean. Rows of other people who mention the person are only counted.
Other users of this machine can see an address on the command line; - reads it from standard input.
""",
)
@click.argument("address", metavar="ADDRESS")
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder of the runs.")
@click.option("--to", metavar="FILE", type=out_path, help="New file to write, for you alone to read.")
@takes_settings()
@takes_output_options
def person_command(
    address: str, out: Path, to: Path | None, settings: GivenSettings, output: OutputOptions
) -> ExitCode:
    """Show all that is held about a person, as JSON."""
    from pipeline.jobs.named_addresses import named_addresses
    from pipeline.jobs.person import person
    from pipeline.jobs.person_file import write_person
    from pipeline.outcomes import now_ms

    loaded = settings.load()
    named = named_addresses([address], [], loaded)
    if len(named) != 1:
        raise UsageError(f"One address is needed, and {len(named):,} were given.")
    if to is not None and to.exists():
        raise UsageError(f"{to}: already exists; name another --to.")
    held = person(loaded, named[0], out, now_ms=now_ms())
    if to is None:
        print_json(held)
    else:
        write_person(held, to)
    if not output.quiet:
        for sentence in held.unreadable:
            print_message("warning", sentence)
        print_message("info", _summary(held.rows, len(held.runs), len(held.journals), to))
    return ExitCode.STORAGE if held.unreadable else ExitCode.OK


def _summary(rows: int, runs: int, journals: int, to: Path | None) -> str:
    if not runs and not journals:
        return "Nothing is held about this person."
    where = f"{counted(runs, 'run')} and {counted(journals, 'journal')}"
    return f"{counted(rows, 'row')} in {where}{f'; written to {to}' if to else ''}."

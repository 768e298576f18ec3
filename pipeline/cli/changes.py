"""`lead-export changes`: what changed between two published runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.changed import change_lines
from pipeline.cli.options import CSV_OPTIONS, UserPath, out_path, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions


@click.command(
    "changes",
    epilog="""\b
Examples:
  lead-export changes export/run=monday export/latest --out changes.csv
  lead-export changes export/run=october export/run=november --out net.parquet

Each run publishes what changed since the run before in changes.parquet. This compares any two runs that
kept their replies: what changed and changed back is no change. The ending of FILE chooses the format.
Options that you omit keep the values of NEW, and what either run leaves out or hashes is here as well.
""",
)
@click.argument("old", metavar="OLD", type=UserPath())
@click.argument("new", metavar="NEW", type=UserPath())
@click.option("--out", required=True, metavar="FILE", type=out_path, help="File to write; its ending is the format.")
@click.option("--force", is_flag=True, help="Replace FILE if it exists.")
@takes_settings("timezone", *CSV_OPTIONS, "workers")
@takes_output_options
def changes_command(
    old: Path, new: Path, out: Path, settings: GivenSettings, output: OutputOptions, *, force: bool
) -> None:
    """Write what changed from the run OLD to the run NEW."""
    from pipeline.jobs.changes import changes

    found = changes(old, new, out, lambda before: settings.load(base=before), force=force)
    if not output.quiet:
        first, *more = change_lines(found.changes)
        print_message(
            "info", "\n".join([f"Run {found.run_id}: {first}", *(f"  {line}" for line in more), f"  in {out}"])
        )
    if output.as_json:
        print_json(found)

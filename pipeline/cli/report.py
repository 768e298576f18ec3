"""`lead-export report`: what a published run was like, as a page to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import UserPath, out_path, takes_output_options
from pipeline.cli.output import print_json, print_message
from pipeline.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import OutputOptions


@click.command(
    "report",
    epilog="""\b
Examples:
  lead-export report export/latest --out report.html
  lead-export report export/run=20261123T020000Z --out monday.html

The report shows outcomes, pace, failures, changes of the API, how filled the columns are, and the attempts
before. It is one file that loads nothing and holds no address, name or credential.
With the setting report, run publishes one with its tables.
""",
)
@click.argument("run", metavar="RUN", type=UserPath())
@click.option("--out", required=True, metavar="FILE", type=out_path, help="HTML file to write.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@takes_output_options
def report_command(run: Path, out: Path, *, force: bool, output: OutputOptions) -> ExitCode:
    """Write an HTML report of a published RUN to FILE."""
    from pipeline.jobs.report.write import report

    written = report(run, out, force=force)
    if output.as_json:
        print_json(written)
    elif not output.quiet:
        print_message("info", f"The report is in {out}.")
    return ExitCode.OK

"""`lead-export rebuild`: the tables of a published run again, from its replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import TABLE_OPTIONS, UserPath, out_path, takes_output_options, takes_settings

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.errors import ExitCode


@click.command(
    "rebuild",
    epilog="""\b
Examples:
  lead-export rebuild export/latest --out rebuilt
  lead-export rebuild export/run=20261123T020000Z --out csv --format csv --timezone EST

The run must have kept its replies, as runs do by default. Options that you omit keep the values of the run.
The same code and settings give identical files.
""",
)
@click.argument("run", metavar="RUN", type=UserPath())
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder to publish in.")
@takes_settings(*TABLE_OPTIONS, "report")
@takes_output_options
def rebuild_command(run: Path, out: Path, settings: GivenSettings, output: OutputOptions) -> ExitCode:
    """Rebuild the tables of a published RUN in DIR."""
    from pipeline.cli import summary
    from pipeline.jobs.rebuild import rebuild

    manifest = rebuild(run, out, lambda before: settings.load(base=before))
    return summary.show_rebuilt(manifest, out, output)

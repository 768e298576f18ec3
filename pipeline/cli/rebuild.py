"""`lead-export rebuild`: the tables of published runs again, from their replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    TABLE_OPTIONS,
    UserPath,
    out_path,
    progress_option,
    takes_output_options,
    takes_settings,
)

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
  lead-export rebuild export/run=* --out rebuilt --workers 8
  lead-export rebuild /srv/export/run=* --out /srv/again --scheduler tls://dask.example:8786

The runs must have kept their replies, as runs do by default. Options that you omit keep the values of
each run. The same code and settings give identical files. Of several runs each is rebuilt by a process of
its own, as many at a time as there are workers; a damaged one fails alone (exit code 3). If it stops, the
same command goes on: what is rebuilt already is checked and left as it is.
""",
)
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=UserPath())
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder to publish in.")
@click.option(
    "--scheduler", metavar="URL", help="Let a Dask cluster do it: tls://HOST:PORT, or tcp://HOST:PORT on this machine."
)
@progress_option
@takes_settings(*TABLE_OPTIONS, "report")
@takes_output_options
def rebuild_command(
    runs: tuple[Path, ...],
    out: Path,
    scheduler: str | None,
    *,
    progress: bool,
    settings: GivenSettings,
    output: OutputOptions,
) -> ExitCode:
    """Rebuild the tables of published RUNs in DIR."""
    if len(runs) > 1 or scheduler:
        from pipeline.cli.nights import rebuild_nights

        return rebuild_nights(runs, out, scheduler, settings, output, progress=progress)
    from pipeline.cli import summary
    from pipeline.jobs.rebuild import rebuild

    manifest = rebuild(runs[0], out, lambda before: settings.load(base=before))
    return summary.show_rebuilt(manifest, out, output)

"""`lead-export enrich`: the ad-hoc job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    CALL_OPTIONS,
    CSV_OPTIONS,
    LIST_OPTIONS,
    UserPath,
    out_path,
    resuming_command,
    takes_output_options,
    takes_settings,
)
from pipeline.cli.sandbox import sandbox_option, temporary_sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.errors import ExitCode


@click.command(
    "enrich",
    epilog="""\b
Examples:
  lead-export enrich customers.csv --out enriched.csv --sandbox
  lead-export enrich customers.csv --out enriched.csv --fields first_name,score,tags,'custom.*'
  lead-export enrich people.xlsx --out people.parquet --only-found

The rows and columns of FILE come first, unchanged. Fields are the columns of `leads`, and tags, lists,
sequences, memberships, transactions, last_transaction_date and custom.NAME. If the job stops, the same
command resumes it.
""",
)
@click.argument("file", metavar="FILE", type=UserPath())
@click.option("--out", required=True, metavar="FILE", type=out_path, help="A .csv, .tsv, .parquet or .xlsx file.")
@click.option(
    "--fields", metavar="NAMES", default="*", show_default=True, help="Comma-separated fields; * matches any."
)
@click.option("--prefix", metavar="STRING", default="lead_", show_default=True, help="Prefix of the added columns.")
@click.option("--list-separator", metavar="STRING", default="|", show_default=True, help="Separates names in a cell.")
@click.option("--only-found", is_flag=True, help="Omit rows whose address was not found.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--new", is_flag=True, help="Start over instead of resuming a stopped job.")
@sandbox_option
@click.option("--progress/--no-progress", default=None, help="Show a progress bar.  [default: on a terminal]")
@takes_settings(*LIST_OPTIONS, *CALL_OPTIONS, "timezone", *CSV_OPTIONS)
@takes_output_options
def enrich_command(  # noqa: PLR0913 - one parameter for each argument of the command
    file: Path,
    out: Path,
    fields: str,
    prefix: str,
    list_separator: str,
    *,
    only_found: bool,
    force: bool,
    new: bool,
    sandbox: bool,
    progress: bool | None,
    settings: GivenSettings,
    output: OutputOptions,
) -> ExitCode:
    """Write FILE again with lead columns added."""
    from pipeline.cli import summary
    from pipeline.cli.progress import Progress

    with temporary_sandbox(start=sandbox) as overrides:
        loaded = settings.load(overrides=overrides)
        from pipeline.jobs.enrich import enrich
        from pipeline.jobs.enriched_file import Enrichment  # only now: wrong settings are reported without loading it

        names = tuple(name.strip() for name in fields.split(",") if name.strip())
        how = Enrichment(names, prefix=prefix, separator=list_separator, only_found=only_found, force=force)
        with (
            Progress(enabled=progress, quiet=output.quiet) as observer,
            summary.shown_if_stopped(observer, out, output),
        ):
            manifest = enrich(loaded, file, out, how, resume=not new, command=resuming_command(), observer=observer)
    return summary.show(manifest, out, output)

"""`lead-export run`: the nightly job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import (
    CALL_OPTIONS,
    LIST_OPTIONS,
    TABLE_OPTIONS,
    out_path,
    resuming_command,
    takes_output_options,
    takes_settings,
)
from pipeline.cli.sandbox import sandbox_option, temporary_sandbox
from pipeline.emails.formats import supported

if TYPE_CHECKING:
    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.errors import ExitCode


@click.command(
    "run",
    epilog=f"""\b
Examples:
  lead-export run data/emails.csv --out export --sandbox
  lead-export run customers.csv --out /srv/leads --format parquet --format csv
  psql -c "copy (select email from users) to stdout" | lead-export run - --out export

A list is {supported()}.
A .txt file has one address per line. Credentials come from the environment: KARTRA_APP_ID, KARTRA_API_KEY,
KARTRA_API_PASSWORD. With exit code 0 or 3 the tables are in DIR/latest. If a run stops, the same command
resumes it.
""",  # noqa: S608 - the SQL is an example for a shell
)
@click.argument("lists", metavar="LIST...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder to publish in.")
@click.option("--run-id", metavar="ID", help="Name of the run.  [default: the time in UTC]")
@click.option("--new", is_flag=True, help="Start over; once published, delete unfinished runs.")
@sandbox_option
@click.option("--progress/--no-progress", default=None, help="Show a progress bar.  [default: on a terminal]")
@takes_settings(*LIST_OPTIONS, *CALL_OPTIONS, *TABLE_OPTIONS, "keep_runs", "unfinished")
@takes_output_options
def run_command(
    lists: tuple[Path, ...],
    out: Path,
    run_id: str | None,
    *,
    new: bool,
    sandbox: bool,
    progress: bool | None,
    settings: GivenSettings,
    output: OutputOptions,
) -> ExitCode:
    """Look up every address of the LISTs; publish tables in DIR."""
    from pipeline.cli import summary
    from pipeline.cli.progress import Progress

    with temporary_sandbox(start=sandbox) as overrides:
        loaded = settings.load(overrides=overrides)
        from pipeline.jobs.export import export  # only now: wrong settings are reported without loading it

        with (
            Progress(enabled=progress, quiet=output.quiet) as observer,
            summary.shown_if_stopped(observer, out, output),
        ):
            manifest = export(
                loaded, lists, out, run_id=run_id, resume=not new, command=resuming_command(), observer=observer
            )
    return summary.show(manifest, out, output)

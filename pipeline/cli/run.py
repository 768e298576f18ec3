"""`lead-export run`: the nightly job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.monitor import Monitor, monitor_option
from pipeline.cli.options import (
    ACCEPT_GONE,
    ACCEPT_SHRINK,
    BUDGET_OPTIONS,
    CALL_OPTIONS,
    LIST_OPTIONS,
    RETENTION_OPTIONS,
    TABLE_OPTIONS,
    UserPath,
    accept_gone_option,
    accept_shrink_option,
    out_path,
    progress_option,
    resuming_command,
    takes_output_options,
    takes_settings,
)
from pipeline.cli.sandbox import sandbox_option, temporary_sandbox

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.errors import ExitCode

RUN_SETTINGS = (
    *LIST_OPTIONS,
    *CALL_OPTIONS,
    *BUDGET_OPTIONS,
    *TABLE_OPTIONS,
    *RETENTION_OPTIONS,
    "unfinished",
    "max_age_days",
    "report",
)
"""Settings that `run` has options for."""


class CommandWithFileTypes(click.Command):
    """A command whose help ends with the types of lists, which are loaded only to show them."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, then the types."""
        from pipeline.emails.formats import supported

        super().format_epilog(ctx, formatter)
        with formatter.section("Types of lists"):
            formatter.write_text(f"{supported()}; a .txt file has one address per line.")


@click.command(
    "run",
    cls=CommandWithFileTypes,
    epilog="""\b
Examples:
  lead-export run data/emails.csv --out export --sandbox
  lead-export run customers.csv --out /srv/leads --format parquet --format csv
  psql -c "copy (select email from users) to stdout" | lead-export run - --out export

Credentials come from the environment: KARTRA_APP_ID, KARTRA_API_KEY, KARTRA_API_PASSWORD. With exit code 0,
3 or 8 the tables are in DIR/latest or, on a disk without symbolic links, in the folder that DIR/latest.json
names. If a run stops, the same command resumes it.
""",
)
@click.argument("lists", metavar="LIST...", nargs=-1, required=True, type=UserPath())
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder to publish in.")
@click.option("--run-id", metavar="ID", help="Name of the run.  [default: the time in UTC]")
@click.option("--new", is_flag=True, help="Start over; once published, delete unfinished runs.")
@accept_shrink_option
@accept_gone_option
@sandbox_option
@progress_option
@monitor_option
@takes_settings(*RUN_SETTINGS)
@takes_output_options
def run_command(  # noqa: PLR0913 - one parameter for each argument of the command
    lists: tuple[Path, ...],
    out: Path,
    run_id: str | None,
    *,
    new: bool,
    accept_shrink: bool,
    accept_gone: bool,
    sandbox: bool,
    progress: bool,
    monitor: bool | None,
    settings: GivenSettings,
    output: OutputOptions,
) -> ExitCode:
    """Look up every address of the LISTs; publish tables in DIR."""
    from pipeline.cli import summary
    from pipeline.cli.progress import Progress

    monitored = Monitor.current()
    if monitor if monitor is not None else not sandbox:
        monitored.attempt("run", out)
    with temporary_sandbox(start=sandbox) as overrides:
        accepted = {**(ACCEPT_SHRINK if accept_shrink else {}), **(ACCEPT_GONE if accept_gone else {})}
        loaded = settings.load(overrides={**overrides, **accepted})
        monitored.knows(loaded)
        from pipeline.jobs.export import export  # only now: wrong settings are reported without loading it

        with (
            Progress(
                enabled=progress and not output.quiet, interval_s=loaded.progress_interval_s, monitor=monitored
            ) as observer,
            summary.shown_if_stopped(observer, out, output),
        ):
            manifest = export(
                loaded, lists, out, run_id=run_id, resume=not new, command=resuming_command(), observer=observer
            )
    return summary.show(manifest, out, output, monitored)

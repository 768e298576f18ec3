"""`lead-export enrich`: the ad-hoc job."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.monitor import Monitor, monitor_option
from pipeline.cli.options import (
    CALL_OPTIONS,
    CSV_OPTIONS,
    LIST_OPTIONS,
    UserPath,
    out_path,
    progress_option,
    resuming_command,
    takes_output_options,
    takes_settings,
    with_options,
)
from pipeline.cli.sandbox import sandbox_option, temporary_sandbox
from pipeline.jobs.kept_hours import KEPT_H

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import Command, GivenSettings, OutputOptions
    from pipeline.errors import ExitCode
    from pipeline.jobs.enrich_target import Enrichment


@dataclass(frozen=True, slots=True)
class GivenEnrichment:
    """The options about what is added and written; see `Enrichment`."""

    fields: str
    prefix: str
    list_separator: str
    only_found: bool
    force: bool

    def parsed(self) -> Enrichment:
        """The same for the job."""
        from pipeline.jobs.enrich_target import Enrichment

        fields = tuple(name.strip() for name in self.fields.split(",") if name.strip())
        return Enrichment(fields, self.prefix, self.list_separator, self.only_found, self.force)


def takes_enrichment(command: Command) -> Command:
    """Add the options about what is added and written; the command gets `how: GivenEnrichment`."""

    @functools.wraps(command)
    def with_enrichment(**values: Any) -> Any:  # noqa: ANN401 - of any command
        given = {field.name: values.pop(field.name) for field in dataclasses.fields(GivenEnrichment)}
        return command(how=GivenEnrichment(**given), **values)

    options = (
        click.option(
            "--fields",
            metavar="NAMES",
            default="all",
            show_default=True,
            help="Comma-separated fields, basic or all; * matches any.",
        ),
        click.option(
            "--prefix", metavar="STRING", default="lead_", show_default=True, help="Prefix of the added columns."
        ),
        click.option(
            "--list-separator", metavar="STRING", default="|", show_default=True, help="Separates names in a cell."
        ),
        click.option("--only-found", is_flag=True, help="Omit rows whose address was not found."),
        click.option("--force", is_flag=True, help="Replace an existing file; its mode and owner stay."),
    )
    return with_options(with_enrichment, *options)


@click.command(
    "enrich",
    epilog=f"""\b
Examples:
  lead-export enrich customers.csv --out enriched.csv --sandbox
  lead-export enrich customers.xlsx --out enriched.xlsx --fields basic,'custom.*'
  lead-export enrich people.xlsx --out people.parquet --only-found

The rows and columns of FILE come first, unchanged. Fields are the columns of `leads`, and tags, lists,
sequences, memberships, transaction_count, last_transaction_date and custom.NAME; basic is a dozen of them.
If the job stops, the same command resumes it. If rows failed, the same command with --force asks again
for these alone, within {KEPT_H} hours.
""",
)
@click.argument("file", metavar="FILE", type=UserPath())
@click.option("--out", required=True, metavar="FILE", type=out_path, help="A .csv, .tsv, .parquet or .xlsx file.")
@takes_enrichment
@click.option("--new", is_flag=True, help="Start over instead of resuming a stopped job.")
@sandbox_option
@progress_option
@monitor_option
@takes_settings(*LIST_OPTIONS, *CALL_OPTIONS, "timezone", *CSV_OPTIONS)
@takes_output_options
def enrich_command(  # noqa: PLR0913 - one parameter for each argument of the command
    file: Path,
    out: Path,
    how: GivenEnrichment,
    *,
    new: bool,
    sandbox: bool,
    progress: bool,
    monitor: bool | None,
    settings: GivenSettings,
    output: OutputOptions,
) -> ExitCode:
    """Write FILE again with lead columns added."""
    from pipeline.cli import summary
    from pipeline.cli.progress import Progress

    monitored = Monitor.current()
    if monitor:
        monitored.attempt("enrich", out, keeps_history=False)
    with temporary_sandbox(start=sandbox) as overrides:
        loaded = settings.load(overrides=overrides)
        monitored.knows(loaded)
        from pipeline.jobs.enrich import enrich  # only now: wrong settings are reported without loading it

        with (
            Progress(
                enabled=progress and not output.quiet, interval_s=loaded.progress_interval_s, monitor=monitored
            ) as observer,
            summary.shown_if_stopped(observer, out, output),
        ):
            manifest = enrich(
                loaded, file, out, how.parsed(), resume=not new, command=resuming_command(), observer=observer
            )
    return summary.show(manifest, out, output, monitored)

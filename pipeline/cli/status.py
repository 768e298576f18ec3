"""`lead-export status`: the runs in an output folder."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli.accounts import given_accounts, refuse_beside_accounts
from pipeline.cli.options import RETENTION_OPTIONS, UserPath, only_option, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_result
from pipeline.cli.status_words import lines, verdict
from pipeline.errors import ExitCode

if TYPE_CHECKING:
    from pipeline.cli.options import GivenSettings, OutputOptions

_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


class Age(click.ParamType[float]):
    """A length of time, such as `90m`, `26h` or `2d`, in seconds."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """Return the seconds; anything else is a wrong usage."""
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?([smhd])", str(value).strip())
        if match is None:
            self.fail("must be a number with s, m, h or d, such as 26h.", param, ctx)
        return float(match[1]) * _SECONDS[match[2]]


@click.command(
    "status",
    epilog="""\b
Examples:
  lead-export status export
  lead-export status export --json
  lead-export status export --max-age 26h
  lead-export status --config agency.toml

DIR is the --out of runs, or the folder of the --out of enrich; by default the current folder, or those of all
accounts of a file. With --max-age it is a probe: one line for each, and exit code 3 unless a good run was
published there in that time.
""",
)
@click.argument("folder", metavar="[DIR]", required=False, type=UserPath())
@only_option
@click.option("--max-age", "max_age_s", metavar="AGE", type=Age(), help="Only check that the newest run is as young.")
@takes_settings(*RETENTION_OPTIONS)
@takes_output_options
def status_command(
    folder: Path | None,
    only: tuple[str, ...],
    max_age_s: float | None,
    settings: GivenSettings,
    output: OutputOptions,
) -> ExitCode:
    """Show published and unfinished runs in DIR."""
    accounts = given_accounts(settings, only)
    if accounts is not None:
        from pipeline.cli.status_of_accounts import show_each

        refuse_beside_accounts(settings.config, folder=folder)
        return show_each(accounts, max_age_s, output)
    folder = folder or Path()
    if max_age_s is not None:
        return _probe(folder, max_age_s, output)
    from pipeline.cli.resuming import given_by
    from pipeline.jobs.status import status

    found = status(folder, given_by, settings.load())
    if output.as_json:
        print_json(found)
    else:
        print_result("\n".join(lines(found)))
    return ExitCode.OK


def _probe(folder: Path, max_age_s: float, output: OutputOptions) -> ExitCode:
    """Print one line about the newest good run; return 0 if it is young enough, and 3 otherwise."""
    from pipeline.jobs.status import freshness
    from pipeline.outcomes import now_ms

    found = freshness(folder, max_age_s, now_ms())
    if output.as_json:
        print_json(found)
    elif not output.quiet or not found.ok:
        print_result(verdict(found, max_age_s))
    return ExitCode.OK if found.ok else ExitCode.ROWS_FAILED

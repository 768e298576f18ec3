"""`lead-export expire`: what the retention settings say is too old."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import RETENTION_OPTIONS, out_path, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.jobs.retention import Expired


@click.command(
    "expire",
    epilog="""\b
Examples:
  lead-export expire --out export --config nightly.toml
  lead-export expire --out export --keep-days 365 --keep-replies-days 30 --dry-run

run does the same after each success. The newest run always stays. To erase a person, use purge.
""",
)
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder of the runs.")
@click.option("--dry-run", is_flag=True, help="Only show what would be removed.")
@takes_settings(*RETENTION_OPTIONS)
@takes_output_options
def expire_command(out: Path, settings: GivenSettings, output: OutputOptions, *, dry_run: bool) -> None:
    """Remove old runs, replies and unfinished answers in DIR."""
    from pipeline.jobs.expire import expire
    from pipeline.outcomes import now_ms

    found = expire(settings.load(), out, now_ms(), dry_run=dry_run)
    if not output.quiet:
        print_message("info", "\n".join(expired_lines(found, "would be removed" if dry_run else "removed")))
    if output.as_json:
        print_json(found)


def expired_lines(found: Expired, what: str) -> Iterator[str]:
    """What goes, one line for each kind; `what` says whether it has gone."""
    if found.is_empty:
        yield f"Nothing is too old: nothing {what}."
    if found.runs:
        yield f"{what}: {counted(len(found.runs), 'run')}: {_few(found.runs)}"
    if found.replies:
        yield f"{what}: the raw replies of {counted(len(found.replies), 'run')}: {_few(found.replies)}"
    if found.tables:
        yield f"{what}: all but the changes of {counted(len(found.tables), 'run')}: {_few(found.tables)}"
    if found.unfinished:
        yield f"{what}: the answers of {counted(len(found.unfinished), 'unfinished run')}: {_few(found.unfinished)}"


def _few(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown} and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown


_SHOWN = 5
"""Names in a line; with `--json` there are all."""

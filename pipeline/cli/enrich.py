"""`lead-export enrich`: the ad-hoc job."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import asking_options, folder_name, load, resuming_command, set_up_log
from pipeline.errors import ExitCode


@click.command(
    epilog="""\b
Examples:
  lead-export enrich customers.csv --out enriched.csv --sandbox
  lead-export enrich customers.csv --out enriched.csv --fields first_name,score,tags,'custom.*'
  lead-export enrich people.xlsx --out people.parquet --only-found

All rows and columns come first and stay as they are. Fields are the columns of `leads`, and tags, lists,
sequences, memberships, transactions, last_transaction_date and custom.NAME. After a stop, the same command
goes on where it was.
"""
)
@click.argument("file", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="FILE", type=folder_name, help="A .csv, .tsv, .parquet or .xlsx file.")
@click.option("--fields", metavar="NAMES", help="Columns to add, with commas between; * fits any.  [default: *]")
@click.option("--prefix", metavar="TEXT", default="lead_", show_default=True, help="Before the name of each column.")
@click.option("--list-separator", metavar="TEXT", default="|", show_default=True, help="Between names in one cell.")
@click.option("--only-found", is_flag=True, help="Leave out rows whose address was not found.")
@click.option("--force", is_flag=True, help="Replace a file that is there already.")
@click.option("--new", is_flag=True, help="Begin anew, even if a stopped job could go on.")
@click.option("--sandbox", is_flag=True, help="Ask a simulated API on this machine instead of the real one.")
@click.option("--progress/--no-progress", default=None, help="Show a progress bar.  [default: on a terminal]")
@asking_options
def enrich(
    file: Path,
    out: Path,
    config: Path | None,
    *,
    new: bool,
    sandbox: bool,
    **rest: Any,  # noqa: ANN401 - settings, declared in `options`
) -> int:
    """Give FILE back with lead columns beside its own."""
    from pipeline.cli import summary
    from pipeline.cli.progress import Progress
    from pipeline.cli.rehearsal import rehearsal

    set_up_log(rest)
    as_json, quiet, bar = rest.pop("as_json"), rest.pop("quiet"), rest.pop("progress")
    words = {name: rest.pop(name) for name in ("fields", "prefix", "list_separator", "only_found", "force")}
    with ExitStack() as stack:
        target = stack.enter_context(rehearsal()) if sandbox else {}
        settings = load(rest, config, stronger=target)
        from pipeline.jobs.enrich import Enrichment
        from pipeline.jobs.enrich import enrich as enrich_

        fields = tuple(word.strip() for word in (words.pop("fields") or "").split(",") if word.strip())
        how = Enrichment(fields, separator=words.pop("list_separator"), **words)
        progress = stack.enter_context(Progress(enabled=bar, quiet=quiet))
        command = resuming_command()
        with summary.of_a_stop(progress, out, quiet=quiet, as_json=as_json):
            manifest = enrich_(settings, file, out, how, resume=not new, command=command, observer=progress)
    summary.show(manifest, out, quiet=quiet, as_json=as_json)
    return ExitCode.ROWS_FAILED if manifest["rows"]["failed"] else ExitCode.OK

"""`lead-export run`: the nightly job."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import folder_name, job_options, load, resuming_command, set_up_log
from pipeline.emails.formats import supported
from pipeline.errors import ExitCode
from pipeline.process import load_arrow


@click.command(
    epilog=f"""\b
Examples:
  lead-export run data/emails.csv --out export --sandbox
  lead-export run customers.csv --out /srv/leads --format parquet --format csv
  psql -c "copy (select email from users) to stdout" | lead-export run - --out export

A list is {supported()}.
A .txt file has one address on each line. Credentials come from the environment: KARTRA_APP_ID, KARTRA_API_KEY,
KARTRA_API_PASSWORD. The tables are in DIR/latest when the command ends with 0 or 3.
After a stop, the same command goes on where it was.
""",  # noqa: S608 - the SQL is an example for a shell
)
@click.argument("lists", metavar="LIST...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="DIR", type=folder_name, help="Folder to publish in.")
@click.option("--run-id", metavar="ID", help="Name of the run.  [default: the time in UTC]")
@click.option("--new", is_flag=True, help="Begin anew; once published, forget unfinished runs.")
@click.option("--sandbox", is_flag=True, help="Ask a simulated API on this machine instead of the real one.")
@click.option("--progress/--no-progress", default=None, help="Show a progress bar.  [default: on a terminal]")
@click.option("--keep-runs", type=int, metavar="N", help="Remove all but the newest N runs afterwards.  [default: all]")
@click.option(
    "--unfinished",
    type=click.Choice(["refuse", "replace"]),
    help="If an unfinished run is about something else.  [default: refuse]",
)
@job_options
def run(
    lists: tuple[Path, ...],
    out: Path,
    config: Path | None,
    run_id: str | None,
    *,
    new: bool,
    sandbox: bool,
    **rest: Any,  # noqa: ANN401 - settings, declared in `options`
) -> int:
    """Ask for every address of the LISTs; publish tables in DIR."""
    from pipeline.cli import summary
    from pipeline.cli.progress import Progress
    from pipeline.cli.rehearsal import rehearsal

    set_up_log(rest)
    as_json, quiet, bar = rest.pop("as_json"), rest.pop("quiet"), rest.pop("progress")
    with ExitStack() as stack:
        target = stack.enter_context(rehearsal()) if sandbox else {}
        settings = load(rest, config, stronger=target)
        load_arrow()  # only now: a slip in the settings is said without waiting for that
        from pipeline.jobs.export import export

        progress = stack.enter_context(Progress(enabled=bar, quiet=quiet))
        command = resuming_command()
        with summary.of_a_stop(progress, out, quiet=quiet, as_json=as_json):
            manifest = export(settings, lists, out, run_id=run_id, resume=not new, command=command, observer=progress)
    summary.show(manifest, out, quiet=quiet, as_json=as_json)
    return ExitCode.ROWS_FAILED if manifest["rows"]["failed"] else ExitCode.OK

"""`lead-export lane`: what `run-all` starts for each account, and nobody else; its work is that of `run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.monitor import Monitor
from pipeline.cli.options import OutputOptions, takes_output_options

if TYPE_CHECKING:
    from pipeline.accounts.protocol import Events, LaneRequest
    from pipeline.errors import ExitCode

_STDIN, _STDOUT = 0, 1


@click.command(
    "lane",
    hidden=True,
    epilog="""\b
Example:
  lead-export run-all --config agency.toml --only acme
""",
)
@click.argument("name", metavar="NAME")
@takes_output_options
def lane_command(name: str, output: OutputOptions) -> ExitCode:  # noqa: ARG001 - for whoever lists processes
    """Run the account NAME for run-all, which says on standard input what to do."""
    from pipeline.accounts.protocol import Event, Events, end_with_parent, read_request

    request = read_request(_STDIN)
    events = Events(_STDOUT)
    events.send(Event(doing="starting"), surely=True)
    end_with_parent(_STDIN)
    return _run(request, events)


def _run(request: LaneRequest, events: Events) -> ExitCode:
    from pipeline.cli import summary
    from pipeline.cli.lane_progress import LaneProgress, news_of
    from pipeline.errors import StopRun
    from pipeline.settings import Settings

    out = Path(request.out)
    monitored = Monitor.current()
    if request.monitor:
        monitored.attempt("run", out)
    try:
        settings = Settings.model_validate(request.settings)
        monitored.knows(settings)
        from pipeline.jobs.export import export

        lists = [Path(path) for path in request.lists]
        with LaneProgress(events, monitored) as observer:
            manifest = export(
                settings,
                lists,
                out,
                run_id=request.run_id,
                resume=not request.new,
                command=request.command,
                observer=observer,
            )
    except StopRun as error:
        events.send(news_of(error), surely=True)
        raise
    events.send(news_of(manifest), surely=True)
    return summary.show(manifest, out, OutputOptions(as_json=False, quiet=True), monitored)

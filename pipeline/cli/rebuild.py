"""`lead-export rebuild`: tables again from kept replies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from pipeline.cli.options import folder_name, load, set_up_log, shape_options
from pipeline.errors import ExitCode


@click.command(
    epilog="""\b
Examples:
  lead-export rebuild export/latest --out again
  lead-export rebuild export/run=20261123T020000Z --out csv --format csv --timezone EST

The run must have kept its replies, as runs do unless told otherwise. What is not said here, such as the
format, is as it was. The same code and settings give the same bytes.
"""
)
@click.argument("run", metavar="RUN", type=click.Path(path_type=Path))
@click.option("--out", required=True, metavar="DIR", type=folder_name, help="Folder to publish in.")
@shape_options
def rebuild(run: Path, out: Path, config: Path | None, **rest: Any) -> int:  # noqa: ANN401 - declared in `options`
    """Make the tables of a published RUN again, in DIR."""
    from pipeline.cli import summary

    set_up_log(rest)
    as_json, quiet = rest.pop("as_json"), rest.pop("quiet")
    from pipeline.jobs.rebuild import rebuild as rebuild_

    manifest = rebuild_(run, out, lambda shape: load(rest, config, base=shape))
    summary.show_rebuilt(manifest, out, quiet=quiet, as_json=as_json)
    return ExitCode.ROWS_FAILED if manifest["rows"]["failed"] else ExitCode.OK

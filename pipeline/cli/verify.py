"""`lead-export verify`: whether a published run is still what was published."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import UserPath, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message
from pipeline.errors import ExitCode
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.jobs.verify import Verification


@click.command(
    "verify",
    epilog="""\b
Examples:
  lead-export verify export/latest
  lead-export verify /backup/run=20261123T020000Z --quiet

Checksums and counts are compared with the manifest. If the run kept its replies, as runs do by default, its
tables are made again from them, in a temporary folder, and compared byte for byte. Exit code 0: nothing
differs. 6: something does; each difference is a line on standard error, with --quiet as well.
""",
)
@click.argument("run", metavar="RUN", type=UserPath())
@takes_settings("workers")
@takes_output_options
def verify_command(run: Path, settings: GivenSettings, output: OutputOptions) -> ExitCode:
    """Check that a published RUN is intact and can be rebuilt."""
    from pipeline.jobs.verify import verify
    from pipeline.privacy.key import load_key

    loaded = settings.load()
    found = verify(run, workers=loaded.workers, key=load_key(loaded))
    for difference in found.differences:
        print_message("error", difference.message)
    if not output.quiet:
        print_message("info", "\n".join(_lines(found)))
    if output.as_json:
        print_json(found)
    return ExitCode.OK if found.ok else ExitCode.STORAGE


def _lines(found: Verification) -> Iterator[str]:
    yield from found.notes
    verdict = "intact" if found.ok else counted(len(found.differences), "difference")
    yield f"Run {found.run_id}: {verdict}"
    size = f"{counted(found.files, 'file')} ({found.bytes / 1e6:,.1f} MB)"
    yield f"  {size} and {counted(found.rows, 'row')} compared with the manifest"
    if found.rebuilt:
        same = f", {len(found.same_content):,} with the same content in other bytes" if found.same_content else ""
        yield f"  rebuilt from the replies: {len(found.identical):,} files the same byte for byte{same}"

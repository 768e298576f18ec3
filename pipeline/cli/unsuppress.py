"""`lead-export unsuppress`: ask for people again who were not to be asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pipeline.cli.options import LIST_OPTIONS, UserPath, out_path, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message
from pipeline.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions


@click.command(
    "unsuppress",
    epilog="""\b
Examples:
  lead-export unsuppress ada@example.com --out export
  lead-export unsuppress --list back.csv --out export
  pass show people/back | lead-export unsuppress - --out export

Arguments show in the list of processes; a list, or standard input, does not. The key that the people were
suppressed with is needed. Whoever is on a list again is asked for by the next run.
""",
)
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--list", "lists", metavar="FILE", multiple=True, type=UserPath(), help="List of addresses; repeatable.")
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder that runs publish in.")
@takes_settings(*LIST_OPTIONS)
@takes_output_options
def unsuppress_command(
    addresses: tuple[str, ...], lists: tuple[Path, ...], out: Path, settings: GivenSettings, output: OutputOptions
) -> None:
    """Let runs ask for suppressed people again."""
    from pipeline.jobs.named_addresses import named_addresses
    from pipeline.jobs.unsuppress import unsuppress

    loaded = settings.load()
    done = unsuppress(loaded, named_addresses(addresses, lists, loaded), out)
    if not output.quiet:
        named = counted(done.named, "address")
        print_message("info", f"{done.removed:,} of {named} taken off the list; {done.left:,} left on it")
    if output.as_json:
        print_json(done)

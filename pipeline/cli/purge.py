"""`lead-export purge`: erase people from everything that an output folder holds."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import LIST_OPTIONS, UserPath, out_path, takes_output_options, takes_settings
from pipeline.cli.output import print_json, print_message
from pipeline.errors import ExitCode
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.cli.options import GivenSettings, OutputOptions
    from pipeline.jobs.purge import Mentions, Purge


@click.command(
    "purge",
    epilog="""\b
Examples:
  echo ada@example.com | lead-export purge - --out export --dry-run
  echo ada@example.com | lead-export purge - --out export
  lead-export purge --list erased.txt --out export --mentions redact

Published and unfinished runs, in all formats, raw replies, and what enrich has not finished are rewritten
without these people; then every file is decoded again, and .lead-export/purges has a report of it. DIR/latest is
complete at every moment. They are put on the suppression list, which takes a key, so that no run asks for them
again. Other users of this machine can see an address on the command line; - reads a list from standard input.
Exit code 0: erased, and proved. 3: erased, but what is left elsewhere is named, such as their address in notes
about others. 6: not everything could be written; the same command goes on.
""",
)
@click.argument("addresses", metavar="[ADDRESS]...", nargs=-1)
@click.option("--list", "lists", metavar="FILE", multiple=True, type=UserPath(), help="List of addresses; repeatable.")
@click.option("--out", required=True, metavar="DIR", type=out_path, help="Folder that runs publish in.")
@click.option("--dry-run", is_flag=True, help="Only count what each file holds of them.")
@click.option(
    "--mentions",
    type=click.Choice(["report", "redact"]),
    default="report",
    show_default=True,
    help="In the data of others, name where they are mentioned, or put [erased] in place of their address.",
)
@click.option("--suppress/--no-suppress", default=True, help="Do not ask for them again.  [default: on]")
@takes_settings(*LIST_OPTIONS)
@takes_output_options
def purge_command(
    addresses: tuple[str, ...],
    lists: tuple[Path, ...],
    out: Path,
    mentions: Mentions,
    settings: GivenSettings,
    output: OutputOptions,
    *,
    dry_run: bool,
    suppress: bool,
) -> ExitCode:
    """Erase people everywhere in DIR, and prove it."""
    from pipeline.jobs.named_addresses import named_addresses
    from pipeline.jobs.purge import purge
    from pipeline.jobs.purge_count import count_held
    from pipeline.outcomes import now_ms

    loaded = settings.load()
    named = named_addresses(addresses, lists, loaded)
    if dry_run:
        found = count_held(loaded, named, out)
    else:
        found = purge(loaded, named, out, now_ms=now_ms, suppress=suppress, mentions=mentions)
    if not output.quiet:
        print_message("info", "\n".join(_held(found) if dry_run else _done(found)))
    if output.as_json:
        print_json(found)
    return ExitCode.ROWS_FAILED if found.remains else ExitCode.OK


def _held(found: Purge) -> Iterator[str]:
    if not found.held:
        yield f"Nothing is held of {counted(found.people, 'person')}."
    for one in found.held:
        mentions = f", mentioned in {counted(one.mentions, 'value')}" if one.mentions else ""
        yield f"{one.path}: {counted(one.rows, 'row')}{mentions}"


def _done(found: Purge) -> Iterator[str]:
    from pipeline.privacy.proof import UNREADABLE
    from pipeline.privacy.untold import UNTOLD

    who = counted(found.people, "person").replace("persons", "people")
    if found.purge_id is None:
        yield f"Nothing is held of {who}."
    else:
        ways = Counter(file.how for file in found.files)
        files = ", ".join(f"{count:,} {how}" for how, count in sorted(ways.items())) or "none changed"
        yield f"Purge {found.purge_id}: {who}, {counted(found.rows, 'row')} erased; files: {files}."
        yield f"  The report is in {found.report}."
    if found.suppressed:
        yield f"  Put on the suppression list: {found.suppressed:,}."
    for remain in found.remains:
        mentioned = f"mentioned in {counted(remain.values, 'value')}"
        what = {UNREADABLE: "could not be read", UNTOLD: "rows of theirs may be in it"}.get(remain.where, mentioned)
        yield f"  Left: {remain.path} ({remain.where}): {what}."
    if found.purge_id is not None:
        yield from (f"  Out of reach: {sentence}." for sentence in found.out_of_reach)

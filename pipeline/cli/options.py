"""Options that commands share, and how they become settings: only what was given counts, the rest is for the layers."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pipeline.settings import Settings

Command = Any


def folder_name(value: str | Path) -> Path:
    """A folder as it was named; an empty name is a variable that was not set, not the current folder."""
    if not str(value).strip():
        raise click.BadParameter("the name of the folder is empty.")
    return Path(value)


def job_options(command: Command) -> Command:
    """The options of every job that asks the API."""
    return _with(command, (_CONFIG, *_READING, *_CALLING, *_SHAPE, *_TALKING))


def asking_options(command: Command) -> Command:
    """The options of a job that asks and writes a single file."""
    return _with(command, (_CONFIG, *_READING, *_CALLING, _ZONE, *_CSV, *_TALKING))


def check_options(command: Command) -> Command:
    """The options of a job that only looks whether others would work."""
    return _with(command, (_CONFIG, _RATE, _API, *_TALKING))


def plan_options(command: Command) -> Command:
    """The options of a job that reads lists and asks nobody."""
    return _with(command, (_CONFIG, *_READING, _RATE, *_TALKING))


def shape_options(command: Command) -> Command:
    """The options of a job that makes files of answers that are there already."""
    return _with(command, (_CONFIG, *_SHAPE, *_TALKING))


def _with(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


_CONFIG = click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file with settings; configs/default.toml has every key.",
)
_READING = (
    click.option("--email-column", metavar="NAME", help="Name or number of the column with addresses."),
    click.option("--encoding", metavar="NAME", help="Encoding of the lists, such as utf-8 or cp1252."),
    click.option(
        "--delimiter", metavar="MARK", help="Mark between the cells of a list, or comma, semicolon, tab or pipe."
    ),
)
_RATE = click.option("--rate", type=float, metavar="N", help="Calls a second; 0 is no limit.  [default: 18]")
_API = click.option("--api-url", metavar="URL", help="Where the API is.")
_CALLING = (
    _RATE,
    click.option("--concurrency", type=int, metavar="N", help="Calls in flight at most; 0 chooses.  [default: 0]"),
    _API,
)
_ZONE = click.option(
    "--timezone", metavar="ZONE", help="Zone of the API's dates, such as EST; makes them instants in UTC."
)
_CSV = (
    click.option("--csv-bom/--no-csv-bom", default=None, help="Begin CSV files with a byte order mark, for Excel."),
    click.option(
        "--formula-guard/--no-formula-guard",
        default=None,
        help="Put ' before CSV cells that a spreadsheet would run.  [default: guard]",
    ),
)
_SHAPE = (
    click.option(
        "--format",
        "format",
        multiple=True,
        type=click.Choice(["parquet", "csv"]),
        help="File format of the tables; may be given twice.  [default: parquet]",
    ),
    _ZONE,
    click.option(
        "--keep-replies/--no-keep-replies", default=None, help="Publish the raw replies too.  [default: keep]"
    ),
    *_CSV,
    click.option(
        "--workers",
        type=int,
        metavar="N",
        help="Processes that build tables; 0 = automatic, 1 = no worker process.  [default: 0]",
    ),
)
_TALKING = (
    click.option("--json", "as_json", is_flag=True, help="Print as JSON on standard output."),
    click.option("-v", "--verbose", count=True, help="Log what happens; twice for every detail."),
    click.option("-q", "--quiet", is_flag=True, help="Print nothing but errors."),
    click.option(
        "--log-format",
        type=click.Choice(["text", "json"]),
        default="text",
        show_default=True,
        help="Format of the log.",
    ),
)


def set_up_log(options: dict[str, Any]) -> None:
    """Take the options about the log out of `options` and follow them; `quiet` stays for the summary."""
    from pipeline.cli import logs

    as_json = options.pop("log_format") == "json"
    logs.set_up(verbose=options.pop("verbose"), quiet=options["quiet"], as_json=as_json)


def resuming_command() -> str:
    """The words of this process's command, but for `--new`, as they can be typed again."""
    return shlex.join(["lead-export", *(word for word in sys.argv[1:] if word != "--new")])


def load(
    options: Mapping[str, Any],
    config: Path | None,
    *,
    stronger: Mapping[str, object] | None = None,
    base: Mapping[str, object] | None = None,
) -> Settings:
    """Settings from all layers; `stronger` comes before even the options, `base` after all but the defaults.

    Raises:
        UsageError: a key is unknown or a value wrong.
    """
    from pipeline.settings import Settings

    return Settings.load({**given_settings(options), **(stronger or {})}, config=config, base=base)


def given_settings(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that were given as options."""
    from pipeline.settings import OPTIONS

    keys = {option.removeprefix("--"): key for key, option in OPTIONS.items()}
    return {keys.get(name, name): value for name, value in options.items() if value is not None and value != ()}

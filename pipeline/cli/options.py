"""Options that commands share, and how they become settings: only what was given counts, the rest is for the layers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipeline.settings import Settings

Command = Any


def folder_name(value: str | Path) -> Path:
    """A folder as it was named; an empty name is a variable that was not set, not the current folder."""
    if not str(value).strip():
        raise click.BadParameter("the name of the folder is empty.")
    return Path(value)


def job_options(command: Command) -> Command:
    """The options of every job that asks the API."""
    for option in reversed(_JOB):
        command = option(command)
    return command


_JOB: tuple[Callable[[Command], Command], ...] = (
    click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help="TOML file with settings; configs/default.toml has every key.",
    ),
    click.option(
        "--format",
        "format",
        multiple=True,
        type=click.Choice(["parquet", "csv"]),
        help="File format of the tables; may be given twice.  [default: parquet]",
    ),
    click.option("--email-column", metavar="NAME", help="Name or number of the column with addresses."),
    click.option("--encoding", metavar="NAME", help="Encoding of the lists, such as utf-8 or cp1252."),
    click.option(
        "--delimiter", metavar="MARK", help="Mark between the cells of a list, or comma, semicolon, tab or pipe."
    ),
    click.option("--rate", type=float, metavar="N", help="Calls a second; 0 is no limit.  [default: 18]"),
    click.option("--concurrency", type=int, metavar="N", help="Calls in flight at most; 0 chooses.  [default: 0]"),
    click.option("--api-url", metavar="URL", help="Where the API is."),
    click.option(
        "--timezone", metavar="ZONE", help="Zone of the API's dates, such as EST; makes them instants in UTC."
    ),
    click.option(
        "--keep-replies/--no-keep-replies", default=None, help="Publish the raw replies too.  [default: keep]"
    ),
    click.option("--csv-bom/--no-csv-bom", default=None, help="Begin CSV files with a byte order mark, for Excel."),
    click.option(
        "--formula-guard/--no-formula-guard",
        default=None,
        help="Put ' before CSV cells that a spreadsheet would run.  [default: guard]",
    ),
)


def load(options: dict[str, Any], config: Path | None, **stronger: object) -> Settings:
    """Settings from all layers; `stronger` comes before even the options.

    Raises:
        UsageError: a key is unknown or a value wrong.
    """
    from pipeline.settings import OPTIONS, Settings

    keys = {option.removeprefix("--"): key for key, option in OPTIONS.items()}
    given = {keys.get(name, name): value for name, value in options.items() if value is not None and value != ()}
    return Settings.load({**given, **stronger}, config=config)

"""What the command line that an unfinished run has recorded would do if it were given again now."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.cli.enrich import enrich_command
from pipeline.cli.options import SETTING_OPTIONS, GivenSettings
from pipeline.cli.run import run_command
from pipeline.cli.run_all import run_all_command
from pipeline.jobs.commands import words_of

if TYPE_CHECKING:
    import click

    from pipeline.jobs.obstacles import Given
    from pipeline.journal.records import RunRecord

_COMMANDS: dict[str, click.Command] = {"run": run_command, "enrich": enrich_command}


def given_by(run: RunRecord) -> Given | None:
    """What its command gives a job; None for a job with its own sandbox, which lacks nothing, and for other programs.

    Raises:
        UsageError: its settings cannot be used any more.
    """
    words = words_of(run.command) or []
    if "run-all" in words:
        return _given_by_account(run, _parsed(run_all_command, words[words.index("run-all") + 1 :]))
    name = next((word for word in words if word in _COMMANDS), None)
    if name is None:
        return None
    given = _parsed(_COMMANDS[name], words[words.index(name) + 1 :])
    if given.get("sandbox"):
        return None
    from pipeline.jobs.obstacles import Given

    options = {key: value for key, value in given.items() if key in SETTING_OPTIONS and value not in (None, ())}
    config = given.get("config")
    settings = GivenSettings(options, Path(run.folder, config) if config else None).load()
    lists = given.get("lists") or [given.get("file")]
    return Given(settings, [path if str(path) == "-" else Path(run.folder, path) for path in lists if path])


def _given_by_account(run: RunRecord, given: dict[str, Any]) -> Given | None:
    """What the file of accounts gives the one account that the command names."""
    config, only = given.get("config"), given.get("only") or ()
    if given.get("sandbox") or not config or len(only) != 1:
        return None
    from pipeline.accounts.lanes import Wanted, load_accounts
    from pipeline.jobs.obstacles import Given

    options = {key: value for key, value in given.items() if key in SETTING_OPTIONS and value not in (None, ())}
    wanted = Wanted(options, only, given.get("out"), credentials=False)
    lane = load_accounts(Path(run.folder, config), wanted).lanes[0]
    return Given(lane.settings, [Path(run.folder, path) for path in lane.lists])


def _parsed(command: click.Command, arguments: list[str]) -> dict[str, Any]:
    """The parameters of a command by name, as far as they can be read."""
    with command.make_context(command.name, arguments, resilient_parsing=True) as context:
        return context.params

"""The accounts of a file, for the commands that look at one or at several: `check`, `plan` and `status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from pipeline.accounts.lanes import Accounts, Lane
    from pipeline.cli.options import GivenSettings


def given_accounts(
    settings: GivenSettings,
    only: Sequence[str],
    *,
    needs_lists: bool = False,
    overrides: Callable[[str], Mapping[str, object]] = lambda _: {},
) -> Accounts | None:
    """The accounts of the file that was given; None if it has none, or none was given.

    Raises:
        UsageError: the file cannot be used, or accounts were named without one.
    """
    from pipeline.settings.accounts import has_accounts

    if settings.config is None or not has_accounts(settings.config):
        if only:
            raise UsageError("--only names accounts, so give --config FILE with a table [accounts.NAME] for each.")
        return None
    from pipeline.accounts.lanes import Wanted, load_accounts

    wanted = Wanted(settings.options, only, overrides=overrides, lists=needs_lists, credentials=False)
    return load_accounts(settings.config, wanted)


def refuse_beside_accounts(config: Path | None, **given: object) -> None:
    """Refuse what accounts have of their own, by the name of the argument.

    Raises:
        UsageError: there is such an argument.
    """
    for name, value in given.items():
        if value:
            word = "LIST" if name == "lists" else "DIR" if name == "folder" else f"--{name.replace('_', '-')}"
            raise UsageError(f"{word}: {config} has accounts, each with its own; leave it out, or use another file.")


def indented(lane: Lane, lines: Iterable[str]) -> list[str]:
    """What is said about one account, below its name."""
    from pipeline.accounts.lanes import with_own_variables

    return [f"{lane.name}:", *(f"  {with_own_variables(lane.name, line)}" for line in lines)]


def worst_of(codes: Iterable[int]) -> ExitCode:
    """The exit code of several accounts, as that of `run-all`."""
    from pipeline.accounts.round import worst

    return worst(codes)

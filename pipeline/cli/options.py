"""Options that several commands take: settings, and what to print."""

from __future__ import annotations

import functools
import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from pipeline.errors import UsageError
from pipeline.filesystem import expand_home

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pydantic.fields import FieldInfo

    from pipeline.settings import Settings

Command = Any
"""A function that click's decorators take and return."""


class UserPath(click.Path):
    """A path as the user wrote it, with `~` replaced by the home folder where no shell has done so (`--out=~/x`)."""

    def __init__(self, *, dir_okay: bool = True) -> None:
        super().__init__(dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """Return the path.

        Raises:
            UsageError: the home folder is not known.
        """
        try:
            expanded = expand_home(os.fspath(value))
        except ValueError as error:
            raise UsageError(f"{value}: {error}.") from None
        return super().convert(expanded, param, ctx)


class SettingOption(click.Option):
    """An option named after a setting, which has its help and default and checks its value.

    `Settings` is loaded only to show help or to run a command, so that `lead-export --help` starts at once.
    """

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Offer the values of a setting that has few."""
        choices = _choices(str(self.name))
        found = [CompletionItem(choice) for choice in choices if choice.startswith(incomplete)]
        return found or super().shell_complete(ctx, incomplete)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the option with the description and the default of its setting."""
        from pipeline.settings import Settings

        self.help = setting_help(Settings.model_fields[str(self.name)])
        return super().get_help_record(ctx)


def _choices(key: str) -> Sequence[str]:
    """The values that a setting may have, if there are few."""
    from pipeline.settings import Settings

    if key == "formats":
        from pipeline.files.output_format import format_names

        return format_names()
    kind = Settings.model_fields[key].annotation
    return get_args(kind) if get_origin(kind) is Literal else ()


def setting_help(field: FieldInfo) -> str:
    """The description of a setting as help, with its default unless that is None, which the description explains."""
    default = field.default
    if default is None:
        return f"{field.description}."
    if isinstance(default, tuple):
        shown = ", ".join(default)
    elif isinstance(default, bool):
        shown = "on" if default else "off"
    else:
        shown = f"{default:g}" if isinstance(default, float) else str(default)
    return f"{field.description}.  [default: {shown}]"


SETTING_OPTIONS: dict[str, Callable[[Command], Command]] = {
    key: click.option(
        *declaration.split(),
        key,
        cls=SettingOption,
        metavar=metavar,
        multiple=key == "formats",
        default=None,  # so that only options which the user gave count, also those of flags
    )
    for key, declaration, metavar in (
        ("email_column", "--email-column", "NAME"),
        ("encoding", "--encoding", "NAME"),
        ("delimiter", "--delimiter", "CHAR"),
        ("quoting", "--quoting", "HOW"),
        ("allow_empty", "--allow-empty/--no-allow-empty", None),
        ("rate_per_s", "--rate", "N"),
        ("concurrency", "--concurrency", "N"),
        ("api_url", "--api-url", "URL"),
        ("deadline", "--deadline", "TIME"),
        ("max_calls", "--max-calls", "N"),
        ("formats", "--format", "FORMAT"),
        ("timezone", "--timezone", "ZONE"),
        ("keep_replies", "--keep-replies/--no-keep-replies", None),
        ("replies", "--replies", "WHERE"),
        ("csv_bom", "--csv-bom/--no-csv-bom", None),
        ("formula_guard", "--formula-guard/--no-formula-guard", None),
        ("keep_runs", "--keep-runs", "N"),
        ("keep_days", "--keep-days", "N"),
        ("keep_replies_days", "--keep-replies-days", "N"),
        ("keep_changes", "--keep-changes", "N"),
        ("keep_unfinished_days", "--keep-unfinished-days", "N"),
        ("unfinished", "--unfinished", "ACTION"),
        ("max_age_days", "--max-age", "N"),
        ("report", "--report/--no-report", None),
        ("workers", "--workers", "N"),
    )
}
LIST_OPTIONS = ("email_column", "encoding", "delimiter", "quoting", "allow_empty")
CALL_OPTIONS = ("rate_per_s", "concurrency", "api_url")
RETENTION_OPTIONS = ("keep_runs", "keep_changes", "keep_days", "keep_replies_days", "keep_unfinished_days")
BUDGET_OPTIONS = ("deadline", "max_calls")
CSV_OPTIONS = ("csv_bom", "formula_guard")
TABLE_OPTIONS = ("formats", "timezone", "keep_replies", "replies", *CSV_OPTIONS, "workers")
_CONFIG = click.option(
    "--config",
    type=UserPath(dir_okay=False),
    help="TOML file with settings; `lead-export config init` writes one.",
)
accept_shrink_option = click.option(
    "--accept-shrink", is_flag=True, help="Accept lists that min_rows or max_shrink would refuse."
)
only_option = click.option("--only", metavar="NAME", multiple=True, help="Only this account of the file; repeatable.")
ACCEPT_SHRINK = {"min_rows": 0, "max_shrink": 1.0}
"""The settings that this option stands for."""
accept_gone_option = click.option(
    "--accept-gone",
    is_flag=True,
    help="Publish although many leads are gone; a run that stopped for it makes no more calls.",
)
ACCEPT_GONE = {"max_gone_share": 1.0}
"""The setting that this option stands for."""
progress_option = click.option(
    "--progress/--no-progress",
    default=True,
    help="Show progress: a bar on a terminal, else a line every few minutes.  [default: on]",
)


@dataclass(frozen=True, slots=True)
class GivenSettings:
    """The settings that the user gave: as options, by key, and in a file."""

    options: Mapping[str, object]
    config: Path | None

    def load(
        self, *, overrides: Mapping[str, object] | None = None, base: Mapping[str, object] | None = None
    ) -> Settings:
        """Combine all layers; `overrides` is stronger than the options, `base` weaker than all but the defaults.

        Raises:
            UsageError: a key is unknown or a value is wrong.
        """
        from pipeline.settings import Settings

        return Settings.load({**self.options, **(overrides or {})}, config=self.config, base=base)

    def load_with_origins(self, *, overrides: Mapping[str, object] | None = None) -> tuple[Settings, dict[str, str]]:
        """The same, and where each setting comes from; see `Settings.load_with_origins`."""
        from pipeline.settings import Settings

        return Settings.load_with_origins({**self.options, **(overrides or {})}, config=self.config)


def takes_settings(*keys: str) -> Callable[[Command], Command]:
    """Add `--config` and the options of these settings; the command gets `settings: GivenSettings`."""

    def decorate(command: Command) -> Command:
        @functools.wraps(command)
        def with_settings(config: Path | None, **values: Any) -> Any:  # noqa: ANN401 - of any command
            options = {key: values.pop(key) for key in keys}
            given = {key: value for key, value in options.items() if value is not None and value != ()}
            return command(settings=GivenSettings(given, config), **values)

        return with_options(with_settings, _CONFIG, *(SETTING_OPTIONS[key] for key in keys))

    return decorate


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What to print: the result as JSON, and with `quiet` neither progress nor summary nor warnings."""

    as_json: bool
    quiet: bool


def takes_output_options(command: Command) -> Command:
    """Add `--json`, `-v`, `-q` and `--log-format`; the command gets `output: OutputOptions`, and logging is set up."""

    @functools.wraps(command)
    def with_output(*, as_json: bool, quiet: bool, verbose: int, log_format: str, **values: Any) -> Any:  # noqa: ANN401
        from pipeline.cli.log import set_up_log

        set_up_log(verbose=verbose, quiet=quiet, as_json=log_format == "json")
        return command(output=OutputOptions(as_json, quiet), **values)

    return with_options(
        with_output,
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON on standard output."),
        click.option("-v", "--verbose", count=True, help="Log what happens; -vv logs every detail."),
        click.option("-q", "--quiet", is_flag=True, help="Print no progress, summary or warnings."),
        click.option(
            "--log-format", type=click.Choice(["text", "json"]), default="text", show_default=True, help="Log format."
        ),
    )


def with_options(command: Command, *options: Callable[[Command], Command]) -> Command:
    """Add options to a command, in the order in which its help shows them."""
    for option in reversed(options):
        command = option(command)
    return command


def out_path(value: str | Path) -> Path:
    """The type of `--out`; an empty string, as from an unset variable, does not mean the current folder.

    Raises:
        UsageError: the path is empty, or the home folder is not known.
    """
    if not str(value).strip():
        raise UsageError("--out must not be empty.")
    path: Path = UserPath().convert(value, None, None)
    return path


def resuming_command() -> str:
    """The command line of this process, without `--new`, quoted for a shell that need not find the program itself."""
    return shlex.join([*program(), *(word for word in sys.argv[1:] if word != "--new")])


def resuming_accounts(*names: str) -> str:
    """The same for these of the accounts that the command line names in a file."""
    words = iter(word for word in sys.argv[1:] if word != "--new")
    kept = []
    for word in words:
        if word == "--only":
            next(words, None)
        elif not word.startswith("--only="):
            kept.append(word)
    return shlex.join([*program(), *kept, *(f"--only={name}" for name in names)])


def program() -> list[str]:
    """The words that start this program from any folder and without a search path."""
    started = Path(sys.argv[0])
    if started.name != "lead-export":  # `python -m pipeline`, or a program of somebody else
        return [sys.executable, "-m", "pipeline"]
    return [str(Path(shutil.which(started) or started).absolute())]

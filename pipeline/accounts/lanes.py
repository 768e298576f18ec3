"""What a file of accounts asks for: for each account its lists, its folder and its settings, all checked before a call.

One App is one lane: a process, a pace, a journal, a lock and a `latest` of its own.
"""

from __future__ import annotations

import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.filesystem import expand_home
from pipeline.settings import CREDENTIAL_VARIABLES, Settings
from pipeline.settings.accounts import nearest, own_variable, read_accounts, refuse
from pipeline.settings.layers import warn_of_unknown_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pipeline.settings.accounts import AccountsFile

COMBINED = "combined"
"""The folder, in the common one, of the tables of all accounts together."""
REQUIRE = ("any", "all")
STDIN = "-"


@dataclass(frozen=True, slots=True)
class Lane:
    """One account.

    Attributes:
        name: of the account.
        lists: its lists.
        out: the folder that its runs are published in.
        settings: those of its runs.
        origins: where each setting comes from.
    """

    name: str
    lists: tuple[Path, ...]
    out: Path
    settings: Settings
    origins: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of a file.

    Attributes:
        path: the file.
        out: the common folder.
        folders: the folder of each account of the file, by name.
        lanes: the accounts that were asked for, in the order of the file.
        settings: those that are common to all, without credentials.
        combined: whether the tables of all accounts are to be published together.
        require: `all` if only with a new run of each account, else `any`.
        jobs: how many may run at a time; 0 = all.
    """

    path: Path
    out: Path
    folders: Mapping[str, Path]
    lanes: tuple[Lane, ...]
    settings: Settings
    combined: bool
    require: str
    jobs: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command wants of the accounts.

    Attributes:
        options: settings that the user gave as options, which are stronger than all else.
        only: names of accounts; empty for all.
        out: the common folder, instead of that in the file.
        overrides: more settings for an account, as for a sandbox; stronger than the options.
        lists: whether each account must have lists.
        credentials: whether each account must have credentials.
    """

    options: Mapping[str, object]
    only: Sequence[str] = ()
    out: Path | None = None
    overrides: Callable[[str], Mapping[str, object]] = lambda _: {}
    lists: bool = True
    credentials: bool = True


def load_accounts(path: Path, wanted: Wanted, environ: Mapping[str, str] = os.environ) -> Accounts:
    """Read a file of accounts with the settings of those that are wanted.

    Raises:
        UsageError: the file, or what it says about an account, cannot be used; the sentence names all such accounts.
    """
    file = read_accounts(path)
    warn_of_unknown_variables(Settings.model_fields, environ, file.variables())
    _check_only(file, wanted.only)
    common = _Common(file, wanted.out)
    settings, _ = Settings.of_layers(file.setting_layers(None, wanted.options, environ))
    chosen = [name for name in file.tables if not wanted.only or name in wanted.only]
    loading = _Loading(file, common, wanted, environ)
    lanes = [lane for name in chosen if (lane := loading.lane(name))]
    refuse(path, [*common.problems(), *loading.problems, *_shared_files(lanes), *common.uncombinable(lanes)])
    return Accounts(
        path, common.out, common.folders, tuple(lanes), settings, common.combined, common.require, common.jobs
    )


def shared_apps(lanes: Sequence[Lane]) -> list[list[Lane]]:
    """Lanes that have the App in common with another one."""
    return _with_the_same(lanes, lambda lane: lane.settings.app_id.get_secret_value())


def shared_pings(lanes: Sequence[Lane]) -> list[list[Lane]]:
    """Lanes that ping the same check, which then cannot tell them apart."""
    return _with_the_same(lanes, lambda lane: lane.settings.ping_url.get_secret_value())


def with_own_variables(name: str, text: str) -> str:
    """A message about one account, with the names that the variables of its credentials have in truth."""
    for key, variable in CREDENTIAL_VARIABLES.items():
        text = text.replace(variable, own_variable(name, key))
    return text


def _with_the_same(lanes: Sequence[Lane], value_of: Callable[[Lane], object]) -> list[list[Lane]]:
    by_value: dict[object, list[Lane]] = defaultdict(list)
    for lane in lanes:
        by_value[value_of(lane)].append(lane)
    return [group for value, group in by_value.items() if value and len(group) > 1]


def _check_only(file: AccountsFile, only: Sequence[str]) -> None:
    for name in only:
        if name not in file.tables:
            raise UsageError(f"--only {name}: {file.path} has no such account ({nearest(name, file.tables)}).")


class _Common:
    """What a file says for all accounts together, beside settings; wrong values are kept as problems."""

    def __init__(self, file: AccountsFile, out: Path | None) -> None:
        self._file = file
        given = out or _path(file.common.get("out"))
        if given is None:
            raise UsageError(f"{file.path}: names no folder for all accounts; set out at its top, or give --out DIR.")
        self.out = given
        self.folders = {
            name: _path(table.get("out")) or self.out / f"account={name}" for name, table in file.tables.items()
        }
        self.combined: Any = file.common.get("combined", True)
        self.require: Any = file.common.get("require", "any")
        self.jobs: Any = file.common.get("jobs", 0)

    def problems(self) -> Iterator[str]:
        """What is wrong."""
        if not isinstance(self.combined, bool):
            yield "combined: must be true or false"
        if self.require not in REQUIRE:
            yield "require: must be any or all"
        if isinstance(self.jobs, bool) or not isinstance(self.jobs, int) or not 0 <= self.jobs <= 1_000:
            yield "jobs: must be a number from 0 to 1000"
        taken: dict[str, str] = {
            os.path.realpath(self.out): "the common folder",
            os.path.realpath(self.out / COMBINED): f"the folder {COMBINED}",
        }
        for name, folder in self.folders.items():
            other = taken.setdefault(os.path.realpath(folder), name)
            if other != name:
                yield f"{name}: has the folder {folder} of {other}; give each account an out of its own"

    def uncombinable(self, lanes: Sequence[Lane]) -> Iterator[str]:
        """What keeps the tables of these accounts from being put together."""
        if self.combined is not True:
            return
        for lane in lanes:
            if "parquet" not in lane.settings.formats:
                yield f"{lane.name}: combined tables are read from Parquet; add it to formats, or set combined = false"
        zones = {bool(lane.settings.timezone) for lane in lanes}
        if len(zones) > 1:
            without = ", ".join(lane.name for lane in lanes if not lane.settings.timezone)
            yield f"timezone: {without} has none and others do, so dates cannot be combined; set it for all or for none"


class _Loading:
    """Loads accounts, one after the other, and collects what is wrong with them."""

    def __init__(self, file: AccountsFile, common: _Common, wanted: Wanted, environ: Mapping[str, str]) -> None:
        self._file, self._common, self._wanted, self._environ = file, common, wanted, environ
        self.problems: list[str] = []

    def lane(self, name: str) -> Lane | None:
        """An account; None if its settings are wrong."""
        options = {**self._wanted.options, **self._wanted.overrides(name)}
        try:
            layers = self._file.setting_layers(name, options, self._environ)
            settings, origins = Settings.of_layers(layers)
            lists = self._lists(name)
        except UsageError as error:
            # The sentence is to follow the name of the account, and begins with the place where the value is.
            text = str(error).removesuffix(".").removeprefix(f"{self._file.path} [accounts.{name}]: ")
            self.problems.append(f"{name}: {text.removeprefix(f'{self._file.path}: ')}")
            return None
        table = self._file.tables[name]
        if settings.metrics_file and "metrics_file" not in table:
            path = settings.metrics_file
            own = path.with_name(f"{path.stem}-{name}{path.suffix}")
            settings = settings.model_copy(update={"metrics_file": own})
        self._check_complete(name, lists, settings)
        return Lane(name, tuple(lists), self._common.folders[name], settings, origins)

    def _lists(self, name: str) -> list[Path]:
        given: Any = self._file.tables[name].get("lists", self._file.common.get("lists", []))
        words = [given] if isinstance(given, str) else given
        if not isinstance(words, list) or not all(isinstance(word, str) and word.strip() for word in words):
            raise UsageError("lists: must be the path of a file, or a list of paths.")
        if STDIN in words:
            raise UsageError("lists: standard input (-) cannot be a list of an account; write it to a file.")
        return [path for word in words if (path := _path(word))]

    def _check_complete(self, name: str, lists: Sequence[Path], settings: Settings) -> None:
        if self._wanted.lists and not lists:
            self.problems.append(f"{name}: has no lists")
        missing = [key for key in CREDENTIAL_VARIABLES if not getattr(settings, key).get_secret_value()]
        if self._wanted.credentials and missing:
            variables = ", ".join(own_variable(name, key) for key in missing)
            self.problems.append(f"{name}: credentials are missing, set {variables} in the environment")


def _shared_files(lanes: Sequence[Lane]) -> Iterator[str]:
    """Files of metrics that one account would take from another."""
    for first, *others in _with_the_same(lanes, lambda lane: lane.settings.metrics_file):
        for lane in others:
            yield f"{lane.name}: has the metrics_file of {first.name}; give each account one of its own"


def _path(given: object) -> Path | None:
    """A path in the file; a leading `~` is the home folder."""
    if not given:
        return None
    if not isinstance(given, str):
        raise UsageError("out: must be the path of a folder.")
    try:
        return Path(expand_home(given))
    except ValueError as error:
        raise UsageError(f"{given}: {error}.") from None

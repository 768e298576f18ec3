"""Several accounts in one TOML file: a table `[accounts.NAME]` for each, below the keys that hold for all of them.

Credentials, and other secrets of one account, come from variables with its name in them: `KARTRA_ACME_APP_ID`,
`LEAD_EXPORT_ACME_PING_URL`. The variables without a name hold for all accounts, except those of credentials, which are
not looked at: an account that lacks its own must never ask for the leads of another.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.errors import UsageError
from pipeline.settings.layers import (
    ACCOUNTS,
    CREDENTIAL_VARIABLES,
    ENV_PREFIX,
    SECRETS,
    check_private,
    from_environment,
    read_toml,
    resembling,
    variable_of,
)
from pipeline.settings.secret_files import from_files
from pipeline.settings.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

OWN_KEYS = {
    "lists": "Files with addresses; one or a list",
    "out": "Folder that the runs of the account are published in; account=NAME in the common one if unset",
}
"""What an account's table may hold beside settings, with descriptions."""
COMMON_KEYS = {
    "lists": "Files with addresses of accounts that name none",
    "out": "Folder of all accounts",
    "combined": "Publish the tables of all accounts together as well; true if unset",
    "require": "Whether combined tables need a new run of any account, or of all",
    "jobs": "Accounts at a time; 0 or unset = all",
}
"""What the file may hold at the top beside settings, with descriptions."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_CREDENTIALS_PREFIX = "KARTRA_"


@dataclass(frozen=True, slots=True)
class AccountsFile:
    """The content of such a file.

    Attributes:
        path: the file.
        common: what holds for all accounts, by key.
        tables: what each account has of its own, by its name.
    """

    path: Path
    common: Mapping[str, Any]
    tables: Mapping[str, Mapping[str, Any]]

    def setting_layers(
        self, name: str | None, options: Mapping[str, object], environ: Mapping[str, str]
    ) -> dict[str, Mapping[str, object]]:
        """The layers of the settings of an account, strongest first; `name` None gives those that are common to all.

        Raises:
            UsageError: a file that holds a secret cannot be read, or is not private.
        """
        own: dict[str, Mapping[str, object]] = {}
        if name is not None:
            variables = {key: own_variable(name, key) for key in SECRETS}
            own = {variable: {key: environ[variable]} for key, variable in variables.items() if environ.get(variable)}
            wanted = {key: variable for key, variable in variables.items() if not environ.get(variable)}
            own |= from_files(wanted, environ, by_setting=False)
        public = [key for key in Settings.model_fields if key not in CREDENTIAL_VARIABLES]
        given = from_environment(public, environ)
        common_files = from_files(
            {key: variable_of(key) for key in SECRETS if key in public and not given.get(key)}, environ
        )
        table = self.tables.get(name or "", {})
        return {
            "option": options,
            **own,
            "environment": {key: value for key, value in given.items() if value or key not in SECRETS},
            **common_files,
            f"{self.path} [{ACCOUNTS}.{name}]": _settings_in(table),
            str(self.path): _settings_in(self.common),
            "account": {"name": name} if name else {},
        }

    def variables(self) -> list[str]:
        """The variables that the accounts have of their own."""
        return [own_variable(name, key) for name in self.tables for key in SECRETS]


def has_accounts(path: Path) -> bool:
    """Whether a TOML file has accounts.

    Raises:
        UsageError: it cannot be read, or is not TOML.
    """
    return ACCOUNTS in read_toml(path)


def read_accounts(path: Path) -> AccountsFile:
    """Read a file of accounts, and check its keys and the names of the accounts.

    Raises:
        UsageError: it cannot be used; the one sentence names all that is wrong with the accounts.
    """
    content = read_toml(path)
    tables = content.pop(ACCOUNTS, None)
    if not isinstance(tables, dict) or not tables:
        raise UsageError(f"{path}: has no accounts; add a table [{ACCOUNTS}.NAME] for each of them.")
    refuse(path, [*_unknown(content, [*Settings.model_fields, *COMMON_KEYS], ""), *_in_tables(tables)])
    for layer in (content, *tables.values()):
        check_private(path, layer)
    return AccountsFile(path, content, tables)


def refuse(path: Path, problems: Collection[str]) -> None:
    """Refuse a file if there are problems.

    Raises:
        UsageError: there are; the sentence names all of them.
    """
    if problems:
        raise UsageError(f"{path}: {'; '.join(problems)}.")


def own_variable(name: str, key: str) -> str:
    """The variable of a secret setting of one account: `KARTRA_ACME_APP_ID`."""
    prefix = _CREDENTIALS_PREFIX if key in CREDENTIAL_VARIABLES else ENV_PREFIX
    return f"{prefix}{_in_variables(name)}_{variable_of(key).removeprefix(prefix)}"


def nearest(name: str, known: Collection[str]) -> str:
    """A hint to append to a message: the known name that `name` resembles, or else all known names."""
    meant = resembling(name, known)
    return f"did you mean {meant!r}?" if meant else f"known: {', '.join(known)}"


def _in_variables(name: str) -> str:
    return name.upper().replace("-", "_")


def _settings_in(table: Mapping[str, object]) -> dict[str, object]:
    return {key: value for key, value in table.items() if key in Settings.model_fields}


def _in_tables(tables: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the names of accounts, and with the keys in their tables."""
    seen: dict[str, str] = {}
    for name, table in tables.items():
        if not _NAME.fullmatch(name):
            yield f"account {name!r} must be named with up to 64 letters, digits, - and _, the first no - or _"
            continue
        other = seen.setdefault(_in_variables(name), name)
        if other != name:
            variable = own_variable(name, "app_id")
            yield f"the accounts {other} and {name} would both have the variable {variable}; rename one"
        if isinstance(table, dict):
            yield from _unknown(table, [*Settings.model_fields, *OWN_KEYS], f"{name}: ")
        else:
            yield f"{name}: must be a table, [{ACCOUNTS}.{name}]"


def _unknown(table: Mapping[str, object], known: Collection[str], where: str) -> Iterator[str]:
    for key in table:
        if key not in known:
            meant = resembling(key, known)
            hint = f" (did you mean {meant!r}?)" if meant else ""
            yield f"{where}unknown key {key!r}{hint}"

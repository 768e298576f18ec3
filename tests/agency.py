"""An agency with several accounts at one sandbox, where each has an App, and so a limit, of its own."""

from __future__ import annotations

import json
import os
import re
import time
from typing import TYPE_CHECKING, Any

from cli_command import NO_DELAYS, OPTIONS, Result, Running, write_list

from pipeline.files.state import StateFolder
from pipeline.settings.accounts import own_variable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox

NAMES = ("acme", "globex", "initech")


def credentials(*names: str, **changed: str) -> dict[str, str]:
    """The variables of accounts whose Apps the sandbox knows."""
    given = {"app_id": "{app}-{name}", "api_key": OPTIONS.api_key, "api_password": OPTIONS.api_password}
    found = {
        own_variable(name, key): value.format(app=OPTIONS.app_id, name=name)
        for name in names
        for key, value in given.items()
    }
    return {**found, **changed}


def people_of(name: str, count: int) -> list[str]:
    """Addresses that are all found."""
    return [f"{name}.{number}@example.com" for number in range(count)]


class Agency:
    """The files of an agency in a folder, and commands that take them.

    Args:
        folder: where its lists, its file of accounts and the folder `export` of all accounts are.
        process: starts the command.
        program: what the command starts its own processes with: a program in the folder that needs no imports.
        sandbox: the API.
    """

    def __init__(self, folder: Path, process: Preloaded, program: Path, sandbox: RunningSandbox) -> None:
        self.folder, self.out, self.config = folder, folder / "export", folder / "agency.toml"
        self.sandbox = sandbox
        self._process, self._program = process, program
        self.env: dict[str, str] = {}

    def has(
        self, *names: str, people: int = 12, common: str = "", own: Mapping[str, str] | None = None, **changed: str
    ) -> None:
        """Write the file of accounts, a list for each, and know their credentials, of which some may be changed."""
        tables = ""
        for name in names:
            write_list(self.folder / f"{name}.csv", people_of(name, people))
            tables += f'[accounts.{name}]\nlists = ["{self.folder}/{name}.csv"]\n{(own or {}).get(name, "")}\n'
        head = f'out = "{self.out}"\napi_url = "{self.sandbox.url}"\nrate_per_s = 0\n{common}\n'
        self.config.write_text(head + tables)
        self.env = {**NO_DELAYS, **credentials(*names, **changed)}

    def start(self, *options: object, **env: str) -> Running:
        """Start `run-all`."""
        words = ["run-all", "--config", self.config, *options]
        return Running(self._process, *words, named=os.fspath(self._program), **{**self.env, **env})

    def run(self, *options: object, **env: str) -> Result:
        """Run `run-all` to its end."""
        return self.start(*options, **env).ended()

    def folder_of(self, name: str) -> Path:
        """The folder of an account."""
        return self.out / f"account={name}"

    def lane(self, name: str) -> int:
        """The number of the process of an account, once it holds its folder."""
        state = StateFolder.in_folder(self.folder_of(name))
        return int(re.findall(r"\d+", waited_for(lambda: state.holder() or ""))[0])

    def rounds(self) -> dict[str, Any]:
        """The content of `lanes.json`."""
        found: dict[str, Any] = json.loads((self.out / ".lead-export" / "lanes.json").read_bytes())
        return found

    def codes(self) -> dict[str, int | None]:
        """The exit code of each account, as `lanes.json` has it."""
        return {name: lane.get("code") for name, lane in self.rounds()["lanes"].items()}

    def runs(self, name: str) -> list[str]:
        """The names of the published runs of an account, or of the combined ones."""
        folder = self.out / name if name == "combined" else self.folder_of(name)
        return sorted(path.name.partition("=")[2] for path in folder.glob("run=*"))

    def answered_of(self, names: Sequence[str]) -> int:
        """Answers that the sandbox has given about the people of these accounts."""
        calls: dict[str, int] = self.sandbox.stats(addresses=True)["addresses"]
        return sum(count for address, count in calls.items() if address.partition(".")[0] in names)


def waited_for(look: Callable[[], Any], *, longest_s: float = 30.0) -> Any:
    """What `look` finds, as soon as that is anything."""
    end = time.monotonic() + longest_s
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.01)
    return found

"""The real command in a process of its own, and the lists and sandboxes that its tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

OPTIONS = SandboxOptions(limit_per_s=0, app_id="app-4711", api_key="key-of-nobody", api_password="Pass+Wörd&42")
SECRETS = (OPTIONS.app_id, OPTIONS.api_key, OPTIONS.api_password)
CREDENTIALS = {
    "KARTRA_APP_ID": OPTIONS.app_id,
    "KARTRA_API_KEY": OPTIONS.api_key,
    "KARTRA_API_PASSWORD": OPTIONS.api_password,
}
NO_DELAYS = {"LEAD_EXPORT_RETRY_FIRST_DELAY_S": "0"}


@dataclass(frozen=True)
class Result:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        value: dict[str, Any] = json.loads(self.out)
        return value


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting of ours, and `extra`."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("KARTRA_", "LEAD_EXPORT_"))}
    return {**bare, **extra}


def command(*arguments: object) -> list[str]:
    """The words that start lead-export."""
    return [sys.executable, "-m", "pipeline", *map(str, arguments)]


def lead_export(*arguments: object, stdin: str | None = None, **env: str) -> Result:
    """Run lead-export to its end."""
    done = subprocess.run(
        command(*arguments), env=environment(env), input=stdin or "", capture_output=True, encoding="utf-8", check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


def target(sandbox: RunningSandbox, out: Path) -> list[object]:
    """Options of a run against a sandbox, as fast as it goes."""
    return ["--out", out, "--api-url", sandbox.url, "--rate", 0]


def run(lists: Path | str, sandbox: RunningSandbox, out: Path, *options: object, **env: str) -> Result:
    """Run the job over one list against a sandbox, with its credentials."""
    return lead_export("run", lists, *target(sandbox, out), *options, **{**CREDENTIALS, **NO_DELAYS, **env})


def write_list(path: Path, emails: Iterable[str]) -> Path:
    """A list with a header and an address a line."""
    path.write_text("".join(f"{line}\n" for line in ["email", *emails]), encoding="utf-8")
    return path


def manifest_of(out: Path) -> dict[str, Any]:
    """The manifest of the newest run."""
    value: dict[str, Any] = json.loads((out / "latest" / "manifest.json").read_text(encoding="utf-8"))
    return value

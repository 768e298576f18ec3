"""The real command, in this process or in one of its own, and the lists and sandboxes that its tests share."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from click.testing import CliRunner
from preloaded import COMMAND

from pipeline.cli.main import execute
from pipeline.sandbox.options import SandboxOptions

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox

OPTIONS = SandboxOptions(limit_per_s=0, app_id="app-4711", api_key="key-of-nobody", api_password="Pass+Wörd&42")
SECRETS = (OPTIONS.app_id, OPTIONS.api_key, OPTIONS.api_password)
CREDENTIALS = {
    "KARTRA_APP_ID": OPTIONS.app_id,
    "KARTRA_API_KEY": OPTIONS.api_key,
    "KARTRA_API_PASSWORD": OPTIONS.api_password,
}
REPORTS = {"history.jsonl", "last-attempt.json", "known-drift.json"}
"""Files about attempts, which stay beside the runs."""
NO_DELAYS = {"LEAD_EXPORT_RETRY_FIRST_DELAY_S": "0"}


@dataclass(frozen=True)
class Result:
    """How a command ended and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        value: dict[str, Any] = json.loads(self.out)
        return value

    @property
    def sentence(self) -> str:
        """The one line on standard error with which a refusal (exit 2) ends, without the name of the program."""
        assert (self.code, self.out) == (2, ""), self
        assert self.err.count("\n") == 1, self.err
        assert self.err.startswith("lead-export: ")
        assert [secret for secret in ("Traceback", *SECRETS) if secret in self.err] == []
        return self.err.removeprefix("lead-export: ").strip()

    @property
    def is_quiet(self) -> bool:
        """Whether all went well and nothing was said but what is undocumented in the sandbox's replies."""
        told = self.err.splitlines()
        return (self.code, self.out) == (0, "") and all("differ from its documentation" in line for line in told)


def lead_export(*arguments: object, stdin: str = "", **env: str) -> Result:
    """Run lead-export to its end in this process, which has loaded its libraries already."""
    with _logging_restored(), CliRunner(env=env).isolation(input=stdin) as (out, err, _):
        code = execute([*map(str, arguments)])
    return Result(code, out.getvalue().decode(), err.getvalue().decode())


@contextmanager
def _logging_restored() -> Iterator[None]:
    """Undo what a command does to the log of its process."""
    logger = logging.getLogger("pipeline")
    handlers, level, propagate = [*logger.handlers], logger.level, logger.propagate
    try:
        yield
    finally:
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def own_process(*arguments: object, stdin: str = "", **env: str) -> Result:
    """Run lead-export to its end in a process of its own."""
    done = subprocess.run(
        command(*arguments), env=environment(env), input=stdin, capture_output=True, encoding="utf-8", check=False
    )
    return Result(done.returncode, done.stdout, done.stderr)


class Running:
    """lead-export at work in a process of its own, which need not load its libraries first: `process` has.

    Attributes:
        child: the process.
    """

    def __init__(
        self,
        process: Preloaded,
        *arguments: object,
        program: str = COMMAND,
        named: str = "__main__.py",  # as by `command`
        cwd: str = "",
        **env: str,
    ) -> None:
        self._out, self._err = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")  # noqa: SIM115 - see `ended`
        with open(os.devnull) as nothing:  # noqa: PTH123 - no path to speak of
            streams = (nothing.fileno(), self._out.fileno(), self._err.fileno())
            self.child = process.start(
                program, named, *arguments, env=environment(env), cwd=Path(cwd) if cwd else None, streams=streams
            )

    def wait_for(self, sandbox: RunningSandbox, answers: int) -> None:
        """Wait until the sandbox has given that many answers; the process must not have ended by then."""
        while sandbox.stats()["answered"] < answers:
            assert self.child.runs, self.ended()
            time.sleep(0.01)

    def ended(self) -> Result:
        """Wait for its end; how it ended and what it printed."""
        code = self.child.wait()
        with self._out, self._err:
            self._out.seek(0)
            self._err.seek(0)
            return Result(code, self._out.read(), self._err.read())


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without any setting, and `extra`."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("KARTRA_", "LEAD_EXPORT_"))}
    return {**bare, **extra}


def command(*arguments: object) -> list[str]:
    """The words that start lead-export."""
    return [sys.executable, "-m", "pipeline", *map(str, arguments)]


def target(sandbox: RunningSandbox, out: Path) -> list[object]:
    """Options of a run against a sandbox, without a rate limit."""
    return ["--out", out, "--api-url", sandbox.url, "--rate", 0]


def run(lists: Path | str, sandbox: RunningSandbox, out: Path, *options: object, **env: str) -> Result:
    """Run the job over one list against a sandbox, with its credentials."""
    return lead_export("run", lists, *target(sandbox, out), *options, **{**CREDENTIALS, **NO_DELAYS, **env})


def write_list(path: Path, emails: Iterable[str]) -> Path:
    """A list with a header and an address per line."""
    path.write_text("".join(f"{line}\n" for line in ["email", *emails]), encoding="utf-8")
    return path


def manifest_of(out: Path) -> dict[str, Any]:
    """The manifest of the newest run."""
    value: dict[str, Any] = json.loads((out / "latest" / "manifest.json").read_text(encoding="utf-8"))
    return value

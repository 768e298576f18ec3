"""Runs the examples of a page, one after the other in one folder, as a reader would who works through it.

Commands reach a sandbox instead of the API through the environment, so the examples need no `--sandbox`. Where a page
names the sandbox's own address (port 8020), that of the running one is put in. Scripts, and the command `lead-export`,
run in children of a process that has loaded pandas already.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import openpyxl

if TYPE_CHECKING:
    from docs_pages import Fence
    from preloaded import Preloaded

    from pipeline.sandbox.process import RunningSandbox

RUN = ("sh", "python", "sql")
"""Languages whose fences are run, unless a comment says why not."""
SANDBOX_IN_PAGES = "http://127.0.0.1:8020"
LONGEST_S = 300
CUSTOMERS = (
    ("name", "Email", "plan"),
    ("Ada", "ada@example.com", "gold"),
    ("Grace", "grace@example.com", "silver"),
    ("Alan", "alan@example.com", "gold"),
    ("Nobody", "not-found@example.com", "silver"),
    ("Edsger", "edsger@example.com", "bronze"),
    ("Grace again", "GRACE@example.com", "silver"),
    ("Gone", "deleted@example.com", "bronze"),
    ("No address", "none", "bronze"),
)
NOTEBOOK = """
import ast, asyncio, sys, warnings
warnings.simplefilter("error")
code = compile(open(sys.argv[1]).read(), sys.argv[1], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
names = {"__name__": "__main__"}
async def cell():
    await eval(code, names)
if code.co_flags & 0x80:  # inspect.CO_COROUTINE
    asyncio.run(cell())
else:
    exec(code, names)
"""
"""Runs a script; what awaits at the top level is run as a cell of a notebook, within an event loop."""


def prepare(folder: Path) -> None:
    """Write the lists that the examples read: `customers.csv`, and the same as `customers.xlsx`."""
    lines = [",".join(row) for row in CUSTOMERS]
    (folder / "customers.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    workbook = openpyxl.Workbook()
    for row in CUSTOMERS:
        workbook.worksheets[0].append(row)
    workbook.save(folder / "customers.xlsx")


@dataclass(frozen=True)
class Reader:
    """Somebody who tries the examples.

    Attributes:
        sandbox: what stands for the API.
        process: runs scripts and commands.
        programs: a folder with the command `lead-export`, which `process` runs.
    """

    sandbox: RunningSandbox
    process: Preloaded
    programs: Path

    def environment(self, folder: Path) -> dict[str, str]:
        """The environment of an example: the sandbox and its credentials, and the commands of this Python first."""
        return {
            **os.environ,
            "HOME": str(folder),
            "PATH": os.pathsep.join([str(self.programs), str(Path(sys.executable).parent), os.environ["PATH"]]),
            "KARTRA_APP_ID": "sandbox-app",
            "KARTRA_API_KEY": "sandbox-key",
            "KARTRA_API_PASSWORD": "sandbox-password",
            "LEAD_EXPORT_API_URL": self.sandbox.url,
            "LEAD_EXPORT_RATE_PER_S": "0",
        }

    def run(self, fence: Fence, folder: Path, *, with_errors: bool = False) -> str:
        """Run one example; return what it printed, on request also on standard error.

        Raises:
            AssertionError: it failed; the message holds its line in the page and what it printed on standard error.
        """
        code = fence.code.replace(SANDBOX_IN_PAGES, self.sandbox.url.removesuffix("/api"))
        if fence.language == "sql":
            return _query(code, folder)
        script = folder / f"example-{fence.line}.{fence.language}"
        script.write_text(textwrap.dedent(code), encoding="utf-8")
        printed, told = (folder / f"{script.name}.{name}" for name in ("out", "err"))
        with printed.open("wb") as out, told.open("wb") as err:
            ended = self._command if fence.language == "sh" else self._script
            code_of_exit = ended(script, folder, out.fileno(), err.fileno())
        errors = told.read_text(encoding="utf-8")
        assert code_of_exit == 0, f"line {fence.line}: exit code {code_of_exit}\n{fence.code}\n{errors}"
        return printed.read_text(encoding="utf-8") + errors * with_errors

    def _command(self, script: Path, folder: Path, out: int, err: int) -> int:
        words = ["bash", "-euo", "pipefail", str(script)]
        return subprocess.run(
            words,
            cwd=folder,
            env=self.environment(folder),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            timeout=LONGEST_S,
            check=False,
        ).returncode

    def _script(self, script: Path, folder: Path, out: int, err: int) -> int:
        with Path(os.devnull).open("rb") as nothing:
            streams = (nothing.fileno(), out, err)
            return self.process.start(
                NOTEBOOK, "notebook", script, env=self.environment(folder), cwd=folder, streams=streams
            ).wait()


def _query(code: str, folder: Path) -> str:
    """Run statements in DuckDB, with paths relative to `folder`; return the rows of the last as text."""
    with duckdb.connect() as connection:
        connection.execute(f"set file_search_path = '{folder}'")
        return str(connection.execute(code).fetchall())

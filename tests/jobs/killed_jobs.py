"""Runs that are killed at a chosen step, or after so many answers, and given the same command again."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from jobs_lists import CREDENTIALS
from preloaded import COMMAND, Child, Preloaded

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox

CONCURRENCY = 8
RATE = 300

# Counts what the process does to files, and kills it without warning right before the chosen one of these steps.
KILLED_AT = """
import os, re, signal, sys
from pipeline.cli.main import main
pattern, at = re.compile(sys.argv.pop(1)), int(sys.argv.pop(1))
seen = 0
def hook(event, arguments):
    global seen
    if event in ("open", "os.mkdir", "os.remove", "os.rename", "os.symlink", "shutil.rmtree", "sqlite3.connect"):
        if any(isinstance(word, (str, os.PathLike)) and pattern.search(f"{event} {word}") for word in arguments):
            seen += 1
            if seen == at:
                os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
main()
"""


@dataclass(frozen=True)
class Job:
    """A command that is given again and again, at some 300 calls a second; `settings` are its environment."""

    process: Preloaded
    sandbox: RunningSandbox
    out: Path
    settings: dict[str, str] = field(default_factory=dict)

    def begun(self, people: Path, *kill: object) -> Child:
        """A run; with a pattern and a number it is killed before that step."""
        goal = ["--out", self.out, "--api-url", self.sandbox.url, "--rate", RATE, "--concurrency", CONCURRENCY, "-q"]
        account = {f"KARTRA_{key.upper()}": value for key, value in CREDENTIALS.items()}
        env = {**os.environ, **account, **self.settings}
        return self.process.start(KILLED_AT if kill else COMMAND, "lead-export", *kill, "run", people, *goal, env=env)

    def killed_while_asking(self, people: Path, answered: int) -> None:
        """Begin a run, and kill it as soon as the sandbox has given that many answers."""
        run = self.begun(people)
        while self.sandbox.stats()["answered"] < answered:
            assert run.runs
            time.sleep(0.005)
        run.kill()
        assert run.wait() == -signal.SIGKILL

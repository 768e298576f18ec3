"""How far one address travels through the package: modules and functions of `run`, and moves between modules.

    python benchmarks/path.py [--details]

Counts the calls of all functions of the package, in any thread, while one address is exported from the sandbox. The
same is done once before, so that imports and what is computed once per process do not count; nor does the sandbox,
which is another process. These are numbers of the code, not of the machine.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from common import arguments, print_table, scratch

import pipeline
from pipeline.cli.main import execute

if TYPE_CHECKING:
    from types import FrameType

PACKAGE = f"{Path(pipeline.__file__).parent}{os.sep}"
SANDBOX = f"{PACKAGE}sandbox{os.sep}"


class Travel:
    """What was called so far."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.moves: Counter[str] = Counter()
        self.functions: set[tuple[str, int]] = set()
        self._here = ""

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        """Count a call, as `sys.setprofile` reports it."""
        file = frame.f_code.co_filename
        if event != "call" or not file.startswith(PACKAGE) or file.startswith(SANDBOX):
            return
        module = file.removeprefix(PACKAGE).removesuffix(".py")
        self.calls[module] += 1
        self.functions.add((file, frame.f_code.co_firstlineno))
        if module != self._here:
            self.moves[module] += bool(self._here)
            self._here = module


def travel(folder: Path) -> Travel:
    """Export one address twice, and count the second time."""
    emails = folder / "emails.csv"
    emails.write_text("email\nperson1@example.com\n")
    os.environ["XDG_STATE_HOME"] = str(folder)
    counted = Travel()
    for out in ("first", "second"):
        if out == "second":
            threading.setprofile(counted)
            sys.setprofile(counted)
        code = execute(["run", str(emails), "--out", str(folder / out), "--sandbox", "--quiet"])
        sys.setprofile(None)
        if code:
            raise SystemExit(code)
    return counted


def main() -> None:
    """Print the table."""
    options = arguments(__doc__, details=False)
    with scratch() as folder:
        counted = travel(folder)
    if options.details:
        rows = ((name, str(counted.calls[name]), str(counted.moves[name])) for name in sorted(counted.calls))
        print_table(("module", "calls", "moves into it"), rows)
    numbers = (len(counted.calls), len(counted.functions), sum(counted.moves.values()))
    print_table(("", "modules", "functions", "moves"), [("one address through run", *map(str, numbers))])


if __name__ == "__main__":
    main()

"""The simulated nights, over a few addresses: every night is checked by the benchmark itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from cli_command import Running

if TYPE_CHECKING:
    from preloaded import Preloaded

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
SCRIPT = """
import os, runpy, sys
del sys.argv[0]
sys.path[0] = os.path.dirname(sys.argv[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_twelve_nights_ask_for_their_shares(process: Preloaded) -> None:
    """One is missed and one cut off by its deadline; a hundredth of the calls fail; and no promise is broken."""
    words = ("nights.py", "--addresses", 200, "--nights", 12, "--attempts", 1)
    done = Running(process, SCRIPTS / words[0], *words[1:], program=SCRIPT).ended()
    assert done.code == 0, done.err
    nights = re.findall(r"^(\d+) (\w+) +(\d+) +\d+ +(\d) +(\d+) +0$", done.out, re.MULTILINE)
    assert [kind for _, kind, *_ in nights] == [
        *("first", "ordinary", "ordinary", "ordinary", "after", "after", "ordinary", "cut", "after", "after"),
        "ordinary",
    ]
    assert int(nights[0][2]) == 200

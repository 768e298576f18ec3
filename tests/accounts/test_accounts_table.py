"""How accounts are shown while they run: as a table on a terminal, and elsewhere as lines."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from pipeline.accounts.protocol import Event
from pipeline.accounts.round import LaneRecord
from pipeline.cli.lanes_table import LanesTable

if TYPE_CHECKING:
    import pytest

NEWS = Event(doing="Fetching leads", addresses=200, answered=50, per_second=17.94, left_s=8.4)


class Terminal(io.StringIO):
    """A terminal that understands the cursor's ways up, and knows what is on it."""

    def isatty(self) -> bool:
        """It is one."""
        return True

    def fileno(self) -> int:
        """It has no number, and so says neither how wide nor how high it is."""
        raise OSError

    def shown(self) -> list[str]:
        """The lines on it, as the escape sequences have left them."""
        lines, row, column = [""], 0, 0
        for part in re.findall(r"\x1b\[\d*[AKJ]|\r|\n|[^\x1b\r\n]+", self.getvalue()):
            if part == "\r":
                column = 0
            elif part == "\n":
                row, column = row + 1, 0
                lines += [""] * (row + 1 - len(lines))
            elif part.endswith("A"):
                row -= int(part[2:-1])
            elif part.endswith(("K", "J")):
                lines[row] = lines[row][:column]
                lines = lines[: row + 1] if part.endswith("J") else lines
            else:
                lines[row] = lines[row][:column] + part + lines[row][column + len(part) :]
                column += len(part)
        return lines


def table(stream: io.StringIO, *names: str, term: str = "xterm", now: list[float] | None = None) -> LanesTable:
    """A table of these accounts, whose clock stands at the first number of `now`."""
    clock = now or [0.0]
    return LanesTable(names, enabled=True, interval_s=300, environ={"TERM": term}, stream=stream, now=lambda: clock[0])


def test_a_table_on_a_terminal() -> None:
    """A line for each account, drawn in place; nothing is left of it in the end."""
    terminal, now = Terminal(), [0.0]
    with table(terminal, "acme", "globex", "initech", now=now) as shown:
        shown.tick(False)
        assert terminal.shown() == ["acme     waiting", "globex   waiting", "initech  waiting"]
        shown.started("acme")
        shown.started("globex")
        now[0] = 1.0
        shown.heard("globex", NEWS)
        assert terminal.shown()[:2] == ["acme     starting", "globex   50 of 200 answered (25%), 17.9/s, 8.4 s left"]
        record = LaneRecord(out="o", code=0, published=True, run_id="x", rows={"read": 3, "found": 2, "not_found": 1})
        shown.ended("globex", record)
        assert terminal.shown()[1] == "globex   exit 0  run x: 3 rows, 2 found, 1 not found"
        shown.ended("acme", LaneRecord(out="o", code=4, sentence="The API refuses us."))
        assert terminal.shown()[0] == "acme     exit 4  The API refuses us."
        shown.combining()
        assert terminal.shown()[3] == "combining the tables"
    assert terminal.shown() == [""]


def test_more_accounts_than_lines() -> None:
    """The last line counts those that there is no room for, and how far all are."""
    terminal = Terminal()
    with table(terminal, *(f"account{n}" for n in range(40))) as shown:
        shown.tick(False)
        lines = terminal.shown()
    assert (len(lines), lines[-1].startswith("and 18 more: 0 of 40 accounts ended")) == (23, True)


def test_lines_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal, and on one whose cursor cannot go up, one line every few minutes about all of them."""
    for stream, term in ((io.StringIO(), "xterm"), (Terminal(), "dumb")):
        now = [0.0]
        with table(stream, "acme", "globex", term=term, now=now) as shown:
            shown.heard("acme", NEWS)
            shown.tick(False)
            assert stream.getvalue() == ""
            assert shown.line() == "0 of 2 accounts ended, 50 of 200 addresses answered (25%), 17.9/s."
            now[0] = 301.0
            shown.tick(False)
        assert stream.getvalue() == ""
    told = capsys.readouterr().err
    assert told.count("0 of 2 accounts ended, 50 of 200 addresses answered (25%), 17.9/s.\n") == 2

"""The progress bar."""

from __future__ import annotations

import errno
import os
import pty
import subprocess
from itertools import count
from typing import TYPE_CHECKING

from cli_command import CREDENTIALS, NO_DELAYS, command, environment, target, write_list

from pipeline.cli.progress import Progress, RecentRate
from pipeline.outcomes import Address, Answer, Outcome

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """A slow start is forgotten; a pause lowers the rate; without events there is none."""
    rate = RecentRate(0.0)
    assert rate.per_second() == 0.0
    for second in range(60):
        rate.add(float(second))
    assert round(rate.per_second(), 3) == 1.0
    for event in range(200):
        rate.add(60 + event / 10)
    assert round(rate.per_second(), 3) == 10.0
    rate.add(95.0)
    assert rate.per_second() < 0.1


def test_details_are_those_of_this_attempt() -> None:
    """Rate, time left, found and failed; answers of a previous attempt do not speed it up."""
    clock = count(0.0, 0.5)
    progress = Progress(enabled=False, quiet=False, now=lambda: next(clock))
    progress.listed(rows=200, addresses=140, answered=100)
    assert "left" not in progress.details()
    for number in range(20):
        outcome = Outcome.FAILED if number == 7 else Outcome.FOUND
        progress.answered(Address(number, "ann@example.com"), Answer("ann@example.com", outcome))
    assert progress.details() == "2.0/s, 10.0 s left, 19 found, 1 failed"


def test_a_terminal_shows_rate_and_failures(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """On a terminal the bar is drawn without being asked for, with rate and failures, and no address."""
    people = write_list(tmp_path / "people.csv", ["error-206@example.com", *(f"p{n}@example.com" for n in range(30))])
    sandbox.control(latency_ms=20)
    words = command("run", people, *target(sandbox, tmp_path / "out"), "--concurrency", 1)
    ours, theirs = pty.openpty()
    env = environment({**CREDENTIALS, **NO_DELAYS, "COLUMNS": "120", "LINES": "40", "TERM": "xterm"})
    with subprocess.Popen(words, env=env, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs) as child:
        os.close(theirs)
        shown = _read(ours)
    assert child.returncode == 3
    assert [fact for fact in ("Fetching leads", "31/31", "/s, ", " left", "1 failed") if fact not in shown] == []
    assert "@" not in shown


def _read(terminal: int) -> str:
    """Everything that a process writes to a terminal until it ends."""
    shown = b""
    try:
        while chunk := os.read(terminal, 65_536):
            shown += chunk
    except OSError as error:
        assert error.errno == errno.EIO  # noqa: PT017 - Linux reports the end this way
    finally:
        os.close(terminal)
    return shown.decode()

"""Progress: the bar on a terminal, lines elsewhere, and the line that SIGUSR1 asks for."""

from __future__ import annotations

import errno
import io
import json
import os
import pty
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cli_command import CREDENTIALS, NO_DELAYS, command, environment, lead_export, target, write_list

from pipeline.calls.budget import Budget
from pipeline.calls.counts import CallCounts
from pipeline.cli.output import MessageFormat
from pipeline.cli.progress import Progress
from pipeline.cli.screen import LastLine, above_last_line
from pipeline.cli.ticks import RecentRate, Ticker
from pipeline.outcomes import Address, Answer, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pipeline.sandbox.process import RunningSandbox


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now


def answer(progress: Progress, *outcomes: Outcome) -> None:
    """Tell the observer of answers."""
    for number, outcome in enumerate(outcomes):
        progress.answered(Address(number, "ann@example.com"), Answer("ann@example.com", outcome))


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """A slow start is forgotten; a pause lowers the rate to nothing; without events there is none."""
    rate = RecentRate(0.0)
    assert rate.per_second(0.0) == 0.0
    for second in range(1, 61):
        rate.add(float(second))
    assert round(rate.per_second(60.0), 3) == 1.0
    for event in range(1, 201):
        rate.add(60 + event / 10)
    assert round(rate.per_second(80.0), 3) == 10.0
    assert 4 < rate.per_second(85.0) < 6
    assert rate.per_second(95.0) == 0.0


def test_a_line_counts_what_this_attempt_did() -> None:
    """Rate, time left, found, failed, throttled; earlier answers count as done, but do not speed it up."""
    clock, counts = Clock(), CallCounts()
    progress = Progress(enabled=False, now=clock)
    assert "lists" in progress.text()
    progress.listed(rows=200, addresses=140, answered=100)
    progress.calling(counts)
    assert " left" not in progress.text()
    for number in range(20):
        clock.now += 0.5
        answer(progress, Outcome.FAILED if number == 7 else Outcome.FOUND)
    counts.throttled = 3
    numbers = "120 of 140 addresses answered (85%): 2.0/s, 10.0 s left, 19 found, 1 failed, 3 throttled."
    assert progress.text() == numbers
    progress.publishing()
    clock.now += 75
    assert "tables" in progress.text()
    assert "1 min 15 s" in progress.text()


def test_limits_are_told() -> None:
    """Until when calls go out by the clock of the machine, and how many there may be; nothing without a limit."""
    clock = Clock()
    progress = Progress(enabled=False, now=clock)
    progress.listed(rows=10, addresses=10, answered=0)
    progress.limited(Budget())
    assert progress.text() == "0 of 10 addresses answered (0%): 0.0/s, 0 found."
    deadline = time.mktime((2026, 11, 24, 6, 5, 0, 0, 0, -1))
    progress.limited(Budget(deadline, max_calls=3_000, spent=1_000))
    assert progress.text() == "0 of 10 addresses answered (0%): 0.0/s, until 06:05, 2,000 calls allowed, 0 found."


def test_a_standstill_is_told() -> None:
    """Without an answer for a minute, as in an outage, there is no rate and no time left, but how long it has been."""
    clock = Clock()
    progress = Progress(enabled=False, now=clock)
    progress.listed(rows=10, addresses=10, answered=0)
    answer(progress, Outcome.FOUND)
    clock.now += 125
    assert "0.0/s, no answer for 2 min 5 s" in progress.text()
    assert "left" not in progress.text()


# Off a terminal.


def lines(text: str) -> list[str]:
    """Those about progress."""
    return [line for line in text.splitlines() if "addresses answered" in line]


def test_off_a_terminal_a_line_is_printed_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """One each interval, whether or not answers arrive, and none before."""
    clock = Clock()
    progress = Progress(enabled=True, interval_s=300, now=clock)
    progress.listed(rows=10, addresses=10, answered=0)
    printed = []
    for _ in range(901):
        clock.now += 1
        progress.tick(False)
        printed.append(len(lines(capsys.readouterr().err)))
    assert [second for second, count in enumerate(printed, 1) if count] == [300, 600, 900]


@pytest.mark.parametrize("how", [{"enabled": False, "interval_s": 1}, {"enabled": True, "interval_s": 0}])
def test_lines_can_be_turned_off(capsys: pytest.CaptureFixture[str], how: dict[str, int]) -> None:
    """With --no-progress, --quiet or an interval of 0 only what is asked for is printed, as JSON if wanted."""
    clock = Clock()
    progress = Progress(enabled=bool(how["enabled"]), interval_s=how["interval_s"], now=clock)
    progress.listed(rows=10, addresses=10, answered=0)
    clock.now += 1_000
    progress.tick(False)
    assert capsys.readouterr().err == ""
    progress.tick(True)
    assert len(lines(capsys.readouterr().err)) == 1
    MessageFormat.as_json = True
    try:
        progress.tick(True)
    finally:
        MessageFormat.as_json = False
    assert "0 of 10" in json.loads(capsys.readouterr().err)["message"]


def test_a_run_prints_lines_at_the_interval_of_its_settings(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Off a terminal, on standard error, without an address; exit code and summary are as ever."""
    people = write_list(tmp_path / "people.csv", [f"p{n}@example.com" for n in range(30)])
    sandbox.control(latency_ms=40)
    env = {**CREDENTIALS, "LEAD_EXPORT_PROGRESS_INTERVAL_S": "0.5"}
    result = lead_export("run", people, *target(sandbox, tmp_path / "out"), "--concurrency", 1, **env)
    assert (result.code, len(lines(result.err)) > 0) == (0, True)
    assert all(" of 30 " in line and "@" not in line for line in lines(result.err))


# SIGUSR1.


def test_a_ticker_ticks_until_its_block_ends_and_at_once_when_asked() -> None:
    """In a thread of its own; the handler of the signal is put back."""
    before = signal.getsignal(signal.SIGUSR1)
    ticks: list[bool] = []
    with Ticker(ticks.append, 0.001) as ticker:
        _wait_for(lambda: bool(ticks))
        signal.raise_signal(signal.SIGUSR1)
        _wait_for(lambda: True in ticks)
    assert signal.getsignal(signal.SIGUSR1) == before
    count = len(ticks)
    assert ticker is not None
    assert [len(ticks) for _ in range(1_000)] == [count] * 1_000


def _wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it holds, at most ten seconds."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_sigusr1_gets_a_line_at_once(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Of a quiet process with worker processes, too, all of which get the signal; the run goes on to its end."""
    people = write_list(tmp_path / "people.csv", [f"p{n}@example.com" for n in range(20)])
    sandbox.control(latency_ms=30)
    words = command("run", people, *target(sandbox, tmp_path / "out"), "--concurrency", 1, "--quiet", "--workers", 2)
    env = environment({**CREDENTIALS, **NO_DELAYS, "LEAD_EXPORT_BATCH_LEADS": "1"})
    with subprocess.Popen(
        words, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as child:
        assert child.stderr is not None
        while sandbox.stats()["answered"] < 3:
            assert child.poll() is None
            time.sleep(0.01)
        child.send_signal(signal.SIGUSR1)
        first = child.stderr.readline()
        assert " of 20 addresses answered" in first
        while child.poll() is None:  # also while tables are written, and to every process
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGUSR1)
            time.sleep(0.02)
        rest = child.stderr.read()
    assert child.returncode == 0, rest
    known = (" so far.", " of 20 addresses", "documentation")  # the last is about the sandbox's unknown keys
    assert [line for line in rest.splitlines() if not any(words in line for words in known)] == []


def test_sigusr1_ends_no_other_command() -> None:
    """A command without progress ignores it."""
    with subprocess.Popen(command("sandbox"), env=environment({}), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline()
        child.send_signal(signal.SIGUSR1)
        child.send_signal(signal.SIGTERM)
        child.stdout.read()
    assert child.returncode != -signal.SIGUSR1


# On a terminal.


class Terminal(io.StringIO):
    """A terminal of some width that remembers what is written."""

    def isatty(self) -> bool:
        """Of course."""
        return True


def rendered(text: str) -> list[str]:
    """The lines that a terminal shows in the end, without spaces at their ends."""
    shown = [""]
    column = 0
    for character in text.replace("\r\n", "\n"):
        if character == "\n":
            shown.append("")
            column = 0
        elif character == "\r":
            column = 0
        else:
            shown[-1] = shown[-1][:column].ljust(column) + character + shown[-1][column + 1 :]
            column += 1
    return [line.rstrip() for line in shown]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal of 100 columns."""
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal()


def test_the_bar_is_drawn_in_place(terminal: Terminal) -> None:
    """A shorter line covers a longer one, and the last state stays; then the line about writing comes and goes."""
    clock = Clock()
    progress = Progress(enabled=True, interval_s=1, stream=terminal, now=clock)
    progress.listed(rows=4, addresses=4, answered=1)
    for outcome in (Outcome.FOUND, Outcome.FAILED, Outcome.FOUND):
        clock.now += 1
        answer(progress, outcome)
        progress.tick(False)
    progress.publishing()
    progress.tick(False)
    assert rendered(terminal.getvalue())[1].startswith("Writing the tables")
    progress.close()
    bar, rest = rendered(terminal.getvalue())
    assert bar.startswith("Fetching leads  [####")
    assert bar.endswith("]  4/4  1.0/s, 2 found, 1 failed")
    assert rest == ""


def test_the_bar_is_not_drawn_for_every_answer(terminal: Terminal) -> None:
    """Thousands of answers in a moment are drawn a few times."""
    progress = Progress(enabled=True, stream=terminal, now=Clock())
    progress.listed(rows=9_000, addresses=9_000, answered=0)
    answer(progress, *[Outcome.FOUND] * 9_000)
    progress.close()
    assert terminal.getvalue().count("\r") < 10
    assert "9,000/9,000" in terminal.getvalue()


@pytest.mark.parametrize("columns", [1, 20, 50, 70, 80, 200])
def test_no_line_is_as_wide_as_the_terminal(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Or it would wrap, and be drawn again below itself; what does not fit is left out."""
    monkeypatch.setenv("COLUMNS", str(columns))
    progress = Progress(enabled=True, stream=terminal, now=Clock())
    progress.listed(rows=9, addresses=9_000_000, answered=8_000_000)
    progress.close()
    assert max(map(len, rendered(terminal.getvalue()))) < max(columns, 2)
    assert ("[###" in terminal.getvalue()) is (columns >= 70)


def test_messages_are_printed_above_the_bar(terminal: Terminal) -> None:
    """Whole, each on a line of its own, with the bar below them."""
    line = LastLine(terminal)
    for number in range(3):
        line.draw(f"a bar that is quite long {number}")
        with above_last_line():
            terminal.write(f"message {number}\n")
    line.leave()
    with above_last_line():
        terminal.write("the summary\n")
    expected = ["message 0", "message 1", "message 2", "a bar that is quite long 2", "the summary", ""]
    assert rendered(terminal.getvalue()) == expected


def test_a_terminal_shows_bar_and_warnings(sandbox: RunningSandbox, tmp_path: Path) -> None:
    """Drawn without being asked for, with rate and failures and no address; warnings in between do not tear it."""
    people = write_list(tmp_path / "people.csv", ["error-206@example.com", *(f"p{n}@example.com" for n in range(30))])
    sandbox.control(latency_ms=20, outage_from=12, outage_calls=12)
    words = command("run", people, *target(sandbox, tmp_path / "out"), "--concurrency", 4)
    ours, theirs = pty.openpty()
    env = environment({**CREDENTIALS, **NO_DELAYS, "COLUMNS": "120", "LINES": "40", "TERM": "xterm"})
    with subprocess.Popen(words, env=env, stdin=theirs, stdout=subprocess.DEVNULL, stderr=theirs) as child:
        os.close(theirs)
        shown = _read(ours)
    assert child.returncode == 3
    assert [fact for fact in ("Fetching leads", "31/31", "/s, ", " left", "1 failed") if fact not in shown] == []
    assert "@" not in shown
    screen = rendered(shown)
    bars = [number for number, line in enumerate(screen) if "Fetching" in line]
    assert len(bars) == 1
    assert all(line.startswith("WARNING: ") and line.endswith(".") for line in screen[: bars[0]])
    assert bars[0] >= 2
    assert screen[bars[0] + 1].startswith("Run ")


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

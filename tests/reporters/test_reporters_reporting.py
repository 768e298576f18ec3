"""All reporters of an attempt together: what they cost, and that no trouble of theirs is anybody else's."""

from __future__ import annotations

import json
import logging
import os
import resource
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from monitoring_service import Service, closed_port

from pipeline.reporters.history import read_history
from pipeline.reporters.last_attempt import attempts
from pipeline.reporters.reporting import Reporting
from pipeline.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def reporting(tmp_path: Path, seconds: float = 30.0, **settings: object) -> tuple[Reporting, Path]:
    """The reporters of an attempt, and the hidden folder."""
    state = tmp_path / ".lead-export"
    state.mkdir(exist_ok=True)
    made = Reporting("run", tmp_path, reporting_s=seconds)
    made.settings = Settings.load(settings, environ={})
    return made, state


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What was warned of."""
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_services_that_hang_share_the_time(monitor: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Both at once, and the files are written all the same; one warning for each that has not finished."""
    monitor.hangs.set()
    made, state = reporting(
        tmp_path,
        0.7,
        ping_url=f"{monitor.url}/secret",
        notify_webhook=f"{monitor.url}/secret",
        metrics_file=str(tmp_path / "a.prom"),
    )
    made.began(state)
    before = time.monotonic()
    made.ended(5, "It failed.", state=state)
    assert time.monotonic() - before < 2
    assert (tmp_path / "a.prom").exists()
    assert [attempt.exit_code for attempt in read_history(state)] == [5]
    told = warnings(caplog)
    assert [line.partition(": ")[2].partition(":")[0] for line in told] == ["ping", "notify"]
    assert "secret" not in "".join(told)


def test_every_reporter_fails(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A warning each, and nothing is raised."""
    url = f"http://127.0.0.1:{closed_port()}/secret"
    made, state = reporting(
        tmp_path, 3, ping_url=url, notify_webhook=url, metrics_file=str(tmp_path / "none" / "a.prom")
    )
    for name in ("history.jsonl", "last-attempt.json"):
        (state / name).mkdir()
    made.ended(0, "All is well.", state=state)
    made.ended(5, "It failed.", state=state)
    told = warnings(caplog)
    assert len(told) == 4 + 5  # of success, nobody is notified
    assert "secret" not in "".join(told)


def test_an_attempt_at_work_is_none_that_ended(tmp_path: Path) -> None:
    """While its process is there, nobody takes it for dead, and it takes the next one for nothing either."""
    first, state = reporting(tmp_path)
    second, _ = reporting(tmp_path)
    assert first.began(state) == []
    assert attempts(state) == []
    assert second.began(state) == []
    first.named("one")
    first.ended(0, "Well.", state=state)
    second.ended(5, "Not well.", state=state)
    assert [attempt.exit_code for attempt in attempts(state)] == [0, 5]
    assert json.loads((state / "last-attempt.json").read_text())["exit_code"] == 5
    assert sorted(path.name for path in state.iterdir()) == ["history.jsonl", "last-attempt.json"]


def test_an_ending_that_is_missing_in_the_history_is_added_by_the_next(tmp_path: Path) -> None:
    """As after a disk that was full: it is in last-attempt.json only."""
    first, state = reporting(tmp_path)
    (state / "history.jsonl").mkdir()
    first.began(state)
    first.ended(6, "The disk is full.", state=state)
    (state / "history.jsonl").rmdir()
    assert [attempt.exit_code for attempt in attempts(state)] == [6]
    second, _ = reporting(tmp_path)
    assert second.began(state) == []
    second.ended(0, "Well.", state=state)
    assert [attempt.exit_code for attempt in read_history(state)] == [6, 0]


def test_damaged_files_of_attempts_are_left_alone(tmp_path: Path) -> None:
    """What cannot be read tells nothing, and stops nothing."""
    made, state = reporting(tmp_path)
    (state / "last-attempt.json").write_bytes(b"\xff{")
    (state / "x.attempt").write_bytes(b"")
    assert attempts(state) == []
    assert made.began(state) == []
    made.ended(0, "Well.", state=state)
    assert [attempt.exit_code for attempt in attempts(state)] == [0]


@contextmanager
def files_of(size: int) -> Iterator[None]:
    """Within the block no file may grow beyond this many bytes: writes are cut short there, and then refused."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("size", [0, 100, 8_192])
def test_an_attempt_without_space_leaves_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture, size: int) -> None:
    """No file that says half of it, and no open file; one warning, and the ending is told once there is space."""
    made, state = reporting(tmp_path)
    lowest = os.dup(0)
    os.close(lowest)
    with files_of(size):
        assert made.began(state) == []
    assert list(state.iterdir()) == []
    again = os.dup(0)
    os.close(again)
    assert again == lowest  # nothing is open that was not before
    assert len(warnings(caplog)) == 1
    made.ended(0, "Well.", state=state)
    assert json.loads((state / "last-attempt.json").read_text())["exit_code"] == 0


@pytest.mark.parametrize("size", [0, 100, 8_192])
def test_an_ending_that_is_cut_short_is_no_last_attempt(tmp_path: Path, size: int) -> None:
    """What is there is whole: that of before, and the history has the new one once there is space."""
    first, state = reporting(tmp_path)
    first.began(state)
    first.ended(0, "Well.", state=state)
    second, _ = reporting(tmp_path)
    second.began(state)
    before = (state / "last-attempt.json").read_bytes()
    with files_of(size):
        second.ended(5, "Not well.", state=state)
    last = (state / "last-attempt.json").read_bytes()
    assert (b"\0" in last, json.loads(last)["exit_code"], last == before) == (False, 0, True)
    assert [path.name for path in state.glob("*.attempt") if b"\0" in path.read_bytes()] == []
    third, _ = reporting(tmp_path)
    third.began(state)
    third.ended(0, "Well again.", state=state)
    assert json.loads((state / "last-attempt.json").read_text())["exit_code"] == 0
    assert [path.name for path in state.glob("*.attempt")] == []

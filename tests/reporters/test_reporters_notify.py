"""Notifications: of what has changed, and of nothing else."""

from __future__ import annotations

import dataclasses
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from reporters_endings import context, ending, manifest

from pipeline.reporters import notify
from pipeline.reporters.ending import ReporterFailed

if TYPE_CHECKING:
    from pathlib import Path

    from monitoring_service import Service

HOUR_MS = 3_600_000


def tell(monitor: Service, tmp_path: Path, code: int, hours: float, **settings: Any) -> list[str]:
    """Report an ending some hours after the first, and return what services were told by it."""
    place = dataclasses.replace(context(tmp_path, notify_webhook=f"{monitor.url}/hook", **settings), pauses_s=())
    before = len(monitor.told)
    done = ending(code, "What happened.", ended_at_ms=1_795_485_600_000 + int(hours * HOUR_MS), manifest=manifest())
    notify.report(done, place)
    return [json.loads(told.body)["status"] for told in monitor.told[before:]]


def test_only_changes_are_told(monitor: Service, tmp_path: Path) -> None:
    """A failure, a reminder after a day, and the recovery; no good night, no Ctrl-C and no busy folder."""
    nights = [(0, 0), (5, 1), (5, 2), (7, 3), (130, 4), (4, 24), (4, 25.5), (3, 26), (0, 27), (143, 28)]
    told = [tell(monitor, tmp_path, code, hours) for code, hours in nights]
    assert told == [[], ["failed"], [], [], [], [], ["still failing"], ["recovered"], [], ["failed"]]


def test_no_reminder(monitor: Service, tmp_path: Path) -> None:
    """With 0 hours, a failure is told once."""
    told = [tell(monitor, tmp_path, 5, hours, notify_again_after_h=0) for hours in (0, 1, 9_999)]
    assert told == [["failed"], [], []]


def test_what_could_not_be_told_is_told_by_the_next(monitor: Service, tmp_path: Path) -> None:
    """The state is kept only once somebody has heard."""
    monitor.status = 500
    with pytest.raises(ReporterFailed) as failure:
        tell(monitor, tmp_path, 5, 0)
    assert "/hook" not in str(failure.value)
    monitor.status = 200
    assert tell(monitor, tmp_path, 5, 1) == ["failed"]


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"told_at_ms": "x"}', b"\xff"])
def test_a_damaged_state(monitor: Service, tmp_path: Path, damage: bytes) -> None:
    """Something was told, nobody knows when: a failure is told again, and a success is a recovery."""
    state = tmp_path / ".lead-export"
    state.mkdir()
    (state / notify.FILE).write_bytes(damage)
    assert tell(monitor, tmp_path, 5, 0) == ["still failing"]


def test_what_is_posted(monitor: Service, tmp_path: Path) -> None:
    """A text that chats show, with the verdict and the tally, and the attempt for programs."""
    tell(monitor, tmp_path, 5, 0)
    (told,) = monitor.told
    content = json.loads(told.body)
    assert list(content) == ["title", "status", "text", "attempt"]
    assert [
        word for word in ("exit code 5", "What happened.", "read=40", tmp_path.name) if word not in content["text"]
    ] == []
    assert (content["attempt"]["exit_code"], content["attempt"]["run_id"]) == (5, "20261123T020000Z")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # of Python, in apprise
def test_apprise_tells_its_services(monitor: Service, tmp_path: Path) -> None:
    """Title and text arrive; a URL that it does not understand is a sentence without it."""
    pytest.importorskip("apprise")
    host = monitor.url.removeprefix("http://")
    place = context(tmp_path, notify_urls=[f"json://{host}/secret"])
    notify.report(ending(4, "What happened.", manifest=manifest()), place)
    (told,) = monitor.told
    content = json.loads(told.body)
    assert ("exit code 4" in content["title"], "What happened." in content["message"]) == (True, True)
    with pytest.raises(ReporterFailed) as failure:
        notify.report(ending(4), context(tmp_path / "other", notify_urls="nonsense://secret/secret"))
    assert "secret" not in str(failure.value)


def test_apprise_is_loaded_only_to_tell(monitor: Service, tmp_path: Path) -> None:
    """It takes half a second."""
    loaded = "apprise" in sys.modules
    tell(monitor, tmp_path, 5, 0)
    assert ("apprise" in sys.modules) == loaded

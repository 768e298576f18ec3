"""Lanes, their parent, or all of them killed or stopped: the same command goes on, and asks nothing twice."""

from __future__ import annotations

import os
import signal

import pytest
from agency import Agency, people_of, waited_for
from cli_command import manifest_of, write_list

from pipeline.files.state import StateFolder

NAMES = ("acme", "globex")
CONCURRENCY = 2
PEOPLE = 30


@pytest.fixture
def slow(agency: Agency) -> Agency:
    """An agency of two accounts whose calls take a while."""
    agency.has(*NAMES, people=PEOPLE, common=f"concurrency = {CONCURRENCY}")
    agency.sandbox.control(latency_ms=20)
    return agency


def goes_on(agency: Agency, *, in_flight: int) -> None:
    """Give the same command once more: it ends well, and nothing but what was in flight was asked twice."""
    agency.sandbox.control(latency_ms=0)
    done = agency.run()
    assert (done.code, agency.codes()) == (0, dict.fromkeys(NAMES, 0)), done.err
    stats = agency.sandbox.stats()
    assert stats["asked"] == len(NAMES) * PEOPLE
    assert stats["answered_twice_or_more"] <= in_flight
    assert [len(agency.runs(name)) for name in (*NAMES, "combined")] == [1, 1, 1]
    combined = manifest_of(agency.out / "combined")
    assert {one["state"] for one in combined["accounts"].values()} == {"fresh"}
    assert combined["rows"]["found"] == len(NAMES) * PEOPLE


def test_a_lane_that_is_killed_ends_alone(slow: Agency) -> None:
    """Its code is that of a shell; the others publish. The same command asks only for what it had not answered."""
    running = slow.start()
    victim = slow.lane("globex")
    waited_for(lambda: slow.answered_of(["globex"]) > 6)
    os.kill(victim, signal.SIGKILL)
    done = running.ended()
    assert (done.code, slow.codes()) == (143, {"acme": 0, "globex": 137})
    assert "globex  exit 137  " in done.err
    assert "SIGKILL" in slow.rounds()["lanes"]["globex"]["sentence"]
    # The combined run of the first time stays, and another is made of both.
    assert [len(slow.runs(name)) for name in ("acme", "globex", "combined")] == [1, 0, 1]
    slow.sandbox.control(latency_ms=0)
    again = slow.run()
    assert (again.code, slow.codes()) == (0, dict.fromkeys(NAMES, 0))
    stats = slow.sandbox.stats()
    assert (stats["asked"], len(slow.runs("acme")), len(slow.runs("combined"))) == (2 * PEOPLE, 1, 2)
    assert stats["answered_twice_or_more"] <= CONCURRENCY + PEOPLE


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_all_lanes_in_order(slow: Agency, number: signal.Signals, code: int) -> None:
    """Calls in flight finish, so that nothing at all is asked twice; the exit code is that of the signal."""
    running = slow.start()
    running.wait_for(slow.sandbox, 12)
    for name in NAMES:
        slow.lane(name)
    waited_for(lambda: all(lane.get("run_id") for lane in slow.rounds()["lanes"].values()))
    running.child.send(number)
    done = running.ended()
    assert (done.code, set(slow.codes().values())) == (code, {code})
    assert "Traceback" not in done.err
    if number == signal.SIGTERM:
        goes_on(slow, in_flight=0)


def test_lanes_notice_that_their_parent_was_killed(slow: Agency) -> None:
    """They stop in order; the same command waits for them, and then goes on."""
    running = slow.start()
    running.wait_for(slow.sandbox, 12)
    waited_for(lambda: all(lane.get("run_id") for lane in slow.rounds()["lanes"].values()))
    running.child.kill()
    assert running.ended().code == -signal.SIGKILL
    assert set(slow.codes().values()) == {None}
    goes_on(slow, in_flight=0)


def test_all_killed_at_once(slow: Agency) -> None:
    """An account that was published is not asked again, and of the others only what was in flight."""
    write_list(slow.folder / "acme.csv", people_of("acme", 2))
    slow.sandbox.control(latency_ms=60)
    running = slow.start()
    victim = slow.lane("globex")
    waited_for(lambda: slow.rounds()["lanes"]["acme"].get("code") == 0)
    waited_for(lambda: slow.answered_of(["globex"]) > 4)
    for pid in (running.child.pid, victim):
        os.kill(pid, signal.SIGKILL)
    assert running.ended().code == -signal.SIGKILL
    state = StateFolder.in_folder(slow.folder_of("globex"))
    waited_for(lambda: state.holder() is None)
    slow.sandbox.control(latency_ms=0)
    done = slow.run()
    assert (done.code, slow.codes()) == (0, dict.fromkeys(NAMES, 0)), done.err
    stats = slow.sandbox.stats()
    assert (stats["asked"], slow.answered_of(["acme"])) == (2 + PEOPLE, 2)
    assert stats["answered_twice_or_more"] <= CONCURRENCY + PEOPLE // 3
    assert [len(slow.runs(name)) for name in (*NAMES, "combined")] == [1, 1, 1]

"""One pace for all processes that use the same App: turns, the gate, and a file that cannot be used."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import resource
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.rate import interval_s
from pipeline.calls.shared_pace import SharedPace, boot_of, state_folder
from pipeline.settings import Settings


class Clock:
    """A clock that stands until it is moved; seconds."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class Process:
    """One process that shares the pace, and the rate in force in it."""

    pace: SharedPace
    clock: Clock
    rate_per_s: float


def process(folder: Path, clock: Clock, rate_per_s: float = 20, app: str = "app", boot: str | None = None) -> Process:
    """A process that shares the pace of `app`."""
    return Process(SharedPace(app, folder=folder, clock=clock, boot=boot), clock, rate_per_s)


def waits(*processes: Process) -> list[float]:
    """Seconds until each process's turn, queueing one after the other; slightly negative if it is due."""

    async def take() -> list[float]:
        return [(await one.pace.take_turn(one.rate_per_s)).start - one.clock() for one in processes]

    return asyncio.run(take())


def test_processes_take_turns(tmp_path: Path) -> None:
    """Two processes that queue in turn get every other interval."""
    clock = Clock()
    one, other = process(tmp_path, clock), process(tmp_path, clock)
    starts = waits(one, other, one, other)
    assert [later - earlier for earlier, later in itertools.pairwise(starts)] == pytest.approx([interval_s(20)] * 3)


def test_apps_do_not_share(tmp_path: Path) -> None:
    """Another App has its own pace."""
    clock = Clock()
    first, second = waits(process(tmp_path, clock), process(tmp_path, clock, app="another"))
    assert first == second


def test_a_process_that_dies_leaves_one_interval(tmp_path: Path) -> None:
    """A turn that nobody uses delays the next one by a single interval."""
    clock = Clock()
    waits(process(tmp_path, clock))
    clock.now += 10
    assert waits(process(tmp_path, clock)) <= [0]


def test_the_slow_do_not_slow_down_the_fast(tmp_path: Path) -> None:
    """The queue moves at the pace of the fastest process."""
    clock = Clock()
    fast, slow = process(tmp_path, clock, 20), process(tmp_path, clock, 1)
    starts = waits(fast, slow, fast, slow, fast)
    assert starts[-1] - starts[0] == pytest.approx(4 * interval_s(20))


def test_the_fast_are_forgotten_when_they_are_gone(tmp_path: Path) -> None:
    """Two seconds after the fast process's last call the slow ones share their own pace."""
    clock = Clock()
    waits(process(tmp_path, clock, 100))
    clock.now += 3
    one, other = waits(process(tmp_path, clock, 5), process(tmp_path, clock, 5))
    assert other - one == pytest.approx(interval_s(5))


def test_a_gate_closed_by_one_process_is_closed_for_all(tmp_path: Path) -> None:
    """After a 429 to one process the others wait too, those whose turn had come included."""
    clock = Clock()
    one, other = process(tmp_path, clock).pace, process(tmp_path, clock).pace

    async def close() -> tuple[bool, float, float | None]:
        turn = await other.take_turn(20)
        await one.close_gate(7)
        began = await other.begin(turn)
        state = await one.state()
        return began, (await other.take_turn(20)).start - clock(), state and state.closed_s

    began, wait_s, closed_s = asyncio.run(close())
    assert not began
    assert (wait_s, closed_s) == pytest.approx((7, 7))


def test_a_process_that_wakes_late_moves_the_queue_on(tmp_path: Path) -> None:
    """Calls behind one that started 30 milliseconds late keep their distance from it."""
    clock = Clock()
    one, other = process(tmp_path, clock).pace, process(tmp_path, clock).pace

    async def late() -> float:
        turn = await one.take_turn(20)
        clock.now = turn.start + 0.03
        assert await one.begin(turn)
        return (await other.take_turn(20)).start - clock.now

    assert asyncio.run(late()) == pytest.approx(interval_s(20) * 0.95)


def test_the_state_tells_whether_others_are_calling(tmp_path: Path) -> None:
    """Busy for two seconds after a turn was taken."""
    clock = Clock()
    one = process(tmp_path, clock)
    waits(one)
    states = [asyncio.run(one.pace.state())]
    clock.now += 3
    states.append(asyncio.run(one.pace.state()))
    assert [state and state.busy for state in states] == [True, False]


def test_a_reboot_is_noticed(tmp_path: Path) -> None:
    """A file from before a reboot, with a clock far ahead, delays nobody."""
    waits(process(tmp_path, Clock(900_000)))
    assert waits(process(tmp_path, Clock(60))) <= [0]


def test_machines_that_share_a_home_do_not_share_the_pace(tmp_path: Path) -> None:
    """Their clocks have nothing in common, so each has a file of its own, and neither waits for the other."""
    one = process(tmp_path, Clock(1_000), boot="one")
    other = process(tmp_path, Clock(900), boot="other")
    assert waits(one, other, one)[1] <= 0
    assert len([*tmp_path.iterdir()]) == 2


def test_a_later_boot_with_the_same_name_starts_anew(tmp_path: Path) -> None:
    """Where boots have no id, a gate that was closed for an hour before a reboot does not hold up anybody after it."""
    earlier = process(tmp_path, Clock(500), boot="host")
    asyncio.run(earlier.pace.close_gate(3_600))
    assert waits(earlier) == pytest.approx([3_600])
    assert waits(process(tmp_path, Clock(20), boot="host")) <= [0]


def test_a_boot_is_told_by_its_id_or_else_by_the_machine(tmp_path: Path) -> None:
    """Linux has an id for each boot; elsewhere the name of the machine must do."""
    boot = tmp_path / "boot_id"
    names = {boot_of("host", boot), boot_of("other", boot)}
    boot.write_text("4711\n")
    names.add(boot_of("host", boot))
    assert boot_of("other", boot) in names
    boot.write_text("4712\n")
    names.add(boot_of("host", boot))
    boot.write_bytes(b"\xff")
    assert boot_of("host", boot) in names
    assert len(names) == 4
    assert all(name.isalnum() for name in names)


def test_files_of_earlier_boots_are_removed(tmp_path: Path) -> None:
    """A week after the last call; files of other Apps, and those in use on another machine, stay."""
    for boot, app in (("old", "app"), ("recent", "app"), ("old", "another")):
        waits(process(tmp_path, Clock(), app=app, boot=boot))
    for path in tmp_path.glob("*-old"):
        os.utime(path, (0, 0))
    waits(process(tmp_path, Clock(), boot="new"))
    assert {path.name for path in tmp_path.iterdir()} == {"pace-app-recent", "pace-app-new", "pace-another-old"}


@given(content=st.binary(max_size=64))
def test_any_content_of_the_file_is_survived(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the file holds, nobody waits for more than two minutes, and turns are taken again."""
    folder = tmp_path_factory.mktemp("state")
    clock = Clock()
    waits(process(folder, clock))
    next(folder.iterdir()).write_bytes(content)
    first, second = waits(process(folder, clock), process(folder, clock))
    assert first <= 120
    assert second - first == pytest.approx(interval_s(20), rel=0.5)


def test_the_file_tells_nobody_which_app_it_is(tmp_path: Path) -> None:
    """The App id is neither in the name nor in the content of the file, which only its owner can read."""
    app = Settings.load({"app_id": "SECRET-APP"}, environ={}).app_hash()
    waits(process(tmp_path, Clock(), app=app))
    (file,) = tmp_path.iterdir()
    assert app not in ("", "SECRET-APP")
    assert "SECRET" not in file.name
    assert b"SECRET" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_state_folder_that_cannot_be_used_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a file to share every process keeps its own pace, and one warning says so."""
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    lonely = process(in_the_way / "state", Clock())
    assert waits(lonely, lonely, lonely) == [0, 0, 0]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_file_that_cannot_be_written_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """On a full disk, here one that takes no byte, every process keeps its own pace."""
    lonely = process(tmp_path, Clock())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, limits[1]))
    try:
        assert waits(lonely, lonely) == [0, 0]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert len(caplog.records) == 1


def test_a_lock_that_is_never_released_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process that was suspended while it held the lock stops nobody else; later the pace is shared again."""
    one = process(tmp_path, Clock())
    waits(one)
    (file,) = tmp_path.iterdir()
    descriptor = os.open(file, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        assert waits(one) <= [0]
    finally:
        os.close(descriptor)
    assert len(caplog.records) == 1
    assert waits(one, one)[1] > 0


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_STATE_HOME": "/var/state"}, Path("/var/state/lead-export")),
        ({"XDG_STATE_HOME": "not/absolute"}, Path.home() / ".local/state/lead-export"),
        ({}, Path.home() / ".local/state/lead-export"),
    ],
    ids=str,
)
def test_the_state_folder_is_the_users(environ: dict[str, str], expected: Path) -> None:
    """The file is in XDG_STATE_HOME, or where that is by default."""
    assert state_folder(environ) == expected


def test_a_symlink_instead_of_the_file_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody can make a process overwrite another file; it keeps its own pace."""
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    (tmp_path / "pace-app-boot").symlink_to(precious)
    assert waits(process(tmp_path, Clock(), boot="boot")) == [0]
    assert precious.read_text() == "as it was"
    assert len(caplog.records) == 1

"""One pace for all processes that use the same App: the file, its clock and its trouble."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.calls.shared import SharedPace, state_folder
from pipeline.calls.spacing import interval_s
from pipeline.settings import Settings


class Clock:
    """A clock that stands until it is moved; seconds."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time."""
        return self.now


def member(folder: Path, clock: Clock, rate_per_s: float = 20, app: str = "app") -> SharedPace:
    """One process's end of the pace."""
    return SharedPace(app, rate_per_s, folder=folder, clock=clock)


def waits(*members: SharedPace) -> list[float]:
    """How long from now each member's turn is, one after the other; a little less than 0 if it is due."""

    async def take() -> list[float]:
        return [(await one.take())[0] - one._clock() for one in members]

    return asyncio.run(take())


def test_members_take_turns(tmp_path: Path) -> None:
    """Two processes that ask in turn get every other interval."""
    clock = Clock()
    one, other = member(tmp_path, clock), member(tmp_path, clock)
    starts = waits(one, other, one, other)
    assert [later - earlier for earlier, later in itertools.pairwise(starts)] == pytest.approx([interval_s(20)] * 3)


def test_apps_do_not_share(tmp_path: Path) -> None:
    """Another App has a pace of its own."""
    clock = Clock()
    first, second = waits(member(tmp_path, clock), member(tmp_path, clock, app="another"))
    assert first == second


def test_a_member_that_dies_leaves_one_interval(tmp_path: Path) -> None:
    """A turn that nobody uses delays the next by one interval only."""
    clock = Clock()
    waits(member(tmp_path, clock))
    clock.now += 10
    assert waits(member(tmp_path, clock)) <= [0]


def test_the_slow_do_not_slow_down_the_fast(tmp_path: Path) -> None:
    """The queue moves at the pace of the fastest member."""
    clock = Clock()
    fast, slow = member(tmp_path, clock, 20), member(tmp_path, clock, 1)
    starts = waits(fast, slow, fast, slow, fast)
    assert starts[-1] - starts[0] == pytest.approx(4 * interval_s(20))


def test_the_fast_are_forgotten_when_they_are_gone(tmp_path: Path) -> None:
    """Two seconds after the fast member's last call the slow ones share their own pace."""
    clock = Clock()
    waits(member(tmp_path, clock, 100))
    clock.now += 3
    one, other = waits(member(tmp_path, clock, 5), member(tmp_path, clock, 5))
    assert other - one == pytest.approx(interval_s(5))


def test_a_gate_closed_by_one_is_closed_for_all(tmp_path: Path) -> None:
    """After a 429 to one process the others wait too."""
    clock = Clock()
    one, other = member(tmp_path, clock), member(tmp_path, clock)

    async def close() -> tuple[bool, float]:
        start, _ = await other.take()
        await one.close_gate(7)
        return await other.begin(start), (await other.take())[1]

    began, wait_s = asyncio.run(close())
    assert not began
    assert wait_s == pytest.approx(7)


def test_a_member_that_wakes_late_moves_the_queue_on(tmp_path: Path) -> None:
    """Calls behind one that started 30 milliseconds late keep their distance to it."""
    clock = Clock()
    one, other = member(tmp_path, clock), member(tmp_path, clock)

    async def late() -> float:
        start, _ = await one.take()
        clock.now = start + 0.03
        assert await one.begin(start)
        return (await other.take())[0] - clock.now

    assert asyncio.run(late()) == pytest.approx(interval_s(20) * 0.95)


def test_a_reboot_is_noticed(tmp_path: Path) -> None:
    """A file from before a reboot, with a clock far ahead, delays nobody."""
    waits(member(tmp_path, Clock(900_000)))
    assert waits(member(tmp_path, Clock(60))) <= [0]


@given(content=st.binary(max_size=64))
def test_any_content_of_the_file_is_survived(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever stands in the file, nobody waits for more than two minutes, and turns are taken again."""
    folder = tmp_path_factory.mktemp("state")
    clock = Clock()
    waits(member(folder, clock))
    next(folder.iterdir()).write_bytes(content)
    first, second = waits(member(folder, clock), member(folder, clock))
    assert first <= 120
    assert second - first == pytest.approx(interval_s(20), rel=0.5)


def test_the_file_tells_nobody_which_app_it_is(tmp_path: Path) -> None:
    """The App id stands neither in the name nor in the file, which only its owner can read."""
    app = Settings.load({"app_id": "SECRET-APP"}, environ={}).app_hash()
    waits(member(tmp_path, Clock(), app=app))
    (file,) = tmp_path.iterdir()
    assert app not in ("", "SECRET-APP")
    assert "SECRET" not in file.name
    assert b"SECRET" not in file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_state_folder_that_cannot_be_used_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a file to share every process keeps its own pace, and one warning says so."""
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    lonely = member(in_the_way / "state", Clock())
    assert waits(lonely, lonely, lonely) == [0, 0, 0]
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_a_full_disk_is_survived(caplog: pytest.LogCaptureFixture) -> None:
    """When the file cannot be written the own pace is kept."""
    lonely = member(Path("/dev"), Clock())
    lonely._path = Path("/dev/full")
    assert waits(lonely, lonely) == [0, 0]
    assert len(caplog.records) == 1


def test_a_lock_that_is_never_let_go_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A process that was stopped with the lock in its hand stops nobody else; afterwards the pace is shared again."""
    one = member(tmp_path, Clock())
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


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Somebody else's link leads to no file of ours being written over; the own pace is kept."""
    precious = tmp_path / "precious"
    precious.write_text("as it was")
    (tmp_path / "pace-app").symlink_to(precious)
    assert waits(member(tmp_path, Clock())) == [0]
    assert precious.read_text() == "as it was"
    assert len(caplog.records) == 1

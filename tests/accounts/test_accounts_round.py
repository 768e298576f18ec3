"""What is kept of a round, whether the next command goes on with it, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.accounts.protocol import Event, LaneRequest, decoded
from pipeline.accounts.round import (
    SAME_NIGHT_H,
    VERSION,
    WORST_FIRST,
    LaneRecord,
    Round,
    code_of,
    read_round,
    worst,
    write_round,
)
from pipeline.errors import ExitCode
from pipeline.outcomes import iso

if TYPE_CHECKING:
    from pathlib import Path

BEGAN_MS = 1_800_000_000_000
HOUR_MS = 3_600_000


def round_of(*codes: int | None, ended: bool = True, exit_code: int | None = None) -> Round:
    """A round over accounts that ended with these codes."""
    lanes = {f"lane{n}": LaneRecord(out=f"out{n}", code=code, published=code == 0) for n, code in enumerate(codes)}
    return Round(
        version=VERSION,
        started_at=iso(BEGAN_MS),
        ended_at=iso(BEGAN_MS + 1) if ended else None,
        exit_code=worst(code or 0 for code in codes) if exit_code is None else exit_code,
        asked=list(lanes),
        lanes=lanes,
    )


@pytest.mark.parametrize(
    ("found", "hours", "goes_on"),
    [
        (round_of(0, 0), 1, False),
        (round_of(0, 4, 5, 6, 9), 1, False),
        (round_of(0, None, ended=False), 1, True),
        (round_of(0, None, ended=False), SAME_NIGHT_H + 0.1, False),
        (round_of(0, 143, exit_code=143), 1, True),
        (round_of(0, 130), 1, True),
        (round_of(0, 137), SAME_NIGHT_H - 0.1, True),
        (round_of(0, 0, exit_code=143), 1, True),
    ],
)
def test_only_an_interrupted_round_of_this_night_goes_on(found: Round, hours: float, goes_on: bool) -> None:
    """Killed, or stopped by a signal: yes, for half a day; ended with whatever code: no."""
    assert found.goes_on(found.asked, BEGAN_MS + int(hours * HOUR_MS)) is goes_on
    assert not found.goes_on([*found.asked, "another"], BEGAN_MS)


def test_a_round_is_kept(tmp_path: Path) -> None:
    """Read as it was written, by its owner alone; what cannot be read, or is of another version, is none."""
    found = round_of(0, 4, None)
    assert read_round(tmp_path) is None
    write_round(tmp_path, found)
    assert read_round(tmp_path) == found
    path = tmp_path / "lanes.json"
    assert path.stat().st_mode & 0o777 == 0o600
    for content in (path.read_bytes()[:40], path.read_bytes().replace(b'"version": 1', b'"version": 99'), b"[]"):
        path.write_bytes(content)
        assert read_round(tmp_path) is None


@given(st.lists(st.sampled_from(WORST_FIRST), min_size=1))
def test_the_exit_code_is_the_worst(codes: list[ExitCode]) -> None:
    """First what somebody has to mend, then what the same command mends, then what was published."""
    assert worst(codes) == min(codes, key=WORST_FIRST.index)


def test_every_exit_code_has_its_place() -> None:
    """Each documented code once; those that killed processes give count as stopped, unknown ones as a bug."""
    assert sorted(WORST_FIRST) == sorted(ExitCode)
    assert [int(code) for code in WORST_FIRST] == [1, 6, 4, 5, 2, 9, 143, 130, 7, 8, 3, 0]
    assert (code_of(-9), worst([137, 3]), worst([77, 6]), worst([])) == (137, 143, 1, 0)


@given(st.binary())
def test_what_is_no_event_is_none(line: bytes) -> None:
    """A line of anything else is ignored."""
    event = decoded(line)
    assert event is None or isinstance(event, Event)


def test_a_request_is_one_line() -> None:
    """Whatever paths and secrets hold, there is one line feed, at the end."""
    request = LaneRequest(settings={"api_key": "a\nb"}, lists=["a\nb.csv"], out="ö", command="x\ny")
    assert request.encoded().count(b"\n") == 1

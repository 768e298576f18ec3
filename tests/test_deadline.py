"""What the setting `deadline` means, in every zone and in nights with 23 or 25 hours."""

from __future__ import annotations

import json
import subprocess
import sys
import zoneinfo
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.settings import Settings
from pipeline.settings.deadline import deadline_at, is_time_of_day

if TYPE_CHECKING:
    from pathlib import Path

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = st.sampled_from(sorted(zoneinfo.available_timezones())).map(ZoneInfo)
INSTANTS = st.datetimes(datetime(1971, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - see timezones
TIMES = st.times().map(lambda time: time.strftime("%H:%M"))


def utc(text: str) -> datetime:
    """An instant."""
    return datetime.fromisoformat(text).astimezone(UTC)


@given(TIMES, INSTANTS, ZONES)
def test_a_time_of_day_is_the_next_one(text: str, now: datetime, zone: ZoneInfo) -> None:
    """After now, at most a day and a shift of the clock away, and the clock shows it unless it skips it."""
    found = deadline_at(text, now, zone)
    assert found.tzinfo is UTC
    assert timedelta(0) < found - now <= timedelta(days=2)
    shown = found.astimezone(zone)
    if shown.strftime("%H:%M") == text:
        assert found - now <= timedelta(hours=26)
    else:  # skipped: what the clock shows is later by what it was moved on
        before = (found - timedelta(days=1)).astimezone(zone).utcoffset()
        after = (found + timedelta(days=1)).astimezone(zone).utcoffset()
        assert before is not None
        assert after is not None
        assert before != after


@given(TIMES, INSTANTS, ZONES)
def test_no_earlier_time_of_day_is_passed_over(text: str, now: datetime, zone: ZoneInfo) -> None:
    """Between now and the deadline the clock shows that time at most for the second time in a night."""
    found = deadline_at(text, now, zone)
    minute = (now + timedelta(minutes=1)).replace(second=0, microsecond=0)
    while minute < found:
        shown = minute.astimezone(zone)
        assert shown.strftime("%H:%M") != text or shown.fold or shown.second
        minute += timedelta(minutes=1 if abs((found - minute).total_seconds()) < 7_500 else 7)


@pytest.mark.parametrize(
    ("now", "text", "expected"),
    [
        ("2026-03-28T23:00+01:00", "06:00", "2026-03-29T04:00Z"),  # six hours, in a night that lost one
        ("2026-10-24T23:00+02:00", "06:00", "2026-10-25T05:00Z"),  # eight hours
        ("2026-03-28T23:00+01:00", "02:30", "2026-03-29T01:30Z"),  # skipped: the clock then shows 03:30
        ("2026-10-24T23:00+02:00", "02:30", "2026-10-25T00:30Z"),  # twice: the first
        ("2026-10-25T02:40+02:00", "02:30", "2026-10-26T01:30Z"),  # the first is over, and the second does not count
        ("2026-11-24T06:05+01:00", "06:00", "2026-11-25T05:00Z"),
        ("2026-11-24T06:00+01:00", "06:00", "2026-11-25T05:00Z"),
        ("2026-11-24T05:59+01:00", "6:00", "2026-11-24T05:00Z"),
        ("2026-11-24T05:59+01:00", "2026-11-24T05:00:00.5Z", "2026-11-24T05:00:00.500Z"),
        ("2026-11-24T05:59+01:00", "2020-01-01T00:00+01:00", "2019-12-31T23:00Z"),
    ],
)
def test_nights_of_berlin(now: str, text: str, expected: str) -> None:
    """Whole nights, those in which the clock is moved, and instants, which are what they say."""
    assert deadline_at(text, utc(now), BERLIN) == utc(expected)


_ASKED = """
import json, sys
from datetime import datetime
from pipeline.settings.deadline import deadline_at
print(json.dumps([deadline_at(text, datetime.fromisoformat(now)).isoformat() for now, text in json.loads(sys.argv[1])]))
"""


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"])
def test_the_zone_of_the_machine_counts(zone: str) -> None:
    """Without a zone a time of day means what it would in the zone that the machine is set to, whatever the night."""
    starts = [datetime(2026, 1, 1, 20, tzinfo=UTC) + timedelta(hours=7 * n) for n in range(1_250)]
    asked = [(now.isoformat(), f"{n % 24:02}:{n * 7 % 60:02}") for n, now in enumerate(starts)]
    words = [sys.executable, "-c", _ASKED, json.dumps(asked)]
    done = subprocess.run(words, env={"TZ": zone, "PYTHONPATH": ":".join(sys.path)}, capture_output=True, check=True)
    expected = [deadline_at(text, utc(now), ZoneInfo(zone)).isoformat() for now, text in asked]
    assert json.loads(done.stdout) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "25:00",
            "6",
            "06:00:99",
            "06:60",
            "24:00",
            "-1:00",
            "06:00+01:00",
            "now",
            "\u0660\u0666:00",
            " 06:00",
            "NaN",
        ),
        *("2026-11-24T06:00", "2026-13-01T00:00Z", "0001-01-01T00:00+14:00"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """Whatever is neither is one sentence with examples of both."""
    with pytest.raises(UsageError) as error:
        Settings.load({"deadline": text}, environ={})
    assert str(error.value) == (
        "--deadline: must be a time of day such as 06:00, or an instant with its offset such as 2026-11-24T06:00+01:00."
    )


@given(st.text())
def test_any_text_is_taken_or_refused(text: str) -> None:
    """With a sentence, never with another error; what is taken means an instant."""
    try:
        given_ = Settings.load({"deadline": text}, environ={}).deadline
    except UsageError:
        return
    if given_ is not None:
        assert deadline_at(given_, utc("2026-11-24T05:59Z"), BERLIN)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('"06:00"', "06:00"),
        ("06:00:00", "06:00"),
        ('""', None),
        ("2026-11-24T06:00:00+01:00", "2026-11-24T06:00:00+01:00"),
    ],
)
def test_a_file_may_have_times_of_its_own(tmp_path: Path, written: str, expected: str | None) -> None:
    """TOML has times of day and instants."""
    file = tmp_path / "job.toml"
    file.write_text(f"deadline = {written}\n")
    assert Settings.load(config=file, environ={}).deadline == expected


def test_only_a_time_of_day_comes_again() -> None:
    """An instant is over once it is."""
    assert is_time_of_day("06:00")
    assert not is_time_of_day("2026-11-24T06:00+01:00")

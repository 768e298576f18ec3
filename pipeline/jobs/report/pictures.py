"""From numbers to shapes: positions in percent of a picture's width, so that text keeps its size on any screen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from pipeline.jobs.report.facts import milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pipeline.jobs.call_facts import Spell
    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.report.facts import Pace

PLOT_TOP, PLOT_BOTTOM = 26.0, 170.0
"""Where the plots of pace and attempts begin and end, in pixels from the top."""
_LEAST_PIXELS = 3.0
"""The height of a column that is not zero."""


class Box(NamedTuple):
    """A rectangle: `x` and `width` in percent of the picture's width, `y` and `height` in pixels."""

    x: float
    width: float
    y: float
    height: float
    kind: str
    text: str


class Line(NamedTuple):
    """A horizontal line, `y` pixels from the top, with its label."""

    y: float
    label: str


@dataclass(frozen=True, slots=True)
class PacePicture:
    """Answers a second over time.

    Attributes:
        columns: one for each bucket.
        throttled: when calls were refused with 429.
        outages: when the API gave no usable answer.
        grid: lines at round numbers of answers a second.
        limit: the line of the configured limit; None if there is none.
        times: labels at the start, in the middle and at the end.
        bucket_s: seconds that a column stands for.
        peak_per_s: answers a second in the highest column.
    """

    columns: list[Box]
    throttled: list[Box]
    outages: list[Box]
    grid: list[Line]
    limit: Line | None
    times: tuple[str, str, str]
    bucket_s: float
    peak_per_s: float


def stacked(values: Mapping[str, float], words: Mapping[str, str]) -> list[Box]:
    """One bar over the whole width, a box for each value above zero."""
    total = sum(values.values()) or 1
    boxes, x = [], 0.0
    for kind, value in values.items():
        width = 100 * value / total
        if width:
            boxes.append(Box(x, width, 0, 0, kind, words.get(kind, kind)))
        x += width
    return boxes


def pace_picture(pace: Pace, manifest: Manifest) -> PacePicture:
    """The picture of an attempt's pace, with the trouble that its manifest tells of."""
    rates = [count / pace.bucket_s for count in pace.counts]
    limit = manifest.rate.limit_per_s
    # A limit far above the pace would press the columns flat; it is then said in words only.
    shown = limit if limit and limit <= 4 * max(rates) else 0.0
    step = round_step(max([*rates, shown]))
    top = step * math.ceil(max([*rates, shown]) * 1.02 / step)
    width = 100 / len(rates)
    columns = [
        Box(n * width, width, *_column(rate, top), "answers", f"{_clock(pace, n)} UTC: {rate:.1f} per second")
        for n, rate in enumerate(rates)
    ]
    grid = [Line(_y(step * n, top), f"{step * n:g}") for n in range(1, round(top / step) + 1)]
    trouble = manifest.trouble
    return PacePicture(
        columns=columns,
        throttled=_spells(trouble.throttled if trouble else (), pace, "throttled", "429 for {} of the calls"),
        outages=_spells(trouble.outages if trouble else (), pace, "outage", "no usable answer"),
        grid=grid,
        limit=Line(_y(shown, top), f"limit {limit:g} per second") if shown else None,
        times=(_clock(pace, 0), _clock(pace, len(rates) / 2), _clock(pace, len(rates))),
        bucket_s=pace.bucket_s,
        peak_per_s=max(rates),
    )


def attempt_columns(heights: Sequence[float], kinds: Iterable[str], texts: Iterable[str], places: int) -> list[Box]:
    """A column for each attempt, the newest at the right of as many places; one without rows is a stub."""
    width, top = 100 / places, max(heights, default=0) or 1
    first = places - len(heights)
    return [
        Box((first + n) * width, width, *_column(max(height, top * 1e-9), top), kind, text)
        for n, (height, kind, text) in enumerate(zip(heights, kinds, texts, strict=True))
    ]


def round_step(most: float) -> float:
    """The distance of about four grid lines up to `most`: 1, 2 or 5 times a power of ten."""
    raw = max(most, 1e-9) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= raw * 0.999)


def _column(value: float, top: float) -> tuple[float, float]:
    """Top and height in pixels."""
    height = max(_LEAST_PIXELS, (PLOT_BOTTOM - PLOT_TOP) * value / top) if value else 0.0
    return PLOT_BOTTOM - height, height


def _y(value: float, top: float) -> float:
    return PLOT_BOTTOM - (PLOT_BOTTOM - PLOT_TOP) * value / top


def _spells(spells: Iterable[Spell], pace: Pace, kind: str, text: str) -> list[Box]:
    """When something happened, as far as it is within the picture."""
    length_ms, boxes = pace.end_ms - pace.start_ms, []
    for spell in spells:
        since, until = (
            min(max((milliseconds(moment) - pace.start_ms) / length_ms, 0.0), 1.0)
            for moment in (spell.since, spell.until)
        )
        times = f"{spell.since[11:19]} to {spell.until[11:19]} UTC: {text.format(f'{spell.times:,}')}"
        boxes.append(Box(100 * since, 100 * (until - since), 0, 0, kind, times))
    return boxes


def _clock(pace: Pace, bucket: float) -> str:
    """The time at the start of a bucket, with seconds only where a bucket is shorter than a minute."""
    moment = datetime.fromtimestamp(pace.start_ms / 1000 + bucket * pace.bucket_s, UTC)
    return f"{moment:%H:%M}" if pace.end_ms - pace.start_ms >= 3_600_000 else f"{moment:%H:%M:%S}"

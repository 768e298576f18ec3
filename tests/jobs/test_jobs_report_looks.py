"""How the report looks: its colours on paper and in the dark, and in a real browser on a phone and on a desk."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING

import pytest
from browser import CHROMIUM, tab
from report_runs import published

from pipeline.jobs.report.write import report

if TYPE_CHECKING:
    from pathlib import Path

TEXT = ("ink", "soft", "blue", "bad")
"""Colours of text on the page's own."""
MARKS = ("good", "partly", "bad")
"""Colours under a mark."""
SHAPES = (*MARKS, "blue", "slate", "violet", "grey", "sand")
TALLEST = """
[...document.querySelectorAll('main *')].filter(e => !e.closest('svg') && e.scrollWidth > e.clientWidth + 1
  && getComputedStyle(e).display != 'inline').map(e => e.outerHTML.slice(0, 80))
"""
"""Elements whose content is wider than they are."""


def palettes() -> dict[str, dict[str, str]]:
    """The colours of the style sheet by name, in daylight, in the dark and in print."""
    style = resources.files("pipeline.jobs.report").joinpath("page.css").read_text(encoding="utf-8")
    roots = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
    assert len(roots) == 3
    return dict(
        zip(("light", "dark", "print"), (dict(re.findall(r"--(\w+): (#\w+)", root)) for root in roots), strict=True)
    )


def contrast(one: str, other: str) -> float:
    """The contrast of two colours as WCAG 2 defines it, 1 to 21."""
    darker, lighter = sorted(map(_luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    digits = colour.removeprefix("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_everything_can_be_told_from_the_paper(scheme: str) -> None:
    """Text has a contrast of at least 4.5, a shape of at least 3, as WCAG 2 asks for."""
    colours = palettes()[scheme]
    faint = {name: round(contrast(colours[name], colours["paper"]), 2) for name in (*TEXT, *SHAPES)}
    assert {name: value for name, value in faint.items() if value < (4.5 if name in TEXT else 3)} == {}
    assert {name for name in MARKS if contrast(colours[name], colours["onmark"]) < 3} == set()


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (Debian: apt-get install chromium)")
async def test_a_browser_shows_it_on_a_phone_and_on_a_desk(tmp_path: Path) -> None:
    """At 360 and 1,280 pixels, light and dark: no complaint, no request, nothing wider than the window."""
    out = tmp_path / "report.html"
    report(published(tmp_path / "out", 300), out)
    pictures = set()
    async with tab(tmp_path / "profile") as page:
        for width in (360, 1280):
            for scheme in ("light", "dark"):
                await page.open(out, width=width, scheme=scheme)
                await page.value("document.querySelectorAll('details').forEach(each => each.open = true)")
                assert await page.value("document.documentElement.scrollWidth") <= width
                assert await page.value(TALLEST) == []
                assert await page.value("getComputedStyle(document.querySelector('main')).maxWidth") != "none"
                pictures.add(await page.screenshot())
        assert page.complaints == []
    assert len(pictures) == 4

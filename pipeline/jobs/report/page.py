"""The page: numbers and pictures filled into the template; its policy allows its own style sheet and no more."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.jobs.report import pictures, words
from pipeline.jobs.report.facts import ATTEMPTS
from pipeline.jobs.report.public_settings import public_settings
from pipeline.reporters.ending import is_success
from pipeline.reporters.history import published_bytes
from pipeline.words import counted, duration

if TYPE_CHECKING:
    import jinja2

    from pipeline.jobs.manifest import Manifest
    from pipeline.jobs.report.facts import Facts, Fill
    from pipeline.reporters.history import Attempt

MIN_CALLS = 20
"""With fewer calls, their pace and what it was limited by say nothing."""
MAX_NAMES = 15
"""Reasons, keys and columns that are named in a list; of the rest there is the number."""


class Count(NamedTuple):
    """One line of a list: a name, what it means, how often, and its share of the longest bar."""

    name: str
    words: str
    times: int
    share: float


class Counts(NamedTuple):
    """The most frequent names, and how many names there are beyond them."""

    shown: list[Count]
    others: int


class Columns(NamedTuple):
    """The columns of a table by how filled they are; `some` are those with values in some rows, most first."""

    fill: Fill
    always: list[str]
    never: list[str]
    some: list[Count]


class Night(NamedTuple):
    """One attempt in the list of the last ones; `kind` is good, partly or bad."""

    started_at: str
    kind: str
    ended: str
    read: int
    found: int
    failed: int
    duration_s: float


def render(manifest: Manifest, facts: Facts) -> bytes:
    """The report as UTF-8."""
    style = _resource("page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    text = _template().render(
        manifest=manifest,
        facts=facts,
        style=style,
        fills=_fills(style),
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        **_parts(manifest, facts),
    )
    return text.encode()


def _fills(style: str) -> dict[str, str]:
    """The colour of each kind of shape in daylight, for servers that drop style sheets."""
    colours = dict(re.findall(r"--(\w+): (#\w+)", style.partition("@media")[0]))
    rules = re.findall(r"^([.\w, ]+) \{ fill: var\(--(\w+)\)", style, re.MULTILINE)
    return {kind: colours[name] for kinds, name in rules for kind in re.findall(r"\.(\w+)", kinds)}


def _parts(manifest: Manifest, facts: Facts) -> dict[str, Any]:
    """What the template shows, part by part."""
    outcomes = manifest.rows.by_outcome()
    is_worth_telling = manifest.calls.sent >= MIN_CALLS
    shares = {**manifest.speed.time_shares}
    shares["rest"] = max(0.0, round(1 - sum(shares.values()), 3))
    drift, nights = manifest.drift, _nights(manifest, facts.attempts)
    settings = public_settings(manifest.settings)
    return {
        "kind": _kind(manifest),
        "name": words.name(manifest.settings.get("name")),
        "outcomes": outcomes,
        "outcome_boxes": pictures.stacked(outcomes, {}),
        "pace": pictures.pace_picture(facts.pace, manifest) if facts.pace and is_worth_telling else None,
        "shares": shares if is_worth_telling else {},
        "share_boxes": pictures.stacked(shares, {}),
        "failed": _reasons(manifest, "failed"),
        "invalid": _reasons(manifest, "invalid"),
        "unknown_keys": _counts(drift.unknown_keys if drift else {}),
        "unreadable": _counts(drift.unreadable_values if drift else {}),
        "tables": [_columns(fill) for fill in facts.fills],
        "nights": nights,
        "night_boxes": _night_boxes(nights),
        "places": ATTEMPTS,
        "changed": [setting for setting in settings if setting.is_changed],
        "unchanged": [setting for setting in settings if not setting.is_changed],
        "bytes": published_bytes(manifest.to_dict()),
    }


def _kind(manifest: Manifest) -> str:
    if manifest.status == "complete":
        return "good"
    return "partly" if is_success(manifest.to_dict()) else "bad"


def _reasons(manifest: Manifest, outcome: str) -> Counts:
    return _counts(manifest.codes.get(outcome, {}))


def _counts(counts: dict[str, int]) -> Counts:
    """The most frequent first; names that are equally frequent in alphabetical order."""
    counts = words.named(counts)
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    most = max(counts.values(), default=0) or 1
    shown = [Count(name, words.reason(name), count, count / most) for name, count in ranked[:MAX_NAMES]]
    return Counts(shown, len(ranked) - len(shown))


def _columns(fill: Fill) -> Columns:
    columns = fill.columns or {}
    some = [Count(name, "", count, count / fill.rows) for name, count in columns.items() if 0 < count < fill.rows]
    return Columns(
        fill,
        always=[name for name, count in columns.items() if count == fill.rows],
        never=[name for name, count in columns.items() if not count],
        some=sorted(some, key=lambda column: -column.times),
    )


def _nights(manifest: Manifest, attempts: list[Attempt]) -> list[Night]:
    """The attempts before, and this one, oldest first."""
    nights = []
    for attempt in attempts:
        rows = attempt.rows
        kind = "good" if attempt.exit_code == 0 else "partly" if attempt.is_success else "bad"
        read, found, failed = (rows.get(name, 0) for name in ("read", "found", "failed"))
        nights.append(Night(attempt.started_at, kind, words.ended(attempt), read, found, failed, attempt.duration_s))
    rows_ = manifest.rows
    ended = words.ENDINGS[manifest.exit_code]
    return [
        *nights,
        Night(manifest.started_at, _kind(manifest), ended, rows_.read, rows_.found, rows_.failed, manifest.duration_s),
    ]


def _night_boxes(nights: list[Night]) -> list[pictures.Box]:
    texts = (f"{night.started_at[:16].replace('T', ' ')} UTC: {night.ended}, {night.found:,} found" for night in nights)
    return pictures.attempt_columns(
        [night.found for night in nights], [night.kind for night in nights], texts, ATTEMPTS
    )


@cache
def _template() -> jinja2.Template:
    """The template; Jinja2 is loaded only where a report is made."""
    import jinja2
    from markupsafe import Markup, escape

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": lambda number: f"{number:,}",
        "percent": words.percent,
        "breakable": lambda name: Markup("<wbr>").join(re.split(r"(?<=[._])", name)),
        "duration": duration,
        "size": words.size,
        "pixels": lambda number: f"{number:.1f}".removesuffix(".0"),
        "place": lambda number: f"{number:.2f}".rstrip("0").rstrip(".") + "%",
    }
    environment.filters["marked"] = lambda text: Markup(re.sub(r"`(\w+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped
    environment.globals |= {"words": words, "counted": counted}
    return environment.get_template("page.html")


def _resource(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")

"""An ending in words, for pings and notifications: the verdict and the tally first, because long texts are cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import ExitCode
from pipeline.outcomes import Outcome
from pipeline.reporters.history import by_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.reporters.ending import Ending, Manifest


def verdict(ending: Ending) -> str:
    """`SUCCESS`, `FAILURE`, or `BUSY` if another run was at work; services can search for these words."""
    if ending.exit_code == ExitCode.BUSY:
        return "BUSY"
    return "SUCCESS" if ending.is_success else "FAILURE"


def body(ending: Ending) -> str:
    """Everything that a person on duty needs, without a name, an address or a credential."""
    return "\n".join(_lines(ending)) + "\n"


def _lines(ending: Ending) -> Iterator[str]:
    yield f"{verdict(ending)} exit code {ending.exit_code}"
    yield " ".join(ending.sentence.split())
    if ending.manifest is not None:
        yield from _tally(ending.manifest)
    yield from (" ".join(note.split()) for note in ending.notes)
    yield f"took {ending.duration_s:.0f} s"


def _tally(manifest: Manifest) -> Iterator[str]:
    counts = [f"{name}={count}" for name, count in manifest["rows"].items() if count is not None]
    yield f"rows: {' '.join(counts)}"
    if failed := manifest.get("codes", {}).get(Outcome.FAILED):
        yield f"failed with: {' '.join(f'{code}={count}' for code, count in list(failed.items())[:5])}"
    calls, rate = manifest["calls"], manifest["rate"]
    yield f"calls: {' '.join(f'{kind}={count}' for kind, count in calls.items())} per_s={rate['achieved_per_s']:g}"
    drift = manifest.get("drift") or {}
    for what in ("unknown_keys", "unreadable_values"):
        if names := drift.get(what):
            yield f"{what.replace('_', ' ')}: {' '.join(f'{table}={n}' for table, n in by_table(names).items())}"

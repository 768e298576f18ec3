"""What a run says about answers that it has from earlier ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.jobs.freshness import Freshness


def carried_lines(freshness: Freshness | None) -> Iterator[str]:
    """How many answers were carried over, and how old they are, as a line; nothing if all are of this run."""
    if freshness is None or not freshness.carried + freshness.refresh_failed:
        return
    kept = f", and {freshness.refresh_failed:,} kept as asking again failed" if freshness.refresh_failed else ""
    yield f"{counted(freshness.carried, 'answer')} of earlier runs carried over{kept}; {ages(freshness)}"


def ages(freshness: Freshness) -> str:
    """How old the answers of a run are: `all of tonight`, or `up to 2 nights old`."""
    oldest = max(map(int, freshness.ages), default=0)
    return f"all up to {counted(oldest, 'night')} old" if oldest else "all of tonight"

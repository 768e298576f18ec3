"""What a run says about what it fell short of, and about the limit that has ended it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.jobs.freshness import Freshness
    from pipeline.jobs.manifest import Manifest


def shortcomings(manifest: Manifest) -> Iterator[str]:
    """What keeps a published run from being as fresh as it should be, but for failed rows: parts of a sentence."""
    rows, freshness = manifest.rows, manifest.freshness
    if rows.pending:
        yield f"{rows.pending:,} of {rows.read:,} rows are pending{_because(freshness)}"
    if freshness is None:
        return
    if freshness.overdue:
        are = "is" if freshness.overdue == 1 else "are"
        yield f"{counted(freshness.overdue, 'answer')} {are} older than max_age_days"
    if freshness.refresh_failed:
        keeps = "keeps" if freshness.refresh_failed == 1 else "keep"
        yield f"{counted(freshness.refresh_failed, 'address')} {keeps} an older answer, as asking again failed"


def limit_lines(freshness: Freshness | None) -> Iterator[str]:
    """What has ended the calls before everybody was asked, as a line; nothing if that is not so."""
    if freshness is not None and freshness.ended_by != "done":
        yield f"{_limit(freshness)} ended the calls; the next run goes on where they did"


def _because(freshness: Freshness | None) -> str:
    if freshness is None or freshness.ended_by == "done":
        return ""
    came = "came first" if freshness.ended_by == "deadline" else "allows no more calls"
    return f", as {_limit(freshness)} {came}"


def _limit(freshness: Freshness) -> str:
    if freshness.ended_by == "max_calls" or freshness.deadline is None:
        return "max_calls"
    return f"the deadline ({shown(freshness.deadline)})"


def shown(moment: str) -> str:
    """An instant of a manifest for a person."""
    return f"{moment[:16].replace('T', ' ')} UTC"

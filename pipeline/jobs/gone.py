"""Guards against a night in which leads are gone by the dozen, as if an account had lost them.

Such a run is not published. The answers are kept, and whoever knows that the leads are gone publishes them without a
call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.errors import LeadsGone

if TYPE_CHECKING:
    from pipeline.history.matching import Tally
    from pipeline.jobs.freshness import EndedBy
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

FEW = 20
"""Leads that may always be gone, whatever share of all they are."""
ACCEPT = "--accept-gone"


def check_gone(tally: Tally, since_run: str | None, settings: Settings) -> None:
    """Refuse to publish a run in which implausibly many leads are gone since another one.

    Raises:
        LeadsGone: there are more than 20 of them, and more than the share that `max_gone_share` allows.
    """
    gone, asked = tally.gone, tally.asked_again
    if gone <= max(FEW, settings.max_gone_share * asked):
        return
    raise LeadsGone(
        f"{gone:,} of {asked:,} leads that were asked for again are gone since the run {since_run}"
        f" ({gone / asked:.0%}, and max_gone_share allows {settings.max_gone_share:.0%}), so nothing was published; if"
        f" they are gone in Kartra, too, publish it with {ACCEPT}, without a call, else ask everybody again with --new"
    )


def is_accepted(stop_code: str | None, settings: Settings) -> bool:
    """Whether a run that stopped with this code did so because leads were gone, and any number of them is accepted now.

    There is nothing to ask for then, not even for what failed, however long ago it stopped.
    """
    return stop_code == LeadsGone.code and settings.max_gone_share == 1


def ended_before(journal: Journal) -> EndedBy:
    """What had ended the calls of such a run.

    Raises:
        StorageError: the journal cannot be read.
    """
    seen = journal.summary()
    if seen.to_ask <= seen.failed:  # and so was asked for
        return "done"
    return "max_calls" if seen.run.deadline_ms is None else "deadline"

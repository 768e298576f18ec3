"""What a new run takes over from earlier ones, and what that leaves to be asked: both before its first call."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import StorageError, UsageError
from pipeline.files.published import has_replies
from pipeline.history.carrying import carry_over
from pipeline.history.due import choice_of
from pipeline.history.predecessor import Candidates
from pipeline.jobs.budget import is_limited
from pipeline.jobs.notice import NOTICE
from pipeline.jobs.unfinished import REMEDY
from pipeline.journal.adopted import AdoptedRun, adopt
from pipeline.journal.replay import JournalAnswers
from pipeline.journal.selection import count_addresses, select_due
from pipeline.settings.account import account_of
from pipeline.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pipeline.files.folder import OutputFolder
    from pipeline.history.predecessor import Predecessor
    from pipeline.journal.records import RunRecord
    from pipeline.journal.replay import JournalSummary
    from pipeline.journal.store import Journal
    from pipeline.outcomes import Answer
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Earlier:
    """Earlier runs of the same account, from which a new run takes over what they know.

    Attributes:
        settings: of the new run.
        adopted: unfinished runs that the new one takes the place of.
        others: further unfinished runs, which stay.
        published: the newest published run with its answers, if its answers are to be used.
    """

    settings: Settings
    adopted: Sequence[JournalSummary] = ()
    others: Sequence[JournalSummary] = ()
    published: Predecessor | None = None

    def take_over(self, journal: Journal, run: RunRecord) -> RunRecord:
        """Put into a journal that has its lists what earlier runs know about them, and choose whom to ask.

        Returns the record with which its run starts.

        Raises:
            StorageError: something cannot be read or written.
        """
        adopt(journal.path, [AdoptedRun(seen.run.run_id, seen.run.started_at_ms) for seen in self.adopted])
        sources = [*self._sources()]
        if not sources:
            return run
        carried = carry_over(journal.path, sources, accept_mismatch=self.settings.accept_mismatch)
        logger.info("%s of earlier runs carried over", counted(carried, "answer"))
        addresses, limited = count_addresses(journal.path), is_limited(self.settings)
        choice = choice_of(self.settings, addresses, run.started_at_ms, is_limited=limited)
        selection = select_due(journal.path, choice)
        if selection.ahead:
            logger.warning(
                "%s dated more than two hours in the future, as of a clock that was wrong: such addresses are asked for"
                " again.",
                f"{counted(selection.ahead, 'answer')} of earlier runs {'is' if selection.ahead == 1 else 'are'}",
                extra=NOTICE,
            )
        return run._replace(selected=selection.selected)

    def _sources(self) -> Iterator[Iterable[Answer]]:
        if self.published is not None:
            yield self.published.run.answers().slice(0, self.published.run.answers().count)
        for run in (*self.adopted, *self.others):
            if run.answered or run.carried:
                yield _answers(run)


def _answers(run: JournalSummary) -> Iterator[Answer]:
    try:
        yield from JournalAnswers(run.path, run.addresses)
    except StorageError as error:
        raise StorageError(f"{error} {REMEDY}") from error


def check_carrying(settings: Settings) -> None:
    """Refuse settings with which the next run would have nothing to carry over.

    Raises:
        UsageError: they are such.
    """
    if settings.max_age_days and settings.replies_go == "none":
        raise UsageError(
            "--max-age needs the replies of each run for the next one; leave out --no-keep-replies"
            " (keep_replies = false)."
        )


def newest_answers(folder: OutputFolder, settings: Settings) -> Predecessor | None:
    """The newest published run of the account whose answers can be used; None if there is none yet.

    Raises:
        StorageError: there are runs with answers, but those of none are intact: asking for everybody takes a night.
    """
    candidates = Candidates(folder, account_of(settings))
    newest = candidates.newest_intact()
    if newest is not None:
        return newest
    runs = [has_replies(manifest) for _, manifest in candidates]
    if any(runs):
        raise StorageError(
            f"{folder.root}: no published run has intact answers to carry over (each is named in a warning); bring one"
            " back from a backup, or ask for every address with --new."
        )
    if runs:
        logger.warning(
            "%s: no published run has kept its replies (--no-keep-replies), so nothing is carried over: this run asks"
            " for every address.",
            folder.root,
            extra=NOTICE,
        )
    return None

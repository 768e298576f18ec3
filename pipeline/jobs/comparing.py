"""A run compared with the one before: which one that is, and the feed of changes."""

from __future__ import annotations

import difflib
import logging
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, NoReturn

from pipeline.errors import UsageError
from pipeline.files.replies import PublishedReplies
from pipeline.files.scratch import scratch_folder
from pipeline.history.addresses import indexed_addresses, published_addresses
from pipeline.history.compare import COMPARED, Ignored
from pipeline.history.feed import Feed, Since
from pipeline.history.matched import Matched, matching_database
from pipeline.history.matching import Tally, match
from pipeline.history.predecessor import Candidates
from pipeline.jobs.change_facts import ChangeFacts
from pipeline.jobs.feed_rules import FeedRules
from pipeline.journal.addresses import JournalReplies, address_book
from pipeline.settings.account import account_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.files.folder import OutputFolder
    from pipeline.files.published import PublishedRun
    from pipeline.history.feed import FeedCounts, Replies
    from pipeline.history.predecessor import Predecessor
    from pipeline.journal.addresses import AddressBook
    from pipeline.journal.store import Journal
    from pipeline.privacy.columns import ColumnRules
    from pipeline.privacy.suppression import SuppressionList
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

BYTES_PER_ADDRESS = 64
"""What matching needs for a moment where lists are in the same order; one that was shuffled needs more."""
_SPARE_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class NoFeed:
    """The feed of a run that there is nothing to compare with."""

    count: int = 0

    def build(self, number: int) -> NoReturn:
        """There is no part.

        Raises:
            IndexError: always.
        """
        raise IndexError(number)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two nights side by side.

    Attributes:
        since_run: the run before; None if there is none.
        feed: what changed since then, part by part.
        tally: what the answers alone say.
        forgotten: how many people the feed says nothing about.
    """

    since_run: str | None = None
    feed: Feed | NoFeed = NoFeed()
    tally: Tally = field(default_factory=Tally)
    forgotten: int = 0

    def facts(self, counts: FeedCounts) -> ChangeFacts:
        """What the manifest says about it, once the feed is written."""
        return ChangeFacts.of(self.since_run, self.tally, counts, self.forgotten)


@contextmanager
def compared_with_run_before(
    folder: OutputFolder,
    journal: Journal,
    settings: Settings,
    rules: ColumnRules,
    suppressed: SuppressionList,
) -> Iterator[Comparison]:
    """Compare the answers of a journal with those of the newest run of the same account whose replies are intact.

    Raises:
        StorageError: the journal or that run cannot be read, or the disk is full.
    """
    before = _run_before(folder, settings)
    if before is None:
        yield Comparison()
        return
    run = journal.summary()
    since = Since(before.run_id, _started_at_ms(before.run.manifest), run.run.started_at_ms)
    # What a killed run leaves of it is removed by the next one, as it is of any staging.
    with folder.staging(f"{run.run.run_id}.matches") as scratch:
        feed_rules = FeedRules.of(rules, suppressed, before.run.outcomes_path)
        with address_book(journal.path) as book:
            tally = matched(before.run, book, scratch / "matches", feed_rules)
        replies = JournalReplies(journal.path)
        feed = feed_of(scratch / "matches", before.run, replies, since, settings, feed_rules)
        yield Comparison(before.run_id, feed, tally, len(feed_rules.forgotten))


@contextmanager
def compared_runs(
    old: PublishedRun, new: PublishedRun, settings: Settings, place: Path, rules: FeedRules
) -> Iterator[Comparison]:
    """Compare two published runs; `place` is the folder for what is needed for a moment, if it has room for that.

    Raises:
        StorageError: a run cannot be read, or there is no room for the moment.
    """
    since = Since(str(old.manifest["run_id"]), *map(_started_at_ms, (old.manifest, new.manifest)))
    needed = _SPARE_BYTES + 2 * BYTES_PER_ADDRESS * (old.rows_read() + new.rows_read())
    with scratch_folder(place, needed) as scratch:
        with matching_database(scratch / "addresses") as db:
            tally = matched(old, indexed_addresses(new.outcomes_path, db), scratch / "matches", rules)
        replies = PublishedReplies(new.replies_path)
        feed = feed_of(scratch / "matches", old, replies, since, settings, rules)
        yield Comparison(since.run_id, feed, tally, len(rules.forgotten))


def matched(old: PublishedRun, new: AddressBook, path: Path, rules: FeedRules) -> Tally:
    """Match the addresses of a run with others, into a new database at `path`.

    Raises:
        StorageError: a side cannot be read, or the database cannot be written.
    """
    replies = PublishedReplies(old.replies_path)
    with matching_database(path) as db:
        return match(published_addresses(old.outcomes_path), new, replies.take, db, forgets=rules.forgets)


def feed_of(path: Path, old: PublishedRun, new: Replies, since: Since, settings: Settings, rules: FeedRules) -> Feed:
    """The feed of what `matched` has found."""
    found = Matched(path)
    ignore = settings.changes_ignore
    before = PublishedReplies(old.replies_path)
    return Feed(found, before, new, since, rules, settings.timezone, ignore, found.ends())


def check_ignored(settings: Settings) -> None:
    """Check that each of the `changes_ignore` can be a column.

    Raises:
        UsageError: one is not; the message names the nearest that is.
    """
    for pattern in settings.changes_ignore:
        table, _, rest = pattern.partition(".extra.")
        if any(map(Ignored((pattern,)), COMPARED)) or (rest and f"{table}.extra" in COMPARED):
            continue
        near = difflib.get_close_matches(pattern, COMPARED, 1)
        hint = f"; did you mean {near[0]!r}?" if near else "; use names such as leads.score, or patterns such as tags.*"
        raise UsageError(f"changes_ignore: no column is called {pattern!r}{hint}")


def _run_before(folder: OutputFolder, settings: Settings) -> Predecessor | None:
    """The run to compare with; that there is none, or an older one than one would think, is a warning."""
    candidates = Candidates(folder, account_of(settings))
    before = candidates.newest_intact()
    newest = next((str(manifest["run_id"]) for _, manifest in candidates), None)
    others = len(folder.runs())
    if before is None and others:
        why = "has replies that can be read" if newest else "is of this App and API"
        logger.warning(
            "%s: none of the runs there %s, so that there is nothing to compare this one with: its changes are empty.",
            folder.root,
            why,
        )
    elif before is not None and before.run_id != newest:
        logger.warning("The changes are those since the run %s: later ones have no replies to compare.", before.run_id)
    return before


def _started_at_ms(manifest: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(manifest["started_at"]).timestamp() * 1000)

"""The nightly job: lists in, a published run out."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from pipeline.calls.network import check_access
from pipeline.calls.open_files import check_room
from pipeline.files.folder import OutputFolder
from pipeline.files.modes import Modes
from pipeline.files.output_format import check_formats
from pipeline.jobs.budget import budget_of
from pipeline.jobs.column_rules import rules_of
from pipeline.jobs.comparing import check_ignored, compared_with_run_before
from pipeline.jobs.earlier import check_carrying
from pipeline.jobs.expire import expire_after_run
from pipeline.jobs.failed_lines import failed_lines
from pipeline.jobs.fetch import Observer, fetch_leads
from pipeline.jobs.finished import finish_published, remove_journals
from pipeline.jobs.freshness import Freshness
from pipeline.jobs.gone import check_gone, ended_before, is_accepted
from pipeline.jobs.import_lists import email_lists
from pipeline.jobs.list_size import check_size
from pipeline.jobs.publishing import write_tables
from pipeline.jobs.report.write import add_report
from pipeline.jobs.request import Request
from pipeline.jobs.runs import open_run, recorded_attempt
from pipeline.jobs.space import check_space
from pipeline.jobs.suppressing import suppress_in, suppress_replies_in, suppression_of
from pipeline.outcomes import now_ms
from pipeline.schema import LEAD_TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pipeline.emails.lists import EmailList
    from pipeline.jobs.freshness import EndedBy
    from pipeline.jobs.manifest import Manifest, ManifestBuilder
    from pipeline.journal.store import Journal
    from pipeline.privacy.columns import ColumnRules
    from pipeline.privacy.suppression import SuppressionList
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def export(
    settings: Settings,
    lists: Sequence[Path],
    out: Path,
    *,
    run_id: str | None = None,
    resume: bool = True,
    command: str = "",
    observer: Observer | None = None,
    clock: Callable[[], int] = now_ms,
) -> Manifest:
    """Look up every address of the lists and publish all tables under `out`; return the manifest.

    An unfinished run for the same lists is resumed unless `resume` is false: addresses that it has answered are not
    looked up again. `command` is what a person would type to resume this run; messages and `status` show it. `clock`
    gives the time, in milliseconds since 1970 UTC, by which answers are dated and grow old.

    Raises:
        UsageError: settings, lists or `out` cannot be used, or there is an unfinished run of another account; nothing
            was called.
        StopRun: the run had to stop; `manifest` on it says what was done, and the answers are kept.
    """
    observer = observer or Observer()
    _check_settings(settings)
    sources, folder = email_lists(lists, settings), OutputFolder(out, Modes.of(settings))
    with folder.locked():
        people = People.of(settings, folder)
        observer.began()
        request = Request.of(folder.state, sources, settings, run_id=run_id, resume=resume, command=command)
        manifest = finish_published(folder, request)
        if manifest is None:
            with _opened(folder, sources, settings, request, people, clock) as journal:
                manifest = _ask_and_publish(folder, journal, settings, people, observer, clock)
            expire_after_run(folder, settings, clock())
    observer.published(folder.run(manifest.run_id))
    return manifest


def _check_settings(settings: Settings) -> None:
    """Check what can be checked before anything is read or written.

    Raises:
        UsageError: a setting cannot be used.
    """
    check_access(settings)
    check_room(len(LEAD_TABLES) * len(settings.formats))
    check_formats(settings.formats)
    check_ignored(settings)
    check_carrying(settings)
    rules_of(settings)


class People(NamedTuple):
    """What is done about people: to the columns about them, and with those who are not to be asked for."""

    rules: ColumnRules
    suppressed: SuppressionList

    @classmethod
    def of(cls, settings: Settings, folder: OutputFolder) -> People:
        """What the settings, and the suppression list of the folder, say.

        Raises:
            UsageError: the settings are wrong, or the key is missing or another one.
            StorageError: the suppression list cannot be read.
        """
        return cls(rules_of(settings), suppression_of(settings, folder.state.path))


def _opened(
    folder: OutputFolder,
    lists: Sequence[EmailList],
    settings: Settings,
    request: Request,
    people: People,
    clock: Callable[[], int],
) -> Journal:
    """The journal of a new or resumed run, with nobody in it who is not to be asked for."""
    hide = partial(suppress_in, suppressed=people.suppressed)
    return open_run(folder.state, lists, settings, request, output=folder, clock=clock, prepare=hide)


def _ask_and_publish(
    folder: OutputFolder,
    journal: Journal,
    settings: Settings,
    people: People,
    observer: Observer,
    clock: Callable[[], int],
) -> Manifest:
    check_size(folder, journal, settings)
    with recorded_attempt(journal, settings, observer, clock) as attempt:
        check_space(folder.state, journal, settings)
        if is_accepted(journal.stop_code, settings):
            ended = ended_before(journal)
        else:
            budget = budget_of(journal, settings, clock)
            ended = fetch_leads(settings, journal, observer, attempt.calls, clock, budget)
        suppress_replies_in(journal, people.suppressed)
        manifest = publish_run(folder, journal, settings, people, attempt, ended)
    folder.switch_latest_to(manifest.run_id)
    remove_journals(folder.state, journal)
    return manifest


def publish_run(
    folder: OutputFolder,
    journal: Journal,
    settings: Settings,
    people: People,
    attempt: ManifestBuilder,
    ended: EndedBy = "done",
) -> Manifest:
    """Publish what a journal holds, with what changed since the run before; return the manifest.

    Raises:
        LeadsGone: implausibly many leads are gone; nothing was published.
        InternalError, StorageError: as from `write_tables`.
    """
    run_id = attempt.run.run_id
    rules, pending = people.rules, ended != "done"
    compared = compared_with_run_before(folder, journal, settings, rules, people.suppressed)
    with compared as comparison, folder.staging(run_id) as staging:
        check_gone(comparison.tally, comparison.since_run, settings)
        tables = write_tables(journal, settings, staging, rules=rules, may_be_pending=pending, feed=comparison.feed)
        codes, failed = journal.rows().codes(), failed_lines(journal)
        facts, fresh = comparison.facts(tables.changes), Freshness.of(journal, ended)
        manifest = attempt.published(tables, codes, failed, facts, fresh, key_id=rules.key_id)
        if settings.report:
            manifest = add_report(manifest, staging, folder.state.path)
        path = folder.publish(staging, run_id, manifest.to_dict())
    logger.info("published %s", path)
    return manifest

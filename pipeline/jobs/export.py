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
from pipeline.jobs.earlier import check_carrying
from pipeline.jobs.expire import expire_after_run
from pipeline.jobs.failed_lines import failed_lines
from pipeline.jobs.fetch import Observer, fetch_leads
from pipeline.jobs.finished import finish_published, remove_journals
from pipeline.jobs.freshness import Freshness
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
    check_access(settings)
    check_room(len(LEAD_TABLES) * len(settings.formats))
    check_formats(settings.formats)
    check_carrying(settings)
    rules = rules_of(settings)
    sources, folder = email_lists(lists, settings), OutputFolder(out, Modes.of(settings))
    with folder.locked():
        suppressed = suppression_of(settings, folder.state.path)
        observer.began()
        request = Request.of(folder.state, sources, settings, run_id=run_id, resume=resume, command=command)
        manifest = finish_published(folder, request)
        if manifest is None:
            people = _People(rules, suppressed)
            with _opened(folder, sources, settings, request, people, clock) as journal:
                manifest = _ask_and_publish(folder, journal, settings, people, observer, clock)
            expire_after_run(folder, settings, clock())
    observer.published(folder.run(manifest.run_id))
    return manifest


class _People(NamedTuple):
    """What is done about people: to the columns about them, and with those who are not to be asked for."""

    rules: ColumnRules
    suppressed: SuppressionList


def _opened(
    folder: OutputFolder,
    lists: Sequence[EmailList],
    settings: Settings,
    request: Request,
    people: _People,
    clock: Callable[[], int],
) -> Journal:
    """The journal of a new or resumed run, with nobody in it who is not to be asked for."""
    hide = partial(suppress_in, suppressed=people.suppressed)
    return open_run(folder.state, lists, settings, request, output=folder, clock=clock, prepare=hide)


def _ask_and_publish(
    folder: OutputFolder,
    journal: Journal,
    settings: Settings,
    people: _People,
    observer: Observer,
    clock: Callable[[], int],
) -> Manifest:
    check_size(folder, journal, settings)
    with recorded_attempt(journal, settings, observer, clock) as attempt:
        check_space(folder.state, journal, settings)
        budget = budget_of(journal, settings, clock)
        ended = fetch_leads(settings, journal, observer, attempt.calls, clock, budget)
        suppress_replies_in(journal, people.suppressed)
        manifest = _publish(folder, journal, settings, people.rules, attempt, ended)
    folder.switch_latest_to(manifest.run_id)
    remove_journals(folder.state, journal)
    return manifest


def _publish(
    folder: OutputFolder,
    journal: Journal,
    settings: Settings,
    rules: ColumnRules,
    attempt: ManifestBuilder,
    ended: EndedBy,
) -> Manifest:
    run_id = attempt.run.run_id
    with folder.staging(run_id) as staging:
        tables = write_tables(journal, settings, staging, rules=rules, may_be_pending=ended != "done")
        codes, failed = journal.rows().codes(), failed_lines(journal)
        manifest = attempt.published(tables, codes, failed, Freshness.of(journal, ended), key_id=rules.key_id)
        if settings.report:
            manifest = add_report(manifest, staging, folder.state.path)
        path = folder.publish(staging, run_id, manifest.to_dict())
    logger.info("published %s", path)
    return manifest

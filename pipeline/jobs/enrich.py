"""The ad-hoc job: a list comes back as it was, with columns of what the API knows about each row's address."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from pipeline.calls.network import check_access
from pipeline.calls.open_files import check_room
from pipeline.errors import StorageError, UsageError
from pipeline.files import durable
from pipeline.files.modes import Modes
from pipeline.files.output_format import format_of
from pipeline.files.replaced import behind_links, take_over_access
from pipeline.files.state import StateFolder
from pipeline.filesystem import sync
from pipeline.jobs.commands import command_again
from pipeline.jobs.enrich_target import Enrichment, EnrichTarget
from pipeline.jobs.enriched_file import write_enriched
from pipeline.jobs.failed_lines import failed_lines
from pipeline.jobs.fetch import Observer, fetch_leads
from pipeline.jobs.import_lists import email_lists
from pipeline.jobs.kept_answers import keep_answers, remove_old
from pipeline.jobs.manifest_files import OutputFile
from pipeline.jobs.request import Request
from pipeline.jobs.runs import open_run, recorded_attempt
from pipeline.jobs.space import check_space
from pipeline.jobs.suppressing import state_folders_around, suppress_in, suppress_replies_in, suppression_of
from pipeline.journal.database import remove_journal
from pipeline.outcomes import Outcome, iso
from pipeline.privacy.columns import ColumnRules
from pipeline.privacy.key import load_key
from pipeline.tables.wide import select_fields

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.jobs.manifest import Manifest, ManifestBuilder
    from pipeline.journal.store import Journal
    from pipeline.privacy.suppression import SuppressionList
    from pipeline.replies.drift import Drift
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)


def enrich(
    settings: Settings,
    path: Path,
    out: Path,
    how: Enrichment = Enrichment(),  # noqa: B008 - frozen
    *,
    resume: bool = True,
    command: str = "",
    observer: Observer | None = None,
) -> Manifest:
    """Write the list `path` to `out` with columns of what is known about its addresses; return the manifest.

    All rows and columns of the list come first, unchanged. The answers are kept in a hidden folder next to `out` until
    it is written, so that the same call resumes after a stop; `out` appears complete or not at all. While rows have
    failed they are kept for a day longer: the same call with `how.force` then asks only for these.

    Raises:
        UsageError: settings, `path`, `out` or `how` cannot be used; nothing was called.
        StopRun: it had to stop; `manifest` on it says what was done, and the answers are kept.
    """
    observer = observer or Observer()
    check_access(settings)
    check_room(tables=1)
    (source,), fields = email_lists([path], settings), select_fields(how.fields, how.prefix)
    file, rules = _check_out(path, out, how), ColumnRules.of(settings, load_key(settings))
    folder = StateFolder.of_file(file)
    remove_old(file.parent)
    suppressed = suppression_of(settings, folder.path, *state_folders_around(file, path))
    with folder.locked_while_needed():
        observer.began()
        request = Request.of(folder, [source], settings, resume=resume, command=command)
        target = EnrichTarget.of(source, file, fields, how, settings, rules)
        hide = partial(suppress_in, suppressed=suppressed)
        with open_run(folder, [source], settings, request, prepare=hide) as journal:
            manifest = _fetch_and_write(folder, journal, target, suppressed, observer)
        _remove_journals(folder, kept=journal.path if manifest.kept_until else None)
    observer.published(out)
    return manifest


def _check_out(path: Path, out: Path, how: Enrichment) -> Path:
    """Check that `out` can be written; return the file itself, which may be behind symbolic links."""
    format_of(out)
    if not how.separator or "\\" in how.separator:
        raise UsageError("--list-separator: must not be empty, nor contain a backslash, which escapes it in values.")
    with durable.storage_errors(out):
        if out.is_dir():
            raise UsageError(f"{out}: is a folder; name a file.")
        if out.exists() and path.exists() and path.samefile(out):
            raise UsageError(f"{out}: is the list itself; name another --out.")
        if out.exists() and not how.force:
            raise UsageError(f"{out}: already exists; add --force to replace it, or name another --out.")
        return behind_links(out)


def _fetch_and_write(
    folder: StateFolder, journal: Journal, target: EnrichTarget, suppressed: SuppressionList, observer: Observer
) -> Manifest:
    """Look up what has no answer yet, and write the file."""
    with recorded_attempt(journal, target.settings, observer) as attempt:
        check_space(folder, journal, target.settings)
        fetch_leads(target.settings, journal, observer, attempt.calls)
        suppress_replies_in(journal, suppressed)
        return _publish(folder, journal, target, attempt)


def _one_file(settings: Settings, out: Path) -> Settings:
    """The settings of a run that would write about as much."""
    return settings.model_copy(update={"formats": (out.suffix.lower().removeprefix("."),), "keep_replies": False})


def _publish(folder: StateFolder, journal: Journal, target: EnrichTarget, attempt: ManifestBuilder) -> Manifest:
    """Write the file, check it, and move it into place."""
    staged = folder.partial(target.out.name)
    with durable.storage_errors(staged):
        written = write_enriched(target, journal, staged)
        sync(staged)
        output = OutputFile(
            name=target.out.name,
            rows=written.rows,
            bytes=staged.stat().st_size,
            sha256=durable.sha256(staged),
            columns=[*written.columns],
            filled=written.filled,
        )
        staged.chmod(Modes.of(target.settings).file)
        take_over_access(staged, target.out)
        try:
            durable.move(staged, target.out, replace=target.how.force)
        except FileExistsError:
            raise StorageError(
                f"{target.out}: has appeared meanwhile; move it, or add --force to replace it."
            ) from None
        sync(target.out.parent)
    logger.info("wrote %s", target.out)
    return _described(journal, attempt, output, written.drift)


def _described(journal: Journal, attempt: ManifestBuilder, output: OutputFile, drift: Drift) -> Manifest:
    """The manifest of the file, which is in its place; while rows have failed, the answers are kept for a day."""
    rows, codes, failed = journal.count_rows(), journal.rows().codes(), failed_lines(journal)
    kept_until = keep_answers(journal, rows[Outcome.FAILED]) if failed else None
    return attempt.enriched(
        rows,
        codes,
        output,
        drift,
        first_failed=failed,
        resume=command_again(attempt.run.command) if kept_until else None,
        kept_until=iso(kept_until) if kept_until else None,
    )


def _remove_journals(folder: StateFolder, *, kept: Path | None) -> None:
    """Remove every other journal of this file: its answers are in the file, or were replaced."""
    try:
        for path in folder.journals():
            if path != kept:
                remove_journal(path)
    except StorageError as error:
        logger.warning("%s", error)

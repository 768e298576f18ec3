"""Which run this is: a new one, or a stopped one that goes on.

A stopped run is known again by what it was about: the same lists, byte for byte and by the same column, asked of the
same API for the same App. A rehearsal never goes on as a real run, nor the other way round.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pipeline.errors import StorageError, UsageError
from pipeline.jobs.intake import take_in
from pipeline.journal import Journal
from pipeline.settings import LOOPBACK_HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.emails.reader import EmailList
    from pipeline.files.folder import OutputFolder
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def subject(settings: Settings) -> str:
    """What of the settings decides whom a run asks about, as one text; the App id only as a hash."""
    url = urlsplit(settings.api_url)
    api = "loopback" if url.hostname in LOOPBACK_HOSTS else settings.api_url  # a sandbox's port changes every time
    return json.dumps({"api": api, "app": settings.app_hash(), "email_column": settings.email_column})


def open_run(
    folder: OutputFolder, lists: Sequence[EmailList], settings: Settings, *, wanted: str | None, resume: bool
) -> Journal:
    """The journal of a stopped run about the same, or a new one.

    Args:
        folder: where runs are published; its lock must be held.
        lists: what to ask for; they are read to their ends.
        settings: whom to ask.
        wanted: the run's name as the user gave it; None takes any stopped run, or the time in UTC.
        resume: whether a stopped run may go on.

    Raises:
        UsageError: a list cannot be read, or the name is taken.
    """
    _finish_published(folder)
    folder.clear_stagings()
    run_id = _new_name(folder, wanted)
    path, incoming = folder.journal(run_id), folder.incoming()
    with take_in(lists, incoming, run_id, subject(settings)) as new:
        same = list(_about_the_same(folder, new))
        stopped = next((old for old in same if resume and wanted in (None, old.stem)), None)
    if stopped is not None:
        new.remove()
        logger.info("taking up the stopped run %s", stopped.stem)
        return Journal(stopped)
    _mention(path for path in folder.journals() if resume or path not in same)
    if path.exists():
        new.remove()
        raise UsageError(f"--run-id {run_id}: another stopped run has this name; choose another.")
    new.rename(path)
    return Journal(path)


def _mention(left_behind: Iterable[Path]) -> None:
    """Say what stopped runs a new run leaves behind: their answers were paid for."""
    for path in left_behind:
        with suppress(StorageError), Journal(path) as journal:
            logger.warning(
                "The stopped run %s with %d answers is not taken up by this one. The command that began it goes on with"
                " it; delete %s to forget it.",
                path.stem,
                journal.count_answered(),
                path,
            )


def tidy_up(folder: OutputFolder, published: Journal, *, replaced: bool) -> None:
    """Remove the journal of a published run, and with `replaced` those of stopped runs about the same.

    The latter would otherwise be taken up by the next run, with answers older than these. Should it fail, the next run
    tidies up, and this one is published all the same.
    """
    try:
        for path in _about_the_same(folder, published) if replaced else ():
            if path != published.path:
                Journal.remove_file(path)
        published.close()
        published.remove()
    except StorageError as error:
        logger.warning("%s", error)


def _about_the_same(folder: OutputFolder, journal: Journal) -> Iterator[Path]:
    """Stopped runs over the same lists with the same subject, newest name first."""
    lists, subject_ = journal.lists(), journal.run().subject
    for path in sorted(folder.journals(), reverse=True):
        try:
            with Journal(path) as other:
                same = other.lists() == lists and other.run().subject == subject_
        except StorageError as error:
            logger.warning("%s It is left alone.", error)
            continue
        if same:
            yield path


def _finish_published(folder: OutputFolder) -> None:
    """See to runs that were published by a process that was killed right then: their journals are still there."""
    for path in folder.journals():
        if folder.run(path.stem).exists():
            folder.point_latest_to(path.stem)
            Journal.remove_file(path)


def _new_name(folder: OutputFolder, wanted: str | None) -> str:
    """A name for the run that no other run in the folder has."""
    if wanted is None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        names = (stamp if n == 1 else f"{stamp}-{n}" for n in itertools.count(1))
        return next(name for name in names if not folder.run(name).exists() and not folder.journal(name).exists())
    if not _RUN_ID.fullmatch(wanted):
        raise UsageError(f"--run-id {wanted!r}: use up to 64 letters, digits, dots, dashes and underscores.")
    if folder.run(wanted).exists():
        raise UsageError(f"--run-id {wanted}: this run is already published in {folder.run(wanted)}.")
    return wanted

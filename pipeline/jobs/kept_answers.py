"""Answers that outlive the file that `enrich` wrote: while rows have failed, so that only these are asked again.

They stay where they were while the job ran: in the journal beside the file, for its owner only. For a day from the
first writing, the same command takes them up again, all of them, and looks up only the addresses that failed; an
attempt that stops changes nothing about that. They are removed once nothing has failed, once that day is over, or once
the file is written from something else; if no command ever comes again, they stay.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.errors import FolderBusy, StorageError, UsageError
from pipeline.files.state import SUFFIX, StateFolder
from pipeline.jobs.kept_hours import KEPT_H
from pipeline.journal.database import remove_journal
from pipeline.journal.replay import read_summary
from pipeline.journal.written import mark_written
from pipeline.outcomes import now_ms

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pipeline.journal.replay import JournalSummary
    from pipeline.journal.store import Journal

logger = logging.getLogger(__name__)
_HOUR_MS = 3_600_000


def keep_answers(journal: Journal, failed: int) -> int | None:
    """Say in the journal that its file is written, and that this many rows failed; return until when it is kept.

    The time is in milliseconds since 1970 UTC. None: the answers are not kept, because they are too old by now, or
    because the journal cannot be written, which is a warning: the file is there.
    """
    try:
        mark_written(journal.path, now_ms(), failed)
        run = journal.summary()
    except StorageError as error:
        logger.warning("%s", error)
        return None
    return None if is_too_old(run) else kept_until_ms(run)


def kept_until_ms(run: JournalSummary) -> int | None:
    """When kept answers are no longer used, in milliseconds since 1970 UTC; None for an unfinished run."""
    return run.written.first_at_ms + KEPT_H * _HOUR_MS if run.written else None


def is_too_old(run: JournalSummary) -> bool:
    """Whether the answers of a run were kept, and are no longer used."""
    until = kept_until_ms(run)
    return until is not None and until <= now_ms()


def remove_kept(runs: Iterable[JournalSummary]) -> None:
    """Remove those of these runs whose files are written; the folder's lock must be held.

    Unfinished runs are left alone: their answers are in no file yet. What cannot be removed is a warning.
    """
    for run in runs:
        if run.written:
            try:
                remove_journal(run.path)
            except StorageError as error:
                logger.warning("%s", error)


def remove_old(folder: Path) -> None:
    """Remove what is too old to be used of the answers that are kept for the files in a folder."""
    for state in state_folders_of_files(folder):
        if not _too_old(state):
            continue
        with suppress(FolderBusy, StorageError, UsageError), state.locked_while_needed():
            remove_kept(_too_old(state))
            logger.info("%s: its answers are too old to be used again and were removed", state.owner)


def state_folders_of_files(folder: Path) -> list[StateFolder]:
    """The state folders of jobs that write a single file in this folder."""
    return [StateFolder.of_file(folder / path.name[1 : -len(SUFFIX)]) for path in sorted(folder.glob(f".?*{SUFFIX}"))]


def _too_old(folder: StateFolder) -> list[JournalSummary]:
    """The runs of a folder whose answers were kept for too long; a journal that cannot be read is none."""
    found = []
    for path in folder.journals():
        with suppress(StorageError):
            run = read_summary(path)
            if run is not None and is_too_old(run):
                found.append(run)
    return found

"""Answers that outlive the file that `enrich` wrote: while rows have failed, so that only these are asked again.

They stay where they were while the job ran: in the journal beside the file, for its owner only. The same command takes
them up again, and looks up only the addresses that failed. They are removed once nothing has failed, once they are a
day old, or once the file is written from something else; if no command ever comes again, they stay.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING

from pipeline.errors import FolderBusy, StorageError, UsageError
from pipeline.files.state import SUFFIX, StateFolder
from pipeline.journal.database import remove_journal
from pipeline.journal.replay import read_summary
from pipeline.outcomes import now_ms
from pipeline.words import counted

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.jobs.request import Request
    from pipeline.journal.replay import JournalSummary
    from pipeline.journal.store import Journal

logger = logging.getLogger(__name__)
FRESH_H = 24
"""Hours for which an answer is used again."""
_FRESH_MS = FRESH_H * 3_600_000
_ROWS_FAILED = "rows_failed"


def keep_answers(journal: Journal, failed: int) -> None:
    """Say in the journal that its file is written, and that this many rows failed."""
    journal.stopped(_ROWS_FAILED, f"{counted(failed, 'row')} failed")


def is_kept(run: JournalSummary) -> bool:
    """Whether the file of this run is written, and its answers are kept for those that failed."""
    return run.stop is not None and run.stop.code == _ROWS_FAILED


def kept_until_ms(run: JournalSummary) -> int:
    """When the kept answers of a run are no longer used, in milliseconds since 1970 UTC."""
    return run.stop.stopped_at_ms + _FRESH_MS if run.stop else 0


def oldest_used_ms(run: JournalSummary) -> int:
    """The time before which answers are asked for again, in milliseconds since 1970 UTC; 0 for an unfinished run."""
    return now_ms() - _FRESH_MS if is_kept(run) else 0


def remove_unusable(folder: StateFolder, request: Request) -> None:
    """Remove kept answers that this command does not take up, or that are too old; the folder's lock must be held.

    Unfinished runs are left alone: their answers are in no file yet.

    Raises:
        StorageError: they cannot be removed.
    """
    for run in _kept(folder):
        if not request.takes_up(run) or kept_until_ms(run) <= now_ms():
            remove_journal(run.path)


def remove_old(folder: Path) -> None:
    """Remove what is too old to be used of the answers that are kept for the files in a folder."""
    for state in state_folders_of_files(folder):
        if not any(kept_until_ms(run) <= now_ms() for run in _kept(state)):
            continue
        with suppress(FolderBusy, StorageError, UsageError), state.locked():
            for run in _kept(state):
                if kept_until_ms(run) <= now_ms():
                    remove_journal(run.path)
                    logger.info("%s: its answers are too old to be used again and were removed", state.owner)
            state.remove_if_empty()


def state_folders_of_files(folder: Path) -> list[StateFolder]:
    """The state folders of jobs that write a single file in this folder."""
    return [StateFolder.of_file(folder / path.name[1 : -len(SUFFIX)]) for path in sorted(folder.glob(f".?*{SUFFIX}"))]


def _kept(folder: StateFolder) -> list[JournalSummary]:
    """The runs of a folder whose answers are kept; a journal that cannot be read is none."""
    kept = []
    for path in folder.journals():
        with suppress(StorageError):
            run = read_summary(path)
            if run is not None and is_kept(run):
                kept.append(run)
    return kept

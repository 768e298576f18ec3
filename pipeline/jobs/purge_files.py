"""What a purge does with everything beside the published runs: journals, reports of attempts, and leftovers."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import StorageError
from pipeline.files import durable
from pipeline.files.exchange import REPLACED
from pipeline.files.scratch import remove_abandoned
from pipeline.filesystem import sync
from pipeline.jobs.purge_replacement import SUFFIX as PURGING
from pipeline.journal.rewriting import rewrite
from pipeline.privacy.journal_search import hits_in_journal
from pipeline.privacy.mentions import in_file
from pipeline.privacy.places import kind_of
from pipeline.privacy.redaction import redacted, redacted_text
from pipeline.privacy.unfinished import ChangedFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.files.state import StateFolder
    from pipeline.jobs.purge_run import Erasure
    from pipeline.privacy.journal_search import JournalHits

CLEARED, REMOVED, ANEW = "cleared", "removed", "written anew"
_SCRATCH_S = 5.0
"""Seconds after which a folder without its process is removed: it has had its lock for long."""
_SIDE_FILES = ("", "-wal", "-shm", "-journal")


def purge_journal(path: Path, hits: JournalHits, erasure: Erasure, root: Path) -> ChangedFile:
    """Write a journal anew without these people.

    Raises:
        StorageError: it cannot be read or written, or is damaged; it stays as it is.
    """
    needles = erasure.people.needles
    old = durable.sha256(path)
    rewrite(
        path,
        addresses=hits.addresses,
        rows=hits.rows,
        clear=lambda text: redacted_text(text, needles) or "",
        redact=(lambda body: redacted(body, needles)) if erasure.redact else None,
    )
    return ChangedFile(_within(path, root), ANEW, len(hits.rows), 0, old, durable.sha256(path))


def purge_set_aside(state: StateFolder, erasure: Erasure, root: Path) -> Iterator[ChangedFile]:
    """Remove journals that were set aside if these people are in them, or if nobody can tell.

    Raises:
        StorageError: one cannot be removed.
    """
    for path in sorted(state.path.glob("*.unreadable*")):
        if path.name.endswith(_SIDE_FILES[1:]) or not path.is_file():
            continue
        if may_hold(path, erasure):
            old = durable.sha256(path)
            with durable.storage_errors(path):
                for suffix in (*_SIDE_FILES[1:], ""):
                    path.with_name(path.name + suffix).unlink(missing_ok=True)
                sync(path.parent)
            yield ChangedFile(_within(path, root), REMOVED, old_sha256=old)


def may_hold(path: Path, erasure: Erasure) -> bool:
    """Whether a journal that was set aside holds these people, as far as can be told."""
    try:
        return bool(hits_in_journal(path, erasure.people)) or bool(in_file(path, erasure.people.needles))
    except (StorageError, OSError):
        return True


def clear_reports(state: StateFolder, erasure: Erasure, root: Path) -> Iterator[ChangedFile]:
    """Take addresses out of what is kept about attempts, where somebody has named a file after a person.

    Raises:
        StorageError: one cannot be read or written.
    """
    for path in sorted(state.path.iterdir()):
        if kind_of(_within(path, root)).how != CLEARED or not path.is_file():
            continue
        with durable.storage_errors(path):
            content = path.read_bytes()
            if not erasure.people.needles.in_bytes(content):
                continue
            old = durable.sha256(path)
            staged = path.with_name(f"{path.name}.partial")
            staged.unlink(missing_ok=True)
            with durable.create(staged) as file:
                file.write(redacted(content, erasure.people.needles))
            sync(staged)
            staged.replace(path)
            sync(path.parent)
            yield ChangedFile(_within(path, root), CLEARED, old_sha256=old, new_sha256=durable.sha256(path))


def remove_leftovers(state: StateFolder, root: Path) -> None:
    """Remove what killed processes have left; the lock must be held, and it has removed most of it already.

    Raises:
        StorageError: something cannot be removed.
    """
    with durable.storage_errors(state.path):
        for pattern in (f"*{REPLACED}", f"*{PURGING}"):
            for path in state.path.glob(pattern):
                shutil.rmtree(path)
        for path in root.glob(".*.partial"):
            path.unlink(missing_ok=True)
        for path in state.path.glob("probe*"):
            path.unlink(missing_ok=True)
    for parent in (state.path, Path(tempfile.gettempdir())):
        with suppress(OSError):
            remove_abandoned(parent, new_s=_SCRATCH_S)


def _within(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()

"""Lists into the journal: every row as it stood, every distinct address once, in the order of first appearance."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from pipeline.emails.address import Refusal, clean, key
from pipeline.errors import StorageError
from pipeline.journal import Journal, ListRow

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from pipeline.emails.reader import EmailList

logger = logging.getLogger(__name__)


def take_in(lists: Sequence[EmailList], path: Path, run_id: str) -> Journal:
    """Read all lists into a new journal at `path` for the run `run_id`; if that fails nothing is left of it.

    Raises:
        UsageError: a list cannot be read; the message says which and why.
    """
    path.unlink(missing_ok=True)
    journal = Journal(path)
    try:
        for source in lists:
            number = journal.add_list(source.name, _rows(source.cells()))
            journal.seal_list(number, rows=source.rows, sha256=source.sha256)
            logger.info("%s: %d rows read", source.name, source.rows)
        journal.start(run_id, time.time_ns() // 1_000_000)
    except BaseException:
        journal.close()
        journal.remove()
        raise
    return journal


def find_unfinished(paths: Iterable[Path], like: Journal) -> Path | None:
    """The newest of the journals at `paths` that is over the same lists as `like`, byte for byte, or None."""
    lists = like.lists()
    for path in sorted(paths, reverse=True):
        try:
            with Journal(path) as journal:
                if journal.lists() == lists:
                    return path
        except StorageError as error:
            logger.warning("%s It is left alone.", error)
    return None


def _rows(cells: Iterable[str]) -> Iterator[ListRow]:
    for given in cells:
        email = clean(given)
        if isinstance(email, Refusal):
            yield ListRow(given, code=email.code, message=email.message)
        else:
            yield ListRow(given, email, key(email))

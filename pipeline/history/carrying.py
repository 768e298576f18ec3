"""Answers of earlier runs into a new journal, so that only what is due must be asked for again.

One pass over all of them, whatever lists they were for: an answer is taken over if the new lists have its address, and
of several the newest. Memory does not grow with the lists. If it is interrupted, the journal counts as one whose lists
were never completely imported: nothing was removed from where the answers came from, and the next attempt begins anew.
"""

from __future__ import annotations

import itertools
import json
import logging
from contextlib import closing
from typing import TYPE_CHECKING

import msgspec

from pipeline.calls.kartra import judge
from pipeline.emails.address import key
from pipeline.errors import LeadExportError
from pipeline.history.spool import BUFFER_BYTES, SEGMENT, spool
from pipeline.journal.carried import CarriedWriter
from pipeline.journal.database import connect, storage
from pipeline.outcomes import KEPT, Outcome

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pipeline.history.spool import Spool
    from pipeline.outcomes import Answer

logger = logging.getLogger(__name__)
_BATCH = 2_000
_NUMBERS = "SELECT key, id, email FROM addresses WHERE key IN (SELECT value FROM json_each(?))"


def carry_over(
    journal: Path,
    sources: Iterable[Iterable[Answer]],
    *,
    segment: int = SEGMENT,
    buffer_bytes: int = BUFFER_BYTES,
) -> int:
    """Put the answers of earlier runs into a journal that has its lists, but has not started; return how many.

    Failures are left out. Of two answers for an address the later one counts.

    Args:
        journal: the path of the journal.
        sources: the answers of each earlier run.
        segment: see `spool`.
        buffer_bytes: see `spool`.

    Raises:
        StorageError: answers cannot be read, or the journal cannot be written.
    """
    with spool(journal.with_name(f"{journal.name}.partial"), segment, buffer_bytes) as spooled:
        with storage(journal), closing(connect(journal)) as db:
            for answers in sources:
                _collect(db, answers, spooled)
        with CarriedWriter(journal) as writer:
            return sum(map(writer.write, spooled.segments()))


def _collect(db: sqlite3.Connection, answers: Iterable[Answer], spooled: Spool) -> None:
    """Put those answers on the spool that are for addresses of the journal."""
    for batch in _batches(answers):
        by_key = {key(answer.email): answer for answer in batch if answer.outcome is not Outcome.FAILED}
        for found, number, email in db.execute(_NUMBERS, (json.dumps([*by_key]),)):
            answer = by_key[found]
            was_kept = answer.code is not None and answer.code.startswith(KEPT)
            spooled.add(number, email, _as_it_was(answer) if was_kept else answer)


def _batches(answers: Iterable[Answer]) -> Iterator[list[Answer]]:
    left = iter(answers)
    while batch := list(itertools.islice(left, _BATCH)):
        yield batch


def _as_it_was(kept: Answer) -> Answer:
    """An answer that was kept because asking again failed, with the code and the message that it had before."""
    try:
        before = judge(200, kept.body or b"", email=kept.email, accept_mismatch=True)
    except LeadExportError:
        return msgspec.structs.replace(kept, code=None, message=None)
    return msgspec.structs.replace(kept, code=before.code, message=before.message)

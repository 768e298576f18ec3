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
from pipeline.errors import EmailMismatch, LeadExportError
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
    accept_mismatch: bool = False,
    segment: int = SEGMENT,
    buffer_bytes: int = BUFFER_BYTES,
) -> int:
    """Put the answers of earlier runs into a journal that has its lists, but has not started; return how many.

    Failures are left out. Of two answers for an address the later one counts.

    Args:
        journal: the path of the journal.
        sources: the answers of each earlier run.
        accept_mismatch: whether leads of another address than the one asked for are taken over; see the setting.
        segment: see `spool`.
        buffer_bytes: see `spool`.

    Raises:
        StorageError: answers cannot be read, or the journal cannot be written.
    """
    with spool(journal.with_name(f"{journal.name}.partial"), segment, buffer_bytes) as spooled:
        with storage(journal), closing(connect(journal)) as db:
            for answers in sources:
                _collect(db, answers, spooled, accept_mismatch=accept_mismatch)
        with CarriedWriter(journal) as writer:
            return sum(map(writer.write, spooled.segments()))


def _collect(db: sqlite3.Connection, answers: Iterable[Answer], spooled: Spool, *, accept_mismatch: bool) -> None:
    """Put those answers on the spool that are for addresses of the journal, and would be accepted tonight."""
    for batch in _batches(answers):
        by_key = {key(answer.email): answer for answer in batch if answer.outcome is not Outcome.FAILED}
        for found, number, email in db.execute(_NUMBERS, (json.dumps([*by_key]),)):
            answer = _as_it_was(by_key[found])
            if accept_mismatch or answer.code != EmailMismatch.code:
                spooled.add(number, email, answer)


def _batches(answers: Iterable[Answer]) -> Iterator[list[Answer]]:
    left = iter(answers)
    while batch := list(itertools.islice(left, _BATCH)):
        yield batch


def _as_it_was(answer: Answer) -> Answer:
    """An answer; if it was kept because asking again failed, with the code and the message that it had before."""
    if answer.code is None or not answer.code.startswith(KEPT):
        return answer
    try:
        before = judge(200, answer.body or b"", email=answer.email, accept_mismatch=True)
    except LeadExportError:
        return msgspec.structs.replace(answer, code=None, message=None)
    return msgspec.structs.replace(answer, code=before.code, message=before.message)

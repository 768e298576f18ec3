"""Whether the disk has room for a run, before it makes its first call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.errors import StorageError
from pipeline.files.output_format import load_format
from pipeline.words import counted

if TYPE_CHECKING:
    from pipeline.files.state import StateFolder
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

JOURNAL_BYTES = 1_400
"""An answer in the journal, its body compressed."""
REPLY_BYTES = 350
"""A reply in `replies.parquet`."""
RESERVE_BYTES = 4_500_000
"""For SQLite's write-ahead log, which grows to four megabytes, and for headers and footers of files."""


def needed_bytes(settings: Settings, *, rows: int, addresses: int, unanswered: int) -> int:
    """Bytes that a run over that many rows and addresses has yet to write.

    Measured with the sandbox's people, whose replies are about as large as the documented example; accounts with many
    custom fields need more, and unknown addresses hardly anything.

    Raises:
        UsageError: an output format does not exist, or its library is not installed.
    """
    formats = [load_format(name) for name in settings.formats]
    tables = sum(addresses * one.bytes_per_lead + rows * one.bytes_per_row for one in formats)
    replies = addresses * REPLY_BYTES if settings.keep_replies else 0
    return unanswered * JOURNAL_BYTES + tables + replies + RESERVE_BYTES


def check_space(folder: StateFolder, journal: Journal, settings: Settings) -> None:
    """Refuse to fetch what could not be stored, and warn if space may run out.

    Raises:
        StorageError: there is not even half of the space that such a run usually needs.
    """
    run = journal.summary()
    needed = needed_bytes(settings, rows=run.rows, addresses=run.addresses, unanswered=run.addresses - run.answered)
    free = folder.free_bytes()
    addresses = f"{counted(run.addresses, 'address')} {'needs' if run.addresses == 1 else 'need'}"
    sizes = f"{_megabytes(free)} are free, but {addresses} about {_megabytes(needed)}"
    if free < needed // 2:
        raise StorageError(
            f"{folder.owner}: {sizes}; free some space, then run the same command again, or name another --out."
        )
    if free < needed:
        logger.warning(
            "%s: %s; if the disk fills up, the run stops and can be resumed once there is space.", folder.owner, sizes
        )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"

"""Whether there is room for a run, before it makes its first call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from pipeline.errors import StorageError
from pipeline.files.output_format import load_format

if TYPE_CHECKING:
    from pipeline.files.state import StateFolder
    from pipeline.journal.store import Journal
    from pipeline.settings import Settings

logger = logging.getLogger(__name__)

JOURNAL_BYTES = 650
"""A packed answer in the journal."""
REPLY_BYTES = 350
"""A reply in `replies.parquet`."""
RESERVE_BYTES = 4_500_000
"""For what SQLite writes ahead (four megabytes until it is folded in), and the files' own heads and ends."""


def needed_bytes(settings: Settings, *, rows: int, addresses: int, open_: int) -> int:
    """Bytes that a run over so many rows and addresses is still to write, `open_` of these yet to be asked.

    Measured with the sandbox's people, whose replies are of the size of the documented example; real accounts with
    many custom fields need more, and unknown addresses next to nothing.
    """
    tables = sum(
        addresses * one.bytes_per_lead + rows * one.bytes_per_row for one in map(load_format, settings.formats)
    )
    replies = addresses * REPLY_BYTES if settings.keep_replies else 0
    return open_ * JOURNAL_BYTES + tables + replies + RESERVE_BYTES


def check_space(folder: StateFolder, journal: Journal, settings: Settings) -> None:
    """Refuse to ask for what could not be kept, and warn where it may be tight.

    Raises:
        StorageError: there is not even half of the room that such a run usually needs.
    """
    addresses = journal.count_addresses()
    needed = needed_bytes(
        settings, rows=journal.rows_read(), addresses=addresses, open_=addresses - journal.count_answered()
    )
    free = folder.free_bytes()
    sizes = f"{_megabytes(free)} are free, but {addresses:,} addresses need about {_megabytes(needed)}"
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
